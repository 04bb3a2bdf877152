#include "cli/run_task.h"

#include <string.h>

#include "engine/zero_shot.h"

bool task_is_plain(enum task task)
{
    return task == TASK_TEXT_CLASSIFICATION || task == TASK_FEATURE_EXTRACTION ||
           task == TASK_SPARSE_EMBEDDING;
}

static bool check_options(const struct task_options *options, const struct model_desc *desc,
                          struct error *err)
{
    const struct {
        const char *name;
        bool said;
        enum task task;
    } rows[] = {
        {"aggregation-strategy", options->aggregation_strategy != NULL, TASK_TOKEN_CLASSIFICATION},
        {"ignore-labels", options->ignore_labels != NULL, TASK_TOKEN_CLASSIFICATION},
        {"targets", options->targets != NULL, TASK_FILL_MASK},
        {"candidate-labels", options->candidate_labels != NULL, TASK_ZERO_SHOT_CLASSIFICATION},
        {"hypothesis-template", options->hypothesis_template != NULL, TASK_ZERO_SHOT_CLASSIFICATION},
        {"multi-label", options->multi_label, TASK_ZERO_SHOT_CLASSIFICATION},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].said && rows[i].task != desc->task)
            return error_set(err, ERR_USAGE, "--%s is for %s, and the task of %s is %s", rows[i].name,
                             task_name(rows[i].task), desc->name, desc->task_name);
    return true;
}

static bool open_entities(struct task_run *run, const struct task_options *options, struct arena *arena,
                          struct error *err)
{
    const char *strategy = options->aggregation_strategy;
    struct label_list ignored;
    run->prepare.rows = ROWS_TOKENS;
    run->prepare.places = true;
    run->entities = ENTITY_DEFAULTS;
    if (strategy && !aggregation_parse(strategy, strlen(strategy), &run->entities.aggregation))
        return error_set(err, ERR_USAGE,
                         "--aggregation-strategy is \"%.40s\", want none, simple, first, average or max",
                         strategy);
    if (!options->ignore_labels)
        return true;
    if (!zero_shot_split(options->ignore_labels, strlen(options->ignore_labels), arena, &ignored, err))
        return false;
    run->entities.ignored = ignored.labels;
    run->entities.ignored_count = ignored.count;
    return true;
}

static bool open_fill(struct task_run *run, const struct task_options *options, int top_k,
                      const struct engine *engine, struct arena *arena, struct error *err)
{
    const size_t vocabulary = (size_t)engine->desc.vocab_size;
    struct label_list targets;
    size_t wanted = top_k ? (size_t)top_k : FILL_MASK_TOP_K, offered = vocabulary;
    run->prepare.rows = ROWS_MASKS;
    run->prepare.fill = &run->fill;
    if (options->targets) {
        if (!zero_shot_split(options->targets, strlen(options->targets), arena, &targets, err))
            return false;
        int32_t *ids = arena_alloc(arena, targets.count * sizeof *ids);
        if (!ids)
            return error_set(err, ERR_NO_MEMORY, "no memory for %zu targets", targets.count);
        for (size_t i = 0; i < targets.count; i++)
            if (!fill_mask_find_target(engine, targets.labels[i], targets.lengths[i], arena, &ids[i], err))
                return false;
        offered = run->fill.target_count = fill_mask_unique(ids, targets.count);
        run->fill.targets = ids;
        if (offered == 0)
            return error_set(err, ERR_USAGE, "--targets has no words in it");
    } else if (wanted > vocabulary) {
        return error_set(err, ERR_USAGE, "--top-k is %d, the vocabulary has %zu tokens", top_k, vocabulary);
    }
    run->fill.top_k = wanted < offered ? wanted : offered;
    return true;
}

static bool open_candidates(struct task_run *run, const struct task_options *options, struct arena *arena,
                            struct error *err)
{
    const char *template = options->hypothesis_template ? options->hypothesis_template : ZERO_SHOT_TEMPLATE;
    struct label_list labels = {0};
    run->prepare.strategy = TRUNCATE_ONLY_FIRST;
    if (options->candidate_labels &&
        !zero_shot_split(options->candidate_labels, strlen(options->candidate_labels), arena, &labels, err))
        return false;
    if (labels.count == 0)
        return error_set(err, ERR_USAGE,
                         "zero-shot classification needs labels: --candidate-labels \"sports, politics\"");
    run->candidates = (struct candidates){labels.labels, labels.lengths, labels.count, options->multi_label};
    run->hypotheses = arena_alloc(arena, labels.count * sizeof *run->hypotheses);
    run->hypothesis_lengths = arena_alloc(arena, labels.count * sizeof *run->hypothesis_lengths);
    if (!run->hypotheses || !run->hypothesis_lengths)
        return error_set(err, ERR_NO_MEMORY, "no memory for %zu labels", labels.count);
    for (size_t i = 0; i < labels.count; i++)
        if (!zero_shot_hypothesis(template, strlen(template), labels.labels[i], labels.lengths[i], arena,
                                  &run->hypotheses[i], &run->hypothesis_lengths[i], err))
            return false;
    run->items_per_line = labels.count;
    return true;
}

bool task_run_open(struct task_run *out, const struct task_options *options, int top_k, bool truncate,
                   const struct engine *engine, struct arena *arena, struct error *err)
{
    const struct model_desc *desc = &engine->desc;
    *out = (struct task_run){.task = desc->task, .items_per_line = 1, .prepare = {.truncate = truncate}};
    if (!check_options(options, desc, err))
        return false;
    if (top_k && desc->task != TASK_FILL_MASK && !task_is_plain(desc->task))
        return error_set(err, ERR_USAGE, "--top-k is not for %s, the task of %s", desc->task_name,
                         desc->name);
    switch (desc->task) {
    case TASK_TOKEN_CLASSIFICATION:
        return open_entities(out, options, arena, err);
    case TASK_FILL_MASK:
        return open_fill(out, options, top_k, engine, arena, err);
    case TASK_ZERO_SHOT_CLASSIFICATION:
        return open_candidates(out, options, arena, err);
    default:
        return true;
    }
}

bool task_run_prepare(const struct task_run *run, const struct engine *engine, const struct input *input,
                      struct arena *arena, struct item *items, struct error *err)
{
    if (!task_is_plain(run->task) && input->pair_length > 0)
        return error_set(err, ERR_BAD_INPUT, "a pair of texts is not for %s", task_name(run->task));
    for (size_t i = 0; i < run->items_per_line; i++) {
        struct input text = *input;
        if (run->task == TASK_ZERO_SHOT_CLASSIFICATION) {
            text.pair = run->hypotheses[i];
            text.pair_length = run->hypothesis_lengths[i];
        }
        if (!engine_prepare(engine, &text, &run->prepare, arena, &items[i], err))
            return false;
    }
    return true;
}

bool task_run_put(const struct task_run *run, const struct engine *engine, const struct input *input,
                  const struct item *items, struct arena *arena, struct buf *out, struct error *err)
{
    switch (run->task) {
    case TASK_TOKEN_CLASSIFICATION:
        return put_entities(out, engine, input, items, &run->entities, arena, err);
    case TASK_FILL_MASK:
        return put_fillings(out, engine, items, NULL, err);
    default:
        return put_candidates(out, engine, input, items, &run->candidates, arena, err);
    }
}
