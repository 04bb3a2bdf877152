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

bool parity_init(struct parity *parity, const struct model_desc *desc, struct error *err)
{
    bool embeds = desc->task == TASK_FEATURE_EXTRACTION;
    if (!embeds && desc->task != TASK_TEXT_CLASSIFICATION)
        return error_set(err, ERR_UNSUPPORTED_MODEL,
                         "parity is known of text-classification and of embeddings, and the task of %s is %s",
                         desc->name, desc->task_name);
    *parity = (struct parity){
        .desc = desc,
        .embeds = embeds,
        .columns = embeds ? desc->columns : desc->label_count,
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

/* --- Counting */

static struct parity_text name_text(size_t number, const char *text, size_t length)
{
    struct parity_text name = {.number = number};
    size_t shown = length < PARITY_TEXT_BYTES - 1 ? length : PARITY_TEXT_BYTES - 1;
    while (shown > 0 && !utf8_valid(text, shown))
        shown--;
    memcpy(name.start, text, shown);
    return name;
}

static void keep_worst(double *worst, struct parity_text *name, double value, const struct parity_row *row)
{
    if (name->number && value <= *worst)
        return;
    *worst = value;
    *name = name_text(row->number, row->text, row->text_length);
}

static double score_distance(double got, double wanted)
{
    return fabs(got - wanted) / fmax(1, fabs(wanted));
}

/* The bound of fp32, for a logit or an embedding's element. */
static double value_bound(const struct parity *parity, double wanted)
{
    return fmax(parity->embeds ? 1e-5 : 2e-5, 1e-5 * fabs(wanted));
}

static bool all_finite(const float *row, int n)
{
    for (int i = 0; i < n; i++)
        if (!isfinite(row[i]))
            return false;
    return true;
}

static void compare_values(struct parity *parity, const struct parity_row *row)
{
    double worst = 0;
    for (int i = 0; i < parity->columns; i++) {
        double difference = fabs((double)row->logits[i] - (double)row->wanted[i]);
        worst = fmax(worst, difference);
        parity->logit_excess = fmax(parity->logit_excess, difference / value_bound(parity, row->wanted[i]));
    }
    keep_worst(&parity->logit_difference, &parity->worst_logit, worst, row);
}

static void compare_scores(struct parity *parity, const struct parity_row *row, int wanted_label)
{
    double worst = 0;
    for (int i = 0; i < parity->columns; i++)
        worst = fmax(worst, score_distance(parity->scores[i], parity->wanted[i]));
    if (!isnan(row->wanted_score))
        worst = fmax(worst, score_distance(parity->scores[wanted_label], row->wanted_score));
    keep_worst(&parity->score_difference, &parity->worst_score, worst, row);
}

static void compare_angles(struct parity *parity, const struct parity_row *row)
{
    double cosine = embedding_cosine(row->logits, row->wanted, (size_t)parity->columns);
    if (parity->worst_cosine.number && cosine >= parity->least_cosine)
        return;
    parity->least_cosine = cosine;
    parity->worst_cosine = name_text(row->number, row->text, row->text_length);
}

bool parity_add(struct parity *parity, const struct parity_row *row)
{
    int first, wanted;
    parity->texts++;
    if (!row->logits || !all_finite(row->logits, parity->columns)) {
        if (parity->failed++ == 0)
            parity->first_failed = name_text(row->number, row->text, row->text_length);
        return false;
    }
    compare_values(parity, row);
    if (parity->embeds) {
        compare_angles(parity, row);
        return false;
    }
    score_apply(parity->desc, SCORE_DEFAULT, row->logits, parity->scores);
    score_apply(parity->desc, SCORE_DEFAULT, row->wanted, parity->wanted);
    score_rank(parity->scores, parity->columns, &first, 1);
    score_rank(parity->wanted, parity->columns, &wanted, 1);
    if (row->wanted_label >= 0)
        wanted = row->wanted_label;
    compare_scores(parity, row, wanted);
    if (row->gold >= 0) {
        parity->gold++;
        parity->right += first == row->gold;
        parity->wanted_right += wanted == row->gold;
    }
    if (first == wanted)
        return false;
    if (parity->flips < PARITY_SHOWN_FLIPS)
        parity->flipped[parity->flips] = name_text(row->number, row->text, row->text_length);
    parity->flips++;
    return true;
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

static bool refuse(struct error *err, const struct parity_text *text, const char *what)
{
    return error_set(err, ERR_BAD_MODEL, "%s; text %zu: \"%s\"", what, text->number, text->start);
}

static bool check_scores(const struct parity *parity, double bound, size_t flips, struct error *err)
{
    char what[160];
    if (parity->score_difference > bound) {
        snprintf(what, sizeof what, "a score differs by %.3g, %s allows %g", parity->score_difference,
                 parity->desc->precision, bound);
        return refuse(err, &parity->worst_score, what);
    }
    if (parity->flips > flips) {
        snprintf(what, sizeof what, "%zu of %zu texts have another label, %s allows %zu", parity->flips,
                 parity->texts, parity->desc->precision, flips);
        return refuse(err, &parity->flipped[0], what);
    }
    return true;
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
             parity->embeds ? "an embedding" : "a logit", parity->logit_difference, parity->logit_excess,
             parity->desc->precision);
    return refuse(err, &parity->worst_logit, what);
}

static bool check_embeddings(const struct parity *parity, struct error *err)
{
    const char *precision = parity->desc->precision;
    bool fp32 = strcmp(precision, "bf16") != 0 && strcmp(precision, "int8") != 0;
    double least = fp32 ? 0.999999 : strcmp(precision, "bf16") == 0 ? 0.999 : 0.98;
    char what[160];
    if (parity->least_cosine < least) {
        snprintf(what, sizeof what, "an embedding's cosine with what it should be is %.7f, %s wants %g",
                 parity->least_cosine, precision, least);
        return refuse(err, &parity->worst_cosine, what);
    }
    return !fp32 || check_values(parity, err);
}

bool parity_check(const struct parity *parity, struct error *err)
{
    const char *precision = parity->desc->precision;
    if (parity->failed)
        return refuse(err, &parity->first_failed, "a text has no result, or NaN or infinity");
    if (parity->ids_differ)
        return refuse(err, &parity->first_ids, "a text has other token ids");
    if (parity->embeds)
        return check_embeddings(parity, err);
    if (strcmp(precision, "bf16") == 0)
        return check_scores(parity, 2e-2, 0, err);
    if (strcmp(precision, "int8") == 0)
        return check_scores(parity, 0.16, share_of(parity->texts, INT8_FLIPS, INT8_TEXTS), err) &&
               check_accuracy(parity, err);
    return check_values(parity, err) && check_scores(parity, 1e-5, 0, err);
}
