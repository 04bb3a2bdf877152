/* What an engine is: whatever turns texts into a model's raw results.
 *
 * There are two steps, so that the work that knows only one text can be done where the text arrives, and the
 * work that gains from company can be batched:
 * - engine_prepare() makes an item (tokens, cost) of a text, on any thread;
 * - lane_run() computes items as one batch and blocks, on the lane's own thread.
 *
 * An engine is immutable once open. A lane is one thread's right to run it: its team and its scratch memory.
 */
#ifndef LINNET_ENGINE_ENGINE_H
#define LINNET_ENGINE_ENGINE_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/stats.h"
#include "base/team.h"
#include "model/config.h"
#include "model/sentence.h"
#include "model/stages.h"
#include "text/tokenizer.h"

enum task {
    TASK_TEXT_CLASSIFICATION,
    TASK_TOKEN_CLASSIFICATION,
    TASK_ZERO_SHOT_CLASSIFICATION,
    TASK_FILL_MASK,
    TASK_FEATURE_EXTRACTION,
    TASK_SPARSE_EMBEDDING, /* no pipeline: what sentence-transformers' SparseEncoder does */
    TASK_OTHER
};

const char *task_name(enum task task); /* Hugging Face's pipeline names */

/* The task of that name, or of its alias ("ner", "sentiment-analysis"); TASK_OTHER for any other. */
enum task task_find(const char *name);

/* What an item's result is: rows of numbers, or JSON that is handed on as it is. */
enum result_type { RESULT_ROWS, RESULT_JSON };

/* All that the layers above know about a model. Lives as long as its engine. */
struct model_desc {
    const char *name;   /* as the user gave it */
    const char *engine; /* "native", "python" */
    enum result_type result;
    bool batches;           /* with RESULT_JSON: a list of inputs may be computed apart, as one item each */
    const char *model_type; /* "bert", "distilbert" */
    const char *architecture;
    const char *activation;
    enum task task;
    const char *task_name; /* also of TASK_OTHER */
    enum problem_type problem_type;
    int columns; /* of a pooled row: labels, or the dimensions of an embedding, of a sparse one the vocabulary
                  */
    int token_columns; /* of a row of ROWS_TOKENS: labels, or the hidden size */

    /* Of TASK_FEATURE_EXTRACTION and TASK_SPARSE_EMBEDDING, else NULL: how embeddings are pooled and whether
     * the model itself normalises them; prompts. */
    const struct sentence *sentence;

    int label_count;
    const char *const *labels;
    const char *mask_token; /* that stands for a word to be found; NULL: none, or not known */
    int layers, hidden, heads, intermediate, vocab_size;
    double token_operations; /* config_token_operations(): of a pass's products with layers */
    int max_tokens;          /* of one text, special tokens included */
    int special_tokens, special_tokens_of_pair; /* with RESULT_ROWS: how many of these a text gets, a pair */
    const char *precision;                      /* of the arithmetic: "fp32" */
    const char *attention_precision;            /* of the products with keys and values */
    const char *stored;                         /* "F32", "F16", "BF16"; "I8": with scales */
    const char *isa;                            /* the kernel path: "avx2", ... */
    uint64_t parameters;
    size_t packed_bytes, mapped_bytes;
};

struct input {
    const char *text; /* valid UTF-8, may hold NUL */
    size_t text_length;
    const char *pair; /* or NULL; an empty pair is none, as in transformers */
    size_t pair_length;
    const int32_t *ids; /* in place of both, or NULL: tokens taken as they are, special ones included */
    size_t id_count;
    const char *json; /* with RESULT_JSON in place of text and pair, or NULL: any value */
    size_t json_length;
};

/* How a request held an input, which decides the shape of its JSON: in a list of several; alone; alone in a
 * list; or whatever "inputs" holds, as one. */
enum input_form { INPUT_IN_LIST, INPUT_SINGLE, INPUT_ONLY_IN_LIST, INPUT_WHOLE };

/* Which rows an item asks for: one of its pooled state (logits, or an embedding with all Dense layers), one a
 * token (logits, or the encoder's last state), or one a mask token (predictions, or logits). */
enum row_kind { ROWS_POOLED, ROWS_TOKENS, ROWS_MASKS };

