#include "text/postprocessor.h"

#include <string.h>

static bool fail_too_short(const char *which, size_t length, size_t excess, struct error *err)
{
    return error_set(err, ERR_BAD_INPUT,
                     "the %s text has %zu tokens and %zu are too many: cutting that text alone cannot help; "
                     "longest_first can",
                     which, length, excess);
}

/* Cuts from the longer of two sequences until both have `room` tokens or, once they are as long, from both in
 * turn; an odd token stays with the second, or with the first where that was the longer. */
static void cut_longest_first(size_t *first, size_t *second, size_t room)
{
    size_t *shorter = *first > *second ? second : first;
    size_t *longer = *first > *second ? first : second;
    size_t half = room / 2;
    if (*shorter > half)
        *shorter = half;
    *longer = room - *shorter;
}

/* The lengths that two sequences keep so that both have at most `room` tokens. */
static bool cut(size_t *first, size_t *second, bool pair, size_t room, enum truncation strategy,
                struct error *err)
{
    size_t total = *first + *second;
    if (total <= room)
        return true;
    size_t excess = total - room;
    if (room == 0) {
        *first = *second = 0;
        return true;
    }
    if (strategy == TRUNCATE_ONLY_SECOND) {
        if (!pair)
            return error_set(
                err, ERR_BAD_INPUT,
                "only_second cannot cut: there is no second text, and the first has %zu tokens too many",
                excess);
        if (*second <= excess)
            return fail_too_short("second", *second, excess, err);
        *second -= excess;
        return true;
    }
    if (strategy == TRUNCATE_ONLY_FIRST) {
        if (*first <= excess)
            return fail_too_short("first", *first, excess, err);
        *first -= excess;
        return true;
    }
    if (pair)
        cut_longest_first(first, second, room);
    else
        *first = room;
    return true;
}

static void fill(const struct template *template, const struct sequence sequences[2], struct encoding *out)
{
    int32_t *ids = out->ids;
    uint8_t *types = out->type_ids;
    for (size_t i = 0; i < template->count; i++) {
        const struct piece *piece = &template->pieces[i];
        if (piece->kind == PIECE_TOKEN) {
            *ids++ = piece->id;
            *types++ = piece->type_id;
            continue;
        }
        const struct sequence *sequence = &sequences[piece->kind == PIECE_SECOND];
        if (sequence->length) {
            memcpy(ids, sequence->ids, sequence->length * sizeof *ids);
            memset(types, piece->type_id, sequence->length);
        }
        ids += sequence->length;
        types += sequence->length;
    }
}

static size_t template_length(const struct template *template, size_t first, size_t second)
{
    size_t length = 0;
    for (size_t i = 0; i < template->count; i++) {
        enum piece_kind kind = template->pieces[i].kind;
        length += kind == PIECE_TOKEN ? 1 : kind == PIECE_FIRST ? first : second;
    }
    return length;
}

bool postprocessor_apply(const struct postprocessor *postprocessor, struct sequence first,
                         const struct sequence *second, const struct encode_options *options,
                         struct arena *arena, struct encoding *out, struct error *err)
{
    const struct template *template = second ? &postprocessor->pair : &postprocessor->single;
    struct sequence kept[2] = {first, second ? *second : (struct sequence){NULL, 0}};
    if (options->truncate) {
        if (options->max_tokens < template->special_count)
            return error_set(err, ERR_BAD_INPUT,
                             "at most %zu tokens were asked for, and the special tokens alone are %zu",
                             options->max_tokens, template->special_count);
        if (!cut(&kept[0].length, &kept[1].length, second != NULL,
                 options->max_tokens - template->special_count, options->strategy, err))
            return false;
        if (postprocessor->truncate_left) {
            kept[0].ids += first.length - kept[0].length;
            if (second)
                kept[1].ids += second->length - kept[1].length;
        }
    }
    size_t length = template_length(template, kept[0].length, kept[1].length);
    out->ids = arena_alloc(arena, length * sizeof *out->ids);
    out->type_ids = arena_alloc(arena, length);
    if (!out->ids || !out->type_ids)
        return error_set(err, ERR_NO_MEMORY, "no memory for %zu tokens", length);
    out->length = length;
    out->full_length = template_length(template, first.length, second ? second->length : 0);
    fill(template, kept, out);
    return true;
}
