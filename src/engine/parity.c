#include "engine/parity.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "engine/embedding.h"
#include "engine/score.h"

/* Measured on SST-2's development set, which has 872 texts. */
enum { INT8_FLIPS = 5, INT8_ACCURACY = 3, INT8_TEXTS = 872 };

/* Of all texts that are compared at a time, the rows of logits over the vocabulary. */
enum { TOGETHER_ELEMENTS = 4 << 20 };

/* False of a task whose results are not numbers. */
static bool unit_of(enum task task, enum parity_unit *out)
{
    switch (task) {
    case TASK_TEXT_CLASSIFICATION:
    case TASK_ZERO_SHOT_CLASSIFICATION:
        *out = PARITY_TEXTS;
        return true;
    case TASK_FEATURE_EXTRACTION:
        *out = PARITY_EMBEDDINGS;
        return true;
    case TASK_TOKEN_CLASSIFICATION:
        *out = PARITY_TOKENS;
        return true;
    case TASK_FILL_MASK:
        *out = PARITY_MASKS;
        return true;
    case TASK_SPARSE_EMBEDDING:
    case TASK_OTHER:
        break;
    }
    return false;
}

static int columns_of(const struct model_desc *desc, enum parity_unit unit)
{
    return unit == PARITY_EMBEDDINGS ? desc->columns
           : unit == PARITY_MASKS    ? desc->vocab_size
                                     : desc->label_count;
}

static double score_bound(const char *precision)
{
    return strcmp(precision, "bf16") == 0 ? 2e-2 : strcmp(precision, "int8") == 0 ? 0.16 : 1e-5;
}

bool parity_init(struct parity *parity, const struct model_desc *desc, const struct tokenizer *tokenizer,
                 struct error *err)
{
    enum parity_unit unit;
    if (desc->result != RESULT_ROWS || !unit_of(desc->task, &unit))
        return error_set(err, ERR_UNSUPPORTED_MODEL,
                         "parity is known of the native engine's tasks, and the task of %s is %s", desc->name,
                         desc->task_name);
    *parity = (struct parity){
        .desc = desc,
        .tokenizer = tokenizer,
        .unit = unit,
        .columns = columns_of(desc, unit),
        .score_bound = score_bound(desc->precision),
        .least_cosine = 1,
    };
    parity->scores = malloc((size_t)parity->columns * sizeof *parity->scores);
    parity->wanted = malloc((size_t)parity->columns * sizeof *parity->wanted);
    if (parity->scores && parity->wanted)
        return true;
    parity_free(parity);
    return error_set(err, ERR_NO_MEMORY, "no memory for rows of %d numbers", parity->columns);
}

void parity_free(struct parity *parity)
{
    free(parity->scores);
    free(parity->wanted);
}

/* --- Preparing */

bool parity_prepare(const struct engine *engine, const struct input *input, struct arena *arena,
                    struct item *out, struct error *err)
{
    const struct model_desc *desc = &engine->desc;
    struct prepare_options options = {.truncate = true, .prompt = embedding_default(desc)};
    if (desc->task == TASK_TOKEN_CLASSIFICATION) {
        options.rows = ROWS_TOKENS;
        options.places = true; /* which tokens are special */
    } else if (desc->task == TASK_FILL_MASK) {
        options.rows = ROWS_MASKS;
    }
    if (options.rows != ROWS_POOLED && input->pair_length > 0)
        return error_set(err, ERR_BAD_INPUT, "a pair of texts is not for %s", desc->task_name);
    return engine_prepare(engine, input, &options, arena, out, err);
}

size_t parity_together(const struct model_desc *desc, size_t most)
{
    size_t fit = desc->task == TASK_FILL_MASK ? TOGETHER_ELEMENTS / (size_t)desc->vocab_size + 1 : most;
    return fit < most ? fit : most;
}

/* --- Naming */

/* Copies as many whole characters as fit. */
static void clip_bytes(char *out, size_t size, const char *text, size_t length)
{
    size_t shown = length < size - 1 ? length : size - 1;
    while (shown > 0 && !utf8_valid(text, shown))
        shown--;
    memcpy(out, text, shown);
    out[shown] = '\0';
}

static void clip(char *out, size_t size, const char *text)
{
    clip_bytes(out, size, text, strlen(text));
}

static struct parity_text name_text(size_t number, const char *text, size_t length)
{
    struct parity_text name = {.number = number};
    clip_bytes(name.start, sizeof name.start, text, length);
    return name;
}