/* Of ROWS_MASKS: which of the vocabulary are wanted, of each mask the best `top_k`. */
struct fill_options {
    const int32_t *targets; /* [target_count], each below vocab_size; NULL: all tokens */
    size_t target_count;
    size_t top_k; /* at most target_count or vocab_size */
};

struct prediction {
    int32_t id;
    float score; /* a probability among the whole vocabulary */
};

/* One number of a sparse embedding that is not 0. */
struct sparse_value {
    int32_t index; /* a token of the vocabulary */
    float value;   /* above 0 */
};

/* Whether an embedding is scaled to length 1 (Euclidean): as the model's own modules say, or always, or
 * never. */
enum normalise { NORMALISE_AS_MODEL, NORMALISE_ALWAYS, NORMALISE_NEVER };

struct prepare_options {
    enum row_kind rows;
    const struct fill_options *fill; /* with ROWS_MASKS; lives as long as the item; NULL: rows of logits */
    bool places;                     /* fill the item's places */
    bool truncate;
    enum truncation strategy;
    enum truncation_side side;
    size_t max_tokens; /* with truncate: cut to this many; 0: to what the model takes */
    /* Without truncate: cut as transformers' pipelines of tokens and of zero-shot labels do unasked, to the
     * tokenizer's own limit, where it has one and the strategy can reach it. */
    bool cuts_unasked;

    /* Of ROWS_POOLED with TASK_FEATURE_EXTRACTION. */
    enum normalise normalise;
    int dimensions;     /* keep the first so many of desc.columns, before normalising; 0: all, and what
                           the model's files cut off is cut after its own normalising */
    const char *prompt; /* valid UTF-8 put before the text (desc.sentence->prompts), or NULL; of
                           TASK_SPARSE_EMBEDDING too */

    /* With TASK_SPARSE_EMBEDDING: [desc.columns] where the item's result is to go, or NULL: into the arena.
     * As much as a result can be; what it is not stays untouched. */
    struct sparse_value *sparse_room;

    /* With RESULT_JSON instead: the text of an object, or NULL; it outlives the item. */
    const char *parameters;
    size_t parameters_length;
    enum input_form form;
};

/* One text on its way: what prepare made of it, then its result. It belongs to its job. */
struct item {
    struct job *job;
    size_t cost; /* in tokens */
    int32_t *ids;
    uint8_t *type_ids;
    size_t length, full_length; /* tokens now and before truncation */
    enum row_kind row_kind;
    size_t row_count; /* 1, length, or how many masks there are */
    size_t columns;   /* elements of a row */
    bool normalised;  /* the row is to be scaled to length 1 */
    bool cut_last;    /* before what a model computes more than `columns` is cut off */
    float *rows;      /* [row_count][columns] logits, states or an embedding, filled by lane_run() */
    const struct token_place *places; /* [length], or NULL where they were not asked for */

    /* With TASK_SPARSE_EMBEDDING in place of rows: [sparse_count], rising indices; filled by lane_run(). */
    struct sparse_value *sparse;
    size_t sparse_count;

    /* With ROWS_MASKS, and with `fill` in place of rows. */
    const struct fill_options *fill; /* or NULL */
    const int *masks;                /* [row_count] indices into ids */
    struct prediction
        *predictions; /* or NULL; [row_count][fill->top_k], falling by score; filled by lane_run() */

    enum error_kind error; /* ERR_NONE, or why there is no result */

    uint64_t key;         /* shares a batch only with items of the same one */
    bool batches_by_size; /* and, of those, only with such whose length is within twice of its own */

    /* With RESULT_JSON. */
    const char *json, *parameters;
    size_t json_length, parameters_length;
    enum input_form form;
    char *answer; /* JSON, or with an error its message: malloc'd by lane_run(), freed by the job's owner */
    size_t answer_length;
};

/* Texts that one caller waits for together. Whoever makes a job owns it and its memory until it is submitted,
 * and again from done() on; in between only `cancelled` may be touched. */
struct job {
    struct item *items; /* [count] */
    size_t count;
    void (*done)(
        struct job *job);  /* called once, on any thread, when the last item has its result or error */
    uint64_t deadline_ns;  /* clock_ns() after which items that still wait are dropped; 0: none */
    atomic_bool cancelled; /* set when nobody wants the result any more; any thread */

