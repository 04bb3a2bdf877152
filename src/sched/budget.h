/* How many tokens a batch may hold: the budget.
 *
 * The rule, budget_pick(): the smallest batch whose rate is within 95 % of the best, of those that take at
 * most 50 ms; more only adds latency. It needs what a token costs by size of batch. `linnet bench` measures
 * that outright; a server learns it from its own work, for it depends on model, processor, threads and texts.
 *
 * What it learns from. A budget matters only where more waits than it holds, so only batches that left
 * something waiting are measured: under light load nothing is tried and nothing forgotten. One batch tells
 * little, for its texts may be long (attention is quadratic) or a neighbour busy. So blocks are compared:
 * batches in a row under one budget, in which the queue hands out long and short texts as they come. A trial
 * of another size is divided by the mean of the blocks of the budget in use right before and after it, which
 * had the same texts and neighbours; the median of a size's last nine such ratios counts.
 *
 * What it tries. Sizes are half powers of two. Those from half the budget in use to four times it are tried
 * in turn, the nearest first, but none that would take longer than 50 ms, and a trial that the load does not
 * fill is given up. While trials change nothing they become rarer, down to one block in 33, those of sizes
 * that proved clearly worse rarer still, and blocks become three times as long.
 *
 * When it moves. Up when the budget in use falls below 95 % of the best rate known; down, once all sizes in
 * reach have had their trials, to one that has 97 % of it: noise between the two moves nothing. When eight
 * batches in a row take longer than 50 ms the budget is lowered at once, whether or not anything waits.
 *
 * Threads: budget_now() and budget_report() from any lane, budget_state() from any thread. A lane never waits
 * here: a report that meets another is dropped, for it is a sample.
 */
#ifndef LINNET_SCHED_BUDGET_H
#define LINNET_SCHED_BUDGET_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BUDGET_MAX_BATCH_MS = 50,
    BUDGET_SIZES = 15, /* 16, 24, 32, 48, ... 2048 tokens */
    BUDGET_RECENT = 9,
};

/* What a token costs in batches of one size. */
struct budget_size {
    size_t tokens;
    double ns_per_token;
    int trials; /* that it was learned from; the rule does not look at it */
};

/* The sizes, ascending, for 0 <= index < BUDGET_SIZES. */
size_t budget_tokens(int index);

/* The rule. sizes[0..count) ascend, count >= 1; where no size keeps within 50 ms, the first. */
size_t budget_pick(const struct budget_size *sizes, int count);

/* What a server begins with: 128 tokens for "int8", 192 for "bf16", 256 for "fp32" and any other precision.
 */
size_t budget_start(const char *precision);

/* The last few of a row of measurements; the oldest gives way. */
struct recent {
    double values[BUDGET_RECENT];
    int count, next;
};

struct budget {
    atomic_size_t now; /* budget of the next batch: of the size on trial, or of the size in use */
    bool pinned;
    pthread_mutex_t lock; /* of what follows */
    int used;             /* index of the size in use */
    bool moved;           /* it is another than at the start */
    int trial, judged;    /* on trial; tried, until the block after it ends; else -1 */
    int slow, unfilled;   /* batches in a row: over 50 ms; of a trial, that left nothing waiting */
    int rest, resting;    /* blocks between trials, and how many are left until the next */
    int block_batches;
    uint64_t block_tokens, block_ns;
    double slow_ns;             /* ns a token of the fastest of the slow batches */
    double before_ns, trial_ns; /* a token, in the last block of the size in use, and of the trial after it */
    struct recent level;        /* ns a token in blocks of the size in use */
    struct {
        struct recent ratio; /* ns a token over that of the size in use; the latter has none */
        int tries;           /* trials begun */
    } sizes[BUDGET_SIZES];
};

/* A budget that never changes (tokens >= 1), or one that starts at budget_start() and is learned. */
void budget_init_pinned(struct budget *budget, size_t tokens);
void budget_init_learned(struct budget *budget, const char *precision);
void budget_destroy(struct budget *budget);

/* For the next batch. */
size_t budget_now(const struct budget *budget);

/* Tells of a batch: the budget it was taken with, its tokens, the lane's time for it, and whether it left
 * work waiting. A batch over its budget is one large text. */
void budget_report(struct budget *budget, size_t asked, size_t tokens, uint64_t ns, bool left_work);

enum budget_origin { BUDGET_PINNED, BUDGET_STARTING, BUDGET_LEARNED };

struct budget_state {
    size_t tokens; /* of the size in use */
    enum budget_origin origin;
    int count; /* sizes of which anything is known, ascending; 0 when pinned or nothing was measured */
    struct budget_size sizes[BUDGET_SIZES];
};
struct budget_state budget_state(struct budget *budget);

#endif