/* Of the index-th row of a text's. */
static struct parity_text name_row(const struct parity *parity, const struct parity_row *row, size_t index)
{
    struct parity_text name = name_text(row->number, row->text, row->text_length);
    name.is_place = parity_has_rows(parity);
    if (parity->unit == PARITY_TOKENS) {
        name.place = index;
        name.token = row->item->ids[index];
    } else if (parity->unit == PARITY_MASKS) {
        name.place = index + 1;
        name.token = row->item->ids[row->item->masks[index]];
    }
    return name;
}

const char *parity_token(const struct parity *parity, int32_t id)
{
    const char *token = parity->tokenizer ? tokenizer_token(parity->tokenizer, id).text : NULL;
    return token ? token : "";
}

const char *parity_name(const struct parity *parity, int first)
{
    return parity->unit == PARITY_MASKS ? parity_token(parity, first) : parity->desc->labels[first];
}

const char *parity_place(const struct parity *parity, const struct parity_text *text,
                         char out[PARITY_PLACE_BYTES])
{
    char token[60], got[60], wanted[60];
    int used = 0;
    out[0] = '\0';
    if (!text->is_place)
        return out;
    clip(token, sizeof token, parity_token(parity, text->token));
    if (parity->unit == PARITY_TOKENS)
        used = snprintf(out, PARITY_PLACE_BYTES, ", token %zu \"%s\"", text->place, token);
    else
        used = snprintf(out, PARITY_PLACE_BYTES, ", mask %zu", text->place);
    if (!text->flipped)
        return out;
    clip(got, sizeof got, parity_name(parity, text->got));
    clip(wanted, sizeof wanted, parity_name(parity, text->wanted));
    snprintf(out + used, PARITY_PLACE_BYTES - (size_t)used, " (\"%s\", not \"%s\")", got, wanted);
    return out;
}

/* --- Counting */

/* The larger one; NaN, which fmax() drops, is larger than any number. */
static double larger(double a, double b)
{
    return isnan(a) || a > b ? a : b;
}

static void keep_worst(double *worst, struct parity_text *name, double value, const struct parity *parity,
                       const struct parity_row *row, size_t index)
{
    if (name->number && (isnan(*worst) || value <= *worst))
        return;
    *worst = value;
    *name = name_row(parity, row, index);
}

static double score_distance(double got, double wanted)
{
    return fabs(got - wanted) / fmax(1, fabs(wanted));
}

static double largest_magnitude(const float *row, int n)
{
    double largest = 0;
    for (int i = 0; i < n; i++)
        largest = fmax(largest, fabs((double)row[i]));
    return largest;
}

static bool all_finite(const float *row, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(row[i]))
            return false;
    return true;
}

static void compare_values(struct parity *parity, const struct parity_row *row, size_t index)
{
    const float *got = row->logits + index * (size_t)parity->columns;
    const float *wanted = row->wanted + index * (size_t)parity->columns;
    const bool masks = parity->unit == PARITY_MASKS;
    const double least = parity->unit == PARITY_EMBEDDINGS ? 1e-5 : 2e-5; /* the bounds of fp32 */
    const double largest = masks ? largest_magnitude(wanted, parity->columns) : 0;
    double worst = 0;
    for (int i = 0; i < parity->columns; i++) {
        double difference = fabs((double)got[i] - (double)wanted[i]);
        double bound = fmax(least, 1e-5 * (masks ? largest : fabs((double)wanted[i])));
        worst = larger(worst, difference);
        parity->logit_excess = larger(parity->logit_excess, difference / bound);
    }
    keep_worst(&parity->logit_difference, &parity->worst_logit, worst, parity, row, index);
}

/* The score of wanted_label is that of the text's own pipeline, where it came with one. */
static void compare_scores(struct parity *parity, const struct parity_row *row, size_t index,
                           int wanted_label)
{
    double worst = 0;
    for (int i = 0; i < parity->columns; i++)
        worst = larger(worst, score_distance(parity->scores[i], parity->wanted[i]));
    if (parity->unit == PARITY_TEXTS && !isnan(row->wanted_score))
        worst = larger(worst, score_distance(parity->scores[wanted_label], row->wanted_score));
    keep_worst(&parity->score_difference, &parity->worst_score, worst, parity, row, index);
}

