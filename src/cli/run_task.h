/* What `linnet run` does with a line where the task is neither text classification nor embedding: token
 * classification, fill-mask, zero-shot classification. Answers are those of transformers' pipelines. */
#ifndef LINNET_CLI_RUN_TASK_H
#define LINNET_CLI_RUN_TASK_H

#include "api/task_json.h"
#include "cli/options.h"

/* As the command line says them; NULL and false: not said. */
struct task_options {
    const char *aggregation_strategy, *ignore_labels; /* token classification */
    const char *targets;                              /* fill-mask */
    const char *candidate_labels, *hypothesis_template;
    bool multi_label; /* zero-shot classification */
};

/* Rows for a command's option table. */
#define TASK_OPTION_ROWS(options)                                                                     \
    {OPTION_GROUP, NULL, NULL, "Tasks", NULL, 0, 0},                                                  \
        {OPTION_STRING,                                                                               \
         "aggregation-strategy",                                                                      \
         "NAME",                                                                                      \
         "of token classification: none, simple, first, average or max (default none)",               \
         &(options).aggregation_strategy,                                                             \
         0,                                                                                           \
         0},                                                                                          \
        {OPTION_STRING,                                                                               \
         "ignore-labels",                                                                             \
         "LABELS",                                                                                    \
         "of token classification: leave these out, with commas between (default O)",                 \
         &(options).ignore_labels,                                                                    \
         0,                                                                                           \
         0},                                                                                          \
        {OPTION_STRING,                                                                               \
         "targets",                                                                                   \
         "WORDS",                                                                                     \
         "of fill-mask: choose among these, with commas between (default: the vocabulary)",           \
         &(options).targets,                                                                          \
         0,                                                                                           \
         0},                                                                                          \
        {OPTION_STRING,                                                                               \
         "candidate-labels",                                                                          \
         "LABELS",                                                                                    \
         "of zero-shot classification: the labels, with commas between",                              \
         &(options).candidate_labels,                                                                 \
         0,                                                                                           \
         0},                                                                                          \
        {OPTION_STRING,                                                                               \
         "hypothesis-template",                                                                       \
         "TEXT",                                                                                      \
         "of zero-shot classification: {} is the label's place (default \"This example is {}.\")",    \
         &(options).hypothesis_template,                                                              \
         0,                                                                                           \
         0},                                                                                          \
    {                                                                                                 \
        OPTION_FLAG, "multi-label", NULL, "of zero-shot classification: score each label for itself", \
            &(options).multi_label, 0, 0                                                              \
    }

struct task_run {
    enum task task;
    size_t items_per_line;
    struct prepare_options prepare;
    struct entity_options entities;
    struct fill_options fill;
    struct candidates candidates;
    const char **hypotheses; /* [candidates.count] */
    size_t *hypothesis_lengths;
};

/* Whether a model of this task makes one row of labels or an embedding, sparse or not, of a line, as `linnet
 * run` writes by itself. */
bool task_is_plain(enum task task);

/* Checks the options against the engine's task and reads them. What *out points to lives in `arena`; *out
 * must stay where it is. `top_k` 0: not said. False: ERR_USAGE, ERR_BAD_INPUT, ERR_NO_MEMORY. */
bool task_run_open(struct task_run *out, const struct task_options *options, int top_k, bool truncate,
                   const struct engine *engine, struct arena *arena, struct error *err);

/* Prepares items[items_per_line] of a line. False as engine_prepare(). */
bool task_run_prepare(const struct task_run *run, const struct engine *engine, const struct input *input,
                      struct arena *arena, struct item *items, struct error *err);

/* Appends the line's answer without a newline. False: ERR_NO_MEMORY. */
bool task_run_put(const struct task_run *run, const struct engine *engine, const struct input *input,
                  const struct item *items, struct arena *arena, struct buf *out, struct error *err);

#endif
