#include "sched/budget.h"

#include <string.h>

enum {
    NONE = -1,
    /* Of a block: enough batches for their texts to be a fair sample, and long against a scheduler's time
       slice. */
    BLOCK_BATCHES = 8,
    BLOCK_NS = 50000000,
    SETTLED_BLOCKS = 3, /* blocks are that much longer once all sizes in reach were tried */
    WORSE_TRIES = 4,    /* a size that proved clearly worse is tried that much more seldom */
    MIN_TRIALS = 3,
    MAX_REST = 31,
    SLOW_BATCHES = 8,
    BELOW = -2, /* the sizes in reach, relative to the one in use */
    ABOVE = 4,
};

static const double MAX_BATCH_NS = BUDGET_MAX_BATCH_MS * 1e6;
/* A larger size must keep well within the limit, so that it is not lowered again at once. */
static const double MAX_TRIED_NS = 0.9 * BUDGET_MAX_BATCH_MS * 1e6;
static const double CLEARLY_WORSE = 1.1;                  /* times as much a token */
static const double SHARE = 0.95, SHARE_TO_SHRINK = 0.97; /* of the best rate */

size_t budget_tokens(int index)
{
    static const size_t tokens[BUDGET_SIZES] = {16,  24,  32,  48,  64,   96,   128, 192,
                                                256, 384, 512, 768, 1024, 1536, 2048};
    return tokens[index];
}

static bool keeps_limit(const struct budget_size *size)
{
    return size->ns_per_token * (double)size->tokens <= MAX_BATCH_NS;
}

static size_t pick(const struct budget_size *sizes, int count, double share)
{
    double best = 0;
    for (int i = 0; i < count; i++)
        if (keeps_limit(&sizes[i]) && (best == 0 || sizes[i].ns_per_token < best))
            best = sizes[i].ns_per_token;
    for (int i = 0; i < count; i++)
        if (keeps_limit(&sizes[i]) && sizes[i].ns_per_token * share <= best)
            return sizes[i].tokens;
    return sizes[0].tokens;
}

size_t budget_pick(const struct budget_size *sizes, int count)
{
    return pick(sizes, count, SHARE);
}

size_t budget_start(const char *precision)
{
    if (strcmp(precision, "int8") == 0)
        return 128;
    return strcmp(precision, "bf16") == 0 ? 192 : 256;
}

/* --- Recent measurements */

static void add(struct recent *recent, double value)
{
    recent->values[recent->next] = value;
    recent->next = (recent->next + 1) % BUDGET_RECENT;
    if (recent->count < BUDGET_RECENT)
        recent->count++;
}