static void compare_angles(struct parity *parity, const struct parity_row *row)
{
    double cosine = embedding_cosine(row->logits, row->wanted, (size_t)parity->columns);
    if (parity->worst_cosine.number && (isnan(parity->least_cosine) || cosine >= parity->least_cosine))
        return;
    parity->least_cosine = cosine;
    parity->worst_cosine = name_text(row->number, row->text, row->text_length);
}

static void note_flip(struct parity *parity, const struct parity_text *name)
{
    if (parity->flips < PARITY_SHOWN_FLIPS)
        parity->flipped[parity->flips] = *name;
    parity->flips++;
}

/* Of one text, whose row is logits of labels. */
static bool compare_labels(struct parity *parity, const struct parity_row *row)
{
    int first, wanted;
    score_apply(parity->desc, SCORE_DEFAULT, row->logits, parity->scores);
    score_apply(parity->desc, SCORE_DEFAULT, row->wanted, parity->wanted);
    score_rank(parity->scores, parity->columns, &first, 1);
    score_rank(parity->wanted, parity->columns, &wanted, 1);
    if (row->wanted_label >= 0)
        wanted = row->wanted_label;
    compare_scores(parity, row, 0, wanted);
    if (row->gold >= 0) {
        parity->gold++;
        parity->right += first == row->gold;
        parity->wanted_right += wanted == row->gold;
    }
    if (first == wanted)
        return false;
    struct parity_text name = name_text(row->number, row->text, row->text_length);
    note_flip(parity, &name);
    return true;
}

/* Over a vocabulary a sum in float would itself be off by about the bound of fp32. */
static void softmax(const float *logits, float *scores, int n)
{
    float max = logits[0];
    double sum = 0;
    for (int i = 1; i < n; i++)
        max = fmaxf(max, logits[i]);
    for (int i = 0; i < n; i++)
        sum += exp((double)logits[i] - max);
    for (int i = 0; i < n; i++)
        scores[i] = (float)(exp((double)logits[i] - max) / sum);
}

/* Of one token or mask. */
static bool compare_firsts(struct parity *parity, const struct parity_row *row, size_t index)
{
    int first, best[2] = {0, 0};
    softmax(row->logits + index * (size_t)parity->columns, parity->scores, parity->columns);
    softmax(row->wanted + index * (size_t)parity->columns, parity->wanted, parity->columns);
    score_rank(parity->scores, parity->columns, &first, 1);
    score_rank(parity->wanted, parity->columns, best, parity->columns > 1 ? 2 : 1);
    parity->rows++;
    compare_scores(parity, row, index, best[0]);
    if (first == best[0])
        return false;
    struct parity_text name = name_row(parity, row, index);
    name.flipped = true;
    name.got = first;
    name.wanted = best[0];
    note_flip(parity, &name);
    if (parity->wanted[best[0]] - parity->wanted[best[1]] > parity->score_bound && parity->clear_flips++ == 0)
        parity->first_clear = name;
    return true;
}

static bool compare_rows(struct parity *parity, const struct parity_row *row)
{
    bool flipped = false;
    for (size_t i = 0; i < row->item->row_count; i++) {
        if (parity->unit == PARITY_TOKENS && row->item->places[i].word < 0)
            continue;
        compare_values(parity, row, i);
        flipped |= compare_firsts(parity, row, i);
    }
    return flipped;
}

bool parity_add(struct parity *parity, const struct parity_row *row)
{
    const size_t rows = parity_has_rows(parity) ? row->item->row_count : 1;
    parity->texts++;
    if (!row->logits || !all_finite(row->logits, rows * (size_t)parity->columns)) {
        if (parity->failed++ == 0)
            parity->first_failed = name_text(row->number, row->text, row->text_length);
        return false;
    }
    if (!row->wanted)
        return false;
    if (parity_has_rows(parity))
        return compare_rows(parity, row);
    compare_values(parity, row, 0);
    if (parity->unit == PARITY_TEXTS)
        return compare_labels(parity, row);
    compare_angles(parity, row);
    return false;
}

void parity_add_ids(struct parity *parity, bool equal, size_t number, const char *text, size_t text_length)
{
    parity->ids_compared++;
    if (equal)
        return;
    if (parity->ids_differ++ == 0)
        parity->first_ids = name_text(number, text, text_length);
}

/* --- Judging */

static size_t share_of(size_t texts, size_t part, size_t whole)
{
    return (texts * part + whole - 1) / whole;
}

