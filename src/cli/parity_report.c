#include "cli/parity_report.h"

#include <math.h>
#include <string.h>

#include "base/json.h"

static const char *rows_word(const struct parity *parity)
{
    return parity->unit == PARITY_TOKENS ? "tokens" : "masks";
}

/* A text of the golden file by its line, to be found again. */
static void put_text(struct buf *out, const struct parity *parity, const struct parity_text *text)
{
    char place[PARITY_PLACE_BYTES];
    buf_printf(out, "  line %zu%s: ", text->number, parity_place(parity, text, place));
    json_put_string(out, text->start, strlen(text->start));
    buf_putc(out, '\n');
}

static void put_embeddings(struct buf *out, const struct parity *parity)
{
    if (!parity->worst_logit.number)
        return;
    buf_printf(out, "embeddings   differ by at most %.3g\n", parity->logit_difference);
    put_text(out, parity, &parity->worst_logit);
    buf_printf(out, "cosine       at least %.7f\n", parity->least_cosine);
    put_text(out, parity, &parity->worst_cosine);
}

/* How many have another label, or of masks another token, first; and which. */
static void put_flips(struct buf *out, const struct parity *parity)
{
    if (parity->unit == PARITY_TEXTS)
        buf_printf(out, "labels       %zu texts have another\n", parity->flips);
    else
        buf_printf(out, "%s %zu of %zu %s have another, %zu of them where it led by more than %g\n",
                   parity->unit == PARITY_TOKENS ? "labels      " : "first       ", parity->flips,
                   parity->rows, rows_word(parity), parity->clear_flips, parity->score_bound);
    for (size_t i = 0; i < parity->flips && i < PARITY_SHOWN_FLIPS; i++)
        put_text(out, parity, &parity->flipped[i]);
    if (parity->flips > PARITY_SHOWN_FLIPS)
        buf_printf(out, "  and %zu more\n", parity->flips - PARITY_SHOWN_FLIPS);
}

static void put_labels(struct buf *out, const struct parity *parity)
{
    if (parity->worst_logit.number) {
        buf_printf(out, "logits       differ by at most %.3g\n", parity->logit_difference);
        put_text(out, parity, &parity->worst_logit);
        buf_printf(out, "scores       differ by at most %.3g\n", parity->score_difference);
        put_text(out, parity, &parity->worst_score);
    }
    put_flips(out, parity);
    if (parity->gold)
        buf_printf(out, "right        %zu of %zu; by what it is compared with %zu\n", parity->right,
                   parity->gold, parity->wanted_right);
}

void parity_put_text(struct buf *out, const struct parity *parity, const char *source)
{
    const struct model_desc *desc = parity->desc;
    buf_printf(out, "model        %s, %s, %s\n", desc->name, desc->precision, desc->isa);
    buf_printf(out, "texts        %zu of %s\n", parity->texts, source);
    if (parity->failed) {
        buf_printf(out, "no result    %zu texts\n", parity->failed);
        put_text(out, parity, &parity->first_failed);
    }
    if (parity->ids_compared)
        buf_printf(out, "token ids    %zu of %zu texts differ\n", parity->ids_differ, parity->ids_compared);
    if (parity->ids_differ)
        put_text(out, parity, &parity->first_ids);
    (parity->unit == PARITY_EMBEDDINGS ? put_embeddings : put_labels)(out, parity);
}

/* {"line":n,"text":"..."}, with the token or mask where it is of one, or null where there is none. */
static void put_json_text(struct buf *out, const struct parity *parity, const struct parity_text *text)
{
    if (!text->number) {
        buf_puts(out, "null");
        return;
    }
    buf_printf(out, "{\"line\":%zu,", text->number);
    if (text->is_place)
        buf_printf(out, "\"%s\":%zu,", parity->unit == PARITY_TOKENS ? "token" : "mask", text->place);
    if (text->is_place && parity->unit == PARITY_TOKENS)
        json_put_field(out, "token_text", parity_token(parity, text->token));
    if (text->flipped) {
        json_put_field(out, "got", parity_name(parity, text->got));
        json_put_field(out, "golden", parity_name(parity, text->wanted));
    }
    buf_puts(out, "\"text\":");
    json_put_string(out, text->start, strlen(text->start));
    buf_putc(out, '}');
}

/* "name":value, with a comma behind it; NaN and infinities, which JSON lacks, become null. */
static void put_json_figure(struct buf *out, const char *name, double value)
{
    if (isfinite(value))
        buf_printf(out, "\"%s\":%.9g,", name, value);
    else
        buf_printf(out, "\"%s\":null,", name);
}

static void put_json_embeddings(struct buf *out, const struct parity *parity)
{
    put_json_figure(out, "max_difference", parity->logit_difference);
    put_json_figure(out, "min_cosine", parity->least_cosine);
    buf_puts(out, "\"worst\":{\"difference\":");
    put_json_text(out, parity, &parity->worst_logit);
    buf_puts(out, ",\"cosine\":");
    put_json_text(out, parity, &parity->worst_cosine);
    buf_puts(out, "},");
}

static void put_json_labels(struct buf *out, const struct parity *parity)
{
    if (parity_has_rows(parity))
        buf_printf(out, "\"%s\":%zu,\"clear_flips\":%zu,", rows_word(parity), parity->rows,
                   parity->clear_flips);
    put_json_figure(out, "max_logit_difference", parity->logit_difference);
    put_json_figure(out, "max_score_difference", parity->score_difference);
    buf_printf(out, "\"flips\":%zu,", parity->flips);
    if (!parity_has_rows(parity))
        buf_printf(out, "\"gold\":%zu,\"right\":%zu,\"golden_right\":%zu,", parity->gold, parity->right,
                   parity->wanted_right);
    buf_puts(out, "\"worst\":{\"logit\":");
    put_json_text(out, parity, &parity->worst_logit);
    buf_puts(out, ",\"score\":");
    put_json_text(out, parity, &parity->worst_score);
    buf_puts(out, "},\"flipped\":[");
    for (size_t i = 0; i < parity->flips && i < PARITY_SHOWN_FLIPS; i++) {
        buf_puts(out, i ? "," : "");
        put_json_text(out, parity, &parity->flipped[i]);
    }
    buf_puts(out, "],");
}

void parity_put_json(struct buf *out, const struct parity *parity, const char *source, const char *failure)
{
    buf_putc(out, '{');
    json_put_field(out, "model", parity->desc->name);
    json_put_field(out, "precision", parity->desc->precision);
    json_put_field(out, "isa", parity->desc->isa);
    json_put_field(out, "golden", source);
    buf_printf(out, "\"texts\":%zu,\"failed\":%zu,\"ids_compared\":%zu,\"ids_differ\":%zu,", parity->texts,
               parity->failed, parity->ids_compared, parity->ids_differ);
    (parity->unit == PARITY_EMBEDDINGS ? put_json_embeddings : put_json_labels)(out, parity);
    json_put_field(out, "failure", failure);
    buf_printf(out, "\"within_bounds\":%s}\n", failure ? "false" : "true");
}