static double median(const struct recent *recent)
{
    double sorted[BUDGET_RECENT] = {0};
    for (int i = 0; i < recent->count; i++) {
        int at = i;
        for (; at > 0 && sorted[at - 1] > recent->values[i]; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = recent->values[i];
    }
    return (sorted[(recent->count - 1) / 2] + sorted[recent->count / 2]) / 2;
}

static void scale(struct recent *recent, double factor)
{
    for (int i = 0; i < recent->count; i++)
        recent->values[i] *= factor;
}

/* --- Setting */

static int size_within(size_t tokens)
{
    int index = 0;
    while (index + 1 < BUDGET_SIZES && budget_tokens(index + 1) <= tokens)
        index++;
    return index;
}

void budget_init_pinned(struct budget *budget, size_t tokens)
{
    *budget = (struct budget){.pinned = true};
    atomic_init(&budget->now, tokens);
    pthread_mutex_init(&budget->lock, NULL);
}

void budget_init_learned(struct budget *budget, const char *precision)
{
    *budget = (struct budget){.trial = NONE, .judged = NONE};
    budget->used = size_within(budget_start(precision));
    atomic_init(&budget->now, budget_tokens(budget->used));
    pthread_mutex_init(&budget->lock, NULL);
}

void budget_destroy(struct budget *budget)
{
    pthread_mutex_destroy(&budget->lock);
}

size_t budget_now(const struct budget *budget)
{
    return atomic_load_explicit(&budget->now, memory_order_relaxed);
}

static void begin_block(struct budget *budget, int size)
{
    budget->block_batches = budget->unfilled = 0;
    budget->block_tokens = budget->block_ns = 0;
    atomic_store_explicit(&budget->now, budget_tokens(size), memory_order_relaxed);
}

/* --- Deciding */

/* What is known, ascending, with at least `min_trials` trials each; the size in use is always known. */
static int known_sizes(const struct budget *budget, int min_trials, struct budget_size out[BUDGET_SIZES])
{
    int count = 0;
    if (budget->level.count == 0)
        return 0;
    for (int i = 0; i < BUDGET_SIZES; i++) {
        const struct recent *ratio = &budget->sizes[i].ratio;
        if (i != budget->used && ratio->count < min_trials)
            continue;
        out[count++] = (struct budget_size){
            .tokens = budget_tokens(i),
            .ns_per_token = median(&budget->level) * (i == budget->used ? 1 : median(ratio)),
            .trials = i == budget->used ? budget->level.count : ratio->count,
        };
    }
    return count;
}

/* Whether a batch of that many tokens would be too long, going by the largest size known up to it. */
static bool would_be_slow(const struct budget *budget, int size)
{
    struct budget_size known[BUDGET_SIZES];
    int count = known_sizes(budget, 1, known);
    double ns_per_token = median(&budget->level);
    for (int i = 0; i < count && known[i].tokens <= budget_tokens(size); i++)
        ns_per_token = known[i].ns_per_token;
    return size > budget->used && ns_per_token * (double)budget_tokens(size) > MAX_TRIED_NS;
}

/* The size in reach that was tried least often, of equals the nearest; NONE where there is none. */
static int least_tried(const struct budget *budget)
{
    int least = NONE;
    for (int distance = 1; distance <= ABOVE; distance++) {
        for (int side = 1; side >= -1; side -= 2) {
            int size = budget->used + side * distance;
            if (side * distance < BELOW || size < 0 || size >= BUDGET_SIZES || would_be_slow(budget, size))
                continue;
            if (least == NONE || budget->sizes[size].tries < budget->sizes[least].tries)
                least = size;
        }
    }
    return least;
}

static bool reach_is_tried(const struct budget *budget)
{
    int least = least_tried(budget);
    return least == NONE || budget->sizes[least].tries >= MIN_TRIALS;
}

static void set_used(struct budget *budget, int size)
{
    budget->used = size;
    budget->moved = true;
    budget->trial = budget->judged = NONE;
    budget->rest = 0;
    budget->resting = 1; /* a block of its own comes before the next trial */
    budget->slow = 0;
    begin_block(budget, size);
}

/* Another size becomes the one in use, and what the others' ratios are relative to. `ratio` is its own. */
static void move_to(struct budget *budget, int size, double ratio)
{
    for (int i = 0; i < MIN_TRIALS; i++)
        add(&budget->sizes[budget->used].ratio, 1);
    for (int i = 0; i < BUDGET_SIZES; i++)
        scale(&budget->sizes[i].ratio, 1 / ratio);
    scale(&budget->level, ratio);
    if (budget->sizes[budget->used].tries < MIN_TRIALS)
        budget->sizes[budget->used].tries = MIN_TRIALS;
    budget->sizes[size].ratio = (struct recent){0};
    set_used(budget, size);
}

/* Where the rule, with its margin, wants the budget. */
static int wanted_size(const struct budget *budget)
{
    struct budget_size known[BUDGET_SIZES];
    int count = known_sizes(budget, MIN_TRIALS, known);
    size_t used = budget_tokens(budget->used);
    while (count > 1 && known[count - 1].tokens > used &&
           known[count - 1].ns_per_token * (double)known[count - 1].tokens > MAX_TRIED_NS)
        count--;
    size_t least = pick(known, count, SHARE), most = pick(known, count, SHARE_TO_SHRINK);
    if (used < least)
        return size_within(least);
    return used > most && reach_is_tried(budget) ? size_within(most) : budget->used;
}

static void decide(struct budget *budget)
{
    int wanted = wanted_size(budget);
    if (wanted != budget->used)
        move_to(budget, wanted, median(&budget->sizes[wanted].ratio));
    else if (reach_is_tried(budget) && budget->rest < MAX_REST)
        budget->rest = 2 * budget->rest + 1;
}

/* --- Measuring */

static void end_used_block(struct budget *budget, double ns_per_token)
{
    int judged = budget->judged;
    add(&budget->level, ns_per_token);
    if (judged != NONE) {
        add(&budget->sizes[judged].ratio, 2 * budget->trial_ns / (budget->before_ns + ns_per_token));
        budget->judged = NONE;
    }
    budget->before_ns = ns_per_token;
    begin_block(budget, budget->used);
    if (judged != NONE)
        decide(budget);
    if (budget->resting > 0) {
        budget->resting--;
        return;
    }
    budget->resting = budget->rest;
    budget->trial = least_tried(budget);
    if (budget->trial == NONE)
        return;
    const struct recent *ratio = &budget->sizes[budget->trial].ratio;
    bool worse = ratio->count >= MIN_TRIALS && median(ratio) > CLEARLY_WORSE;
    budget->sizes[budget->trial].tries += worse ? WORSE_TRIES : 1;
    begin_block(budget, budget->trial);
}

static void end_trial(struct budget *budget, bool measured, double ns_per_token)
{
    budget->judged = measured ? budget->trial : NONE;
    budget->trial_ns = ns_per_token;
    budget->trial = NONE;
    begin_block(budget, budget->used);
}

/* Nothing is known of what sizes cost any more, but that the one in use is `size`. */
static void start_over(struct budget *budget, int size)
{
    memset(budget->sizes, 0, sizeof budget->sizes);
    budget->level = (struct recent){0};
    set_used(budget, size);
}

/* Lowers the size in use to one that keeps the limit at the cost a token of the fastest of the slow batches.
 */
static void lower(struct budget *budget)
{
    int size = size_within((size_t)(MAX_TRIED_NS / budget->slow_ns));
    if (size >= budget->used)
        size = budget->used - 1;
    if (size < 0)
        return;
    const struct recent *ratio = &budget->sizes[size].ratio;
    if (ratio->count > 0)
        move_to(budget, size, median(ratio));
    else
        start_over(budget, size);
}

/* Whether this is the last of a row of slow batches. Those that are less than half full say nothing about
 * what a full one takes, nor does one large text. */
static bool too_slow(struct budget *budget, size_t asked, size_t tokens, uint64_t ns)
{
    double ns_per_token = (double)ns / (double)tokens;
    if (budget->trial != NONE || tokens > asked || tokens < asked / 2)
        return false;
    if ((double)ns <= MAX_BATCH_NS) {
        budget->slow = 0;
        return false;
    }
    if (budget->slow == 0 || ns_per_token < budget->slow_ns)
        budget->slow_ns = ns_per_token;
    budget->slow++;
    return budget->slow >= SLOW_BATCHES;
}

static void take_report(struct budget *budget, size_t asked, size_t tokens, uint64_t ns, bool left_work)
{
    if (too_slow(budget, asked, tokens, ns)) {
        budget->slow = 0;
        lower(budget);
        return;
    }
    if (!left_work) {
        if (budget->trial != NONE && ++budget->unfilled >= BLOCK_BATCHES)
            end_trial(budget, false, 0);
        return;
    }
    budget->block_batches++;
    budget->block_tokens += tokens;
    budget->block_ns += ns;
    int blocks = budget->rest > 0 ? SETTLED_BLOCKS : 1;
    if (budget->block_batches < blocks * BLOCK_BATCHES || budget->block_ns < (uint64_t)blocks * BLOCK_NS)
        return;
    double ns_per_token = (double)budget->block_ns / (double)budget->block_tokens;
    if (budget->trial != NONE)
        end_trial(budget, true, ns_per_token);
    else
        end_used_block(budget, ns_per_token);
}

void budget_report(struct budget *budget, size_t asked, size_t tokens, uint64_t ns, bool left_work)
{
    if (budget->pinned || tokens == 0 || pthread_mutex_trylock(&budget->lock) != 0)
        return;
    if (asked == budget_now(budget)) /* else of a block that has ended, by another lane */
        take_report(budget, asked, tokens, ns, left_work);
    pthread_mutex_unlock(&budget->lock);
}

struct budget_state budget_state(struct budget *budget)
{
    struct budget_state state = {.tokens = budget_now(budget), .origin = BUDGET_PINNED};
    if (budget->pinned)
        return state;
    pthread_mutex_lock(&budget->lock);
    state.tokens = budget_tokens(budget->used);
    state.count = known_sizes(budget, 1, state.sizes);
    state.origin = budget->moved || state.count > 1 ? BUDGET_LEARNED : BUDGET_STARTING;
    pthread_mutex_unlock(&budget->lock);
    return state;
}
