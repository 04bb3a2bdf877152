#include "text/postprocessor.h"

#include <string.h>

static bool fail_too_short(const char *which, size_t length, size_t excess, struct error *err)
{
    return error_set(err, ERR_TOO_LONG,
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
                err, ERR_TOO_LONG,
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

/* Takes the white space at a token's ends from its place: the package's process_offsets(). */
static void trim(const struct postprocessor *postprocessor, const struct origin *origin, bool first,
                 struct token_place *place)
{
    uint32_t leading = origin->leading, trailing = origin->trailing;
    if (leading == 1 && postprocessor->keeps_prefix && (first || place->start == 0))
        leading = 0;
    place->start = place->end - place->start < leading ? place->end : place->start + leading;
    if (trailing > 0 && place->end >= trailing)
        place->end = place->end - place->start < trailing ? place->start : place->end - trailing;
}

static void fill_places(const struct postprocessor *postprocessor, const struct sequence *sequence,
                        struct token_place *places)
{
    for (size_t i = 0; i < sequence->length; i++) {
        const struct origin *origin = &sequence->origins[i];
        places[i] = (struct token_place){origin->span.start, origin->span.end, origin->word};
        if (postprocessor->trims)
            trim(postprocessor, origin, i == 0, &places[i]);
    }
}

static void fill(const struct postprocessor *postprocessor, const struct template *template,
                 const struct sequence sequences[2], struct encoding *out)
{
    int32_t *ids = out->ids;
    uint8_t *types = out->type_ids;
    struct token_place *places = out->places;
    for (size_t i = 0; i < template->count; i++) {
        const struct piece *piece = &template->pieces[i];
        if (piece->kind == PIECE_TOKEN) {
            *ids++ = piece->id;
            *types++ = piece->type_id;
            if (places)
                *places++ = (struct token_place){0, 0, -1};
            continue;
        }
        const struct sequence *sequence = &sequences[piece->kind == PIECE_SECOND];
        if (sequence->length) {
            memcpy(ids, sequence->ids, sequence->length * sizeof *ids);
            memset(types, piece->type_id, sequence->length);
        }
        if (places) {
            fill_places(postprocessor, sequence, places);
            places += sequence->length;
        }
        ids += sequence->length;
        types += sequence->length;
    }
}

static void skip(struct sequence *sequence, size_t count)
{
    sequence->ids += count;
    if (sequence->origins)
        sequence->origins += count;
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
    static struct piece alone = {.kind = PIECE_FIRST};
    static const struct template plain = {.pieces = &alone, .count = 1};
    const struct template *template = options->plain ? &plain
                                      : second       ? &postprocessor->pair
                                                     : &postprocessor->single;
    struct sequence kept[2] = {first, second ? *second : (struct sequence){0}};
    if (options->truncate) {
        if (options->max_tokens < template->special_count)
            return error_set(err, ERR_BAD_INPUT,
                             "at most %zu tokens were asked for, and the special tokens alone are %zu",
                             options->max_tokens, template->special_count);
        if (!cut(&kept[0].length, &kept[1].length, second != NULL,
                 options->max_tokens - template->special_count, options->strategy, err))
            return false;
        bool is_left = options->side == TRUNCATE_AS_TOKENIZER ? postprocessor->truncate_left
                                                              : options->side == TRUNCATE_LEFT;
        if (is_left) {
            skip(&kept[0], first.length - kept[0].length);
            if (second)
                skip(&kept[1], second->length - kept[1].length);
        }
    }
    size_t length = template_length(template, kept[0].length, kept[1].length);
    out->ids = arena_alloc(arena, length * sizeof *out->ids);
    out->type_ids = arena_alloc(arena, length);
    out->places = first.origins ? arena_alloc(arena, length * sizeof *out->places) : NULL;
    if (!out->ids || !out->type_ids || (first.origins && !out->places))
        return error_set(err, ERR_NO_MEMORY, "no memory for %zu tokens", length);
    out->length = length;
    out->full_length = template_length(template, first.length, second ? second->length : 0);
    fill(postprocessor, template, kept, out);
    return true;
}
