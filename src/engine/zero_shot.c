#include "engine/zero_shot.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "engine/score.h"
#include "text/unicode.h"

/* "{0}" may stand in a template more than once. */
enum { MAX_FIELDS = 16 };

static bool no_memory(struct error *err)
{
    return error_set(err, ERR_NO_MEMORY, "no memory for the candidate labels");
}

static bool refuse_template(const char *template, const char *why, struct error *err)
{
    return error_set(err, ERR_BAD_INPUT,
                     "the hypothesis_template is \"%.100s\", %s: want {} once where the label goes, as in "
                     "\"" ZERO_SHOT_TEMPLATE "\"",
                     template, why);
}

bool zero_shot_hypothesis(const char *template, size_t template_length, const char *label,
                          size_t label_length, struct arena *arena, const char **out, size_t *length,
                          struct error *err)
{
    const char *at = template, *end = template + template_length;
    size_t automatic = 0, numbered = 0;
    char *text = arena_alloc_aligned(arena, template_length + MAX_FIELDS * label_length + 1, 1);
    char *to = text;
    if (!text)
        return no_memory(err);
    while (at < end) {
        const char next = at + 1 < end ? at[1] : '\0';
        if ((*at == '{' || *at == '}') && next == *at) {
            *to++ = *at;
            at += 2;
        } else if (*at == '{' && (next == '}' || (next == '0' && at + 2 < end && at[2] == '}'))) {
            automatic += next == '}';
            numbered += next == '0';
            if (automatic > 1 || (automatic && numbered) || numbered > MAX_FIELDS)
                return refuse_template(template, "which has several places for labels", err);
            memcpy(to, label, label_length);
            to += label_length;
            at += next == '}' ? 2 : 3;
        } else if (*at == '{' || *at == '}') {
            return refuse_template(template, "which has another brace in it", err);
        } else {
            *to++ = *at++;
        }
    }
    if (automatic + numbered == 0)
        return refuse_template(template, "which has no place for a label", err);
    *to = '\0';
    *out = text;
    *length = (size_t)(to - text);
    return true;
}

int zero_shot_entailment(const struct model_desc *desc)
{
    for (int i = 0; i < desc->label_count; i++)
        if (strncasecmp(desc->labels[i], "entail", 6) == 0)
            return i;
    return -1;
}

/* What Python's str.strip() takes. */
static bool is_blank(uint32_t point)
{
    return (point >= 0x1C && point <= 0x1F) || unicode_properties(point) & UNICODE_WHITESPACE;
}

/* Moves both ends past white space. */
static void strip(const char **start, const char **stop)
{
    for (const char *next = *start; next < *stop; *start = next)
        if (!is_blank(utf8_decode(&next, *stop)))
            break;
    while (*stop > *start) {
        char bytes[4];
        uint32_t point = utf8_decode_last(*start, *stop);
        if (!is_blank(point))
            break;
        *stop -= utf8_encode(bytes, point) - bytes;
    }
}

bool zero_shot_split(const char *text, size_t length, struct arena *arena, struct label_list *out,
                     struct error *err)
{
    size_t most = 1;
    for (size_t i = 0; i < length; i++)
        most += text[i] == ',';
    *out = (struct label_list){arena_alloc(arena, most * sizeof *out->labels),
                               arena_alloc(arena, most * sizeof *out->lengths), 0};
    if (!out->labels || !out->lengths)
        return no_memory(err);
    for (const char *at = text, *end = text + length; at <= end;) {
        const char *comma = at < end ? memchr(at, ',', (size_t)(end - at)) : NULL;
        const char *stop = comma ? comma : end, *start = at;
        at = stop + 1;
        strip(&start, &stop);
        if (start == stop)
            continue;
        out->lengths[out->count] = (size_t)(stop - start);
        out->labels[out->count] = arena_strndup(arena, start, (size_t)(stop - start));
        if (!out->labels[out->count++])
            return no_memory(err);
    }
    return true;
}

/* The labels' entailments against each other. */
static void share(const float *const logits[], size_t count, int entailment, float *scores)
{
    float max = logits[0][entailment], sum = 0;
    for (size_t i = 1; i < count; i++)
        max = logits[i][entailment] > max ? logits[i][entailment] : max;
    for (size_t i = 0; i < count; i++)
        sum += scores[i] = expf(logits[i][entailment] - max);
    for (size_t i = 0; i < count; i++)
        scores[i] /= sum;
}

/* The pipeline turns a rising order round. */
static bool is_better(const float *scores, int a, int b)
{
    return scores[a] != scores[b] ? scores[a] > scores[b] : a > b;
}

void zero_shot_rank(const struct model_desc *desc, const float *const logits[], size_t count, bool multi,
                    float *scores, int *order)
{
    /* Without a label of its own the pipeline takes the last one for the entailment, by an index of -1. */
    const int found = zero_shot_entailment(desc), last = desc->label_count - 1;
    const int entailment = found < 0 ? last : found, contradiction = found == 0 ? last : 0;
    if (!multi && count > 1) {
        share(logits, count, entailment, scores);
    } else {
        for (size_t i = 0; i < count; i++)
            scores[i] = 1 / (1 + expf(logits[i][contradiction] - logits[i][entailment]));
    }
    score_select(scores, (int)count, order, (int)count, is_better);
}