    /* The scheduler's. */
    struct job *next, *previous;
    int line;            /* of the queue: the model's */
    size_t taken;        /* items handed to lanes or dropped */
    size_t waiting_cost; /* of the items not taken */
    atomic_size_t remaining;
    uint64_t queued_ns;
    atomic_ullong queue_ns, compute_ns; /* wait of the first item; longest batch: valid from done() on */
};

struct engine;
struct lane;

/* Of an engine whose lanes run in processes of their own. Any thread may read. */
struct worker_stats {
    struct histogram ffi;    /* seconds a batch: the round trip less Python's own time */
    struct histogram python; /* seconds a batch: Python's own time */
    int workers;
    atomic_int ready, failing; /* of the workers; failing: the newest start failed, work is refused */
    atomic_ullong restarts;
    const char *host; /* which Python, and how it is run */
};

struct engine_operations {
    bool (*prepare)(const struct engine *engine, const struct input *input,
                    const struct prepare_options *options, struct arena *arena, struct item *out,
                    struct error *err);
    struct lane *(*lane_open)(const struct engine *engine, struct team *team, int threads, struct error *err);
    void (*lane_run)(struct lane *lane, struct item *const items[], size_t count);
    void (*lane_close)(struct lane *lane);
    void (*close)(struct engine *engine);

    /* NULL where the engine knows no stages. */
    void (*lane_measure)(struct lane *lane, struct stage_times *times);

    /* NULL where the engine has no processes. */
    void (*lane_wait)(struct lane *lane);
    void (*interrupt)(struct engine *engine);
    const struct worker_stats *(*workers)(const struct engine *engine);
};

/* The head of every engine's own struct. */
struct engine {
    const struct engine_operations *operations;
    struct model_desc desc;
};

struct lane {
    const struct engine *engine;
};

/* Turns one input into an item whose memory lies in `arena`; item->job is the caller's. Any thread. False:
 * ERR_TOO_LONG (with both counts), ERR_BAD_INPUT (no tokens, or a token that the model lacks),
 * ERR_NO_MEMORY. */
static inline bool engine_prepare(const struct engine *engine, const struct input *input,
                                  const struct prepare_options *options, struct arena *arena,
                                  struct item *out, struct error *err)
{
    return engine->operations->prepare(engine, input, options, arena, out, err);
}

/* A lane of `threads` threads, the caller of lane_run() being one. NULL: ERR_NO_MEMORY, ERR_IO. */
static inline struct lane *lane_open(const struct engine *engine, int threads, struct error *err)
{
    return engine->operations->lane_open(engine, NULL, threads, err);
}

/* The same with a team of the caller's, which outlives the lane; lanes that share it run in turn. */
static inline struct lane *lane_open_on(const struct engine *engine, struct team *team, struct error *err)
{
    return engine->operations->lane_open(engine, team, team_threads(team), err);
}

/* Computes all items as one batch: fills rows, or error, of each. One call at a time a lane. */
static inline void lane_run(struct lane *lane, struct item *const items[], size_t count)
{
    lane->engine->operations->lane_run(lane, items, count);
}

/* From now on lane_run() adds the time of its stages to *times, which the caller keeps; NULL: no longer.
 * Between calls of lane_run(), on its thread. False where the engine knows no stages, as in Python. */
static inline bool lane_measure(struct lane *lane, struct stage_times *times)
{
    if (!lane->engine->operations->lane_measure)
        return false;
    lane->engine->operations->lane_measure(lane, times);
    return true;
}

static inline void lane_close(struct lane *lane)
{
    if (lane)
        lane->engine->operations->lane_close(lane);
}

/* Waits while the lane has nothing to compute with: to be called before items are taken for it. */
static inline void lane_wait(struct lane *lane)
{
    if (lane->engine->operations->lane_wait)
        lane->engine->operations->lane_wait(lane);
}

/* What runs now may fail, and what comes later will: before lanes are stopped whose work nobody waits for. */
static inline void engine_interrupt(struct engine *engine)
{
    if (engine && engine->operations->interrupt)
        engine->operations->interrupt(engine);
}

/* NULL where the engine has no processes. */
static inline const struct worker_stats *engine_workers(const struct engine *engine)
{
    return engine->operations->workers ? engine->operations->workers(engine) : NULL;
}

/* Closes an engine without lanes. */
static inline void engine_close(struct engine *engine)
{
    if (engine)
        engine->operations->close(engine);
}

#endif
