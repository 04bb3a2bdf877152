/* What `linnet bench` measures: batches through a lane, as the server runs them, without HTTP and tokenizer.
 *
 * Token ids are pseudo-random, the same in every run. Times are wall-clock; of repeats the median counts, so
 * that a disturbance of the machine that lasts for fewer than half of them changes nothing.
 */
#ifndef LINNET_CLI_BENCH_RUN_H
#define LINNET_CLI_BENCH_RUN_H

#include "engine/engine.h"
#include "kern/peak.h"

enum bench_kind {
    BENCH_TEXTS,        /* one batch: `texts` texts of `tokens` tokens each */
    BENCH_MIXED_TEXTS,  /* the mixed set, `texts` texts a batch */
    BENCH_MIXED_TOKENS, /* the mixed set, at most `tokens` tokens a batch */
    BENCH_SIZE, /* one batch of `texts` short texts, to learn what a token costs by size of the batch */
};

/* The mixed set: texts of 5 to 120 words, evenly spread, each word a token, between [CLS] and [SEP]. */
enum { BENCH_MIXED_COUNT = 32, BENCH_SHORT_TOKENS = 8 };

struct bench_case {
    enum bench_kind kind;
    int texts, tokens;
};

struct bench_result {
    struct bench_case what;
    size_t texts, tokens; /* of a repeat */
    double foreseen;      /* seconds of a repeat. Where they were too many, repeats and all below are 0 */
    int repeats;          /* each computes all of the case's texts once: of the mixed set in many batches */
    double median, p99;   /* seconds of a repeat; p99 0: fewer than 100 repeats */
    double stages[STAGE_COUNT];       /* median seconds of a repeat */
    uint64_t operations[STAGE_COUNT]; /* of a repeat */
};

/* One engine under measurement. */
struct bench {
    const struct engine *engine;
    struct lane *lane;
    struct team *team; /* for the peaks */
    kern_peak_loop *product_loop, *attention_loop;
    /* Operations a second: the best of what was measured before each case. 0: the path has no such loop. */
    double product_peak, attention_peak;
    struct arena arena; /* of one case */
    struct bench_samples *samples;
    double seconds_a_token; /* of the best case so far: what foretells the next */
};

/* The engine must outlive the bench and know stages (the native one does). Computes two small batches. On
 * success bench_close(). False: ERR_NO_MEMORY, ERR_IO, ERR_NON_FINITE. */
bool bench_open(struct bench *bench, const struct engine *engine, int threads, struct error *err);
void bench_close(struct bench *bench);

/* Runs a case for about `seconds`, or longer where a few repeats need it; does not run it where these would
 * take more than `most` at the best rate so far. False: ERR_NO_MEMORY, ERR_NON_FINITE. */
bool bench_run(struct bench *bench, const struct bench_case *what, double seconds, double most,
               struct bench_result *out, struct error *err);

/* Tokens a second of a case that ran. */
static inline double bench_rate(const struct bench_result *result)
{
    return (double)result->tokens / result->median;
}

/* The --batch-tokens to pin by the server's own rule, budget_pick(), from results of BENCH_SIZE in rising
 * order. 0: none ran. */
size_t bench_batch_tokens(const struct bench_result *sizes, size_t count);

#endif