static bool refuse(const struct parity *parity, const struct parity_text *text, const char *what,
                   struct error *err)
{
    char place[PARITY_PLACE_BYTES];
    return error_set(err, ERR_BAD_MODEL, "%s; text %zu%s: \"%s\"", what, text->number,
                     parity_place(parity, text, place), text->start);
}

static bool check_flips(const struct parity *parity, struct error *err)
{
    const bool is_int8 = strcmp(parity->desc->precision, "int8") == 0;
    const bool texts = parity->unit == PARITY_TEXTS, tokens = parity->unit == PARITY_TOKENS;
    const size_t of = texts ? parity->texts : parity->rows,
                 most = is_int8 ? share_of(of, INT8_FLIPS, INT8_TEXTS) : 0;
    const size_t flips = texts ? parity->flips : parity->clear_flips;
    char what[200];
    if (flips <= most)
        return true;
    int used = snprintf(what, sizeof what, "%zu of %zu %s have another %s", flips, of,
                        texts    ? "texts"
                        : tokens ? "tokens"
                                 : "masks",
                        texts || tokens ? "label" : "token first");
    if (!texts)
        used += snprintf(what + used, sizeof what - (size_t)used,
                         " where what should be first led by more than %g", parity->score_bound);
    snprintf(what + used, sizeof what - (size_t)used, ", %s allows %zu", parity->desc->precision, most);
    return refuse(parity, texts ? &parity->flipped[0] : &parity->first_clear, what, err);
}

static bool check_scores(const struct parity *parity, struct error *err)
{
    char what[160];
    if (!(parity->score_difference <= parity->score_bound)) { /* or NaN */
        snprintf(what, sizeof what, "a score differs by %.3g, %s allows %g", parity->score_difference,
                 parity->desc->precision, parity->score_bound);
        return refuse(parity, &parity->worst_score, what, err);
    }
    return check_flips(parity, err);
}

static bool check_accuracy(const struct parity *parity, struct error *err)
{
    size_t allowed = share_of(parity->gold, INT8_ACCURACY, INT8_TEXTS);
    size_t least = parity->wanted_right > allowed ? parity->wanted_right - allowed : 0;
    if (parity->right >= least)
        return true;
    return error_set(err, ERR_BAD_MODEL, "%zu of %zu texts have the right label, want at least %zu",
                     parity->right, parity->gold, least);
}

static bool check_values(const struct parity *parity, struct error *err)
{
    char what[120];
    if (parity->logit_excess <= 1)
        return true;
    snprintf(what, sizeof what, "%s differs by up to %.3g, %.3g times what %s allows",
             parity->unit == PARITY_EMBEDDINGS ? "an embedding" : "a logit", parity->logit_difference,
             parity->logit_excess, parity->desc->precision);
    return refuse(parity, &parity->worst_logit, what, err);
}

static bool check_embeddings(const struct parity *parity, struct error *err)
{
    const char *precision = parity->desc->precision;
    bool fp32 = strcmp(precision, "bf16") != 0 && strcmp(precision, "int8") != 0;
    double least = fp32 ? 0.999999 : strcmp(precision, "bf16") == 0 ? 0.999 : 0.98;
    char what[160];
    if (!(parity->least_cosine >= least)) { /* or NaN */
        snprintf(what, sizeof what, "an embedding's cosine with what it should be is %.7f, %s wants %g",
                 parity->least_cosine, precision, least);
        return refuse(parity, &parity->worst_cosine, what, err);
    }
    return !fp32 || check_values(parity, err);
}

bool parity_check(const struct parity *parity, struct error *err)
{
    const char *precision = parity->desc->precision;
    if (parity->failed)
        return refuse(parity, &parity->first_failed, "a text has no result, or NaN or infinity", err);
    if (parity->ids_differ)
        return refuse(parity, &parity->first_ids, "a text has other token ids", err);
    if (parity_has_rows(parity) && parity->rows == 0)
        return error_set(err, ERR_BAD_MODEL, "no text has a token to compare, want one that has");
    if (parity->unit == PARITY_EMBEDDINGS)
        return check_embeddings(parity, err);
    if (strcmp(precision, "bf16") == 0)
        return check_scores(parity, err);
    if (strcmp(precision, "int8") == 0)
        return check_scores(parity, err) && check_accuracy(parity, err);
    return check_values(parity, err) && check_scores(parity, err);
}
