#include "engine/token_classification.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "engine/native.h"

static const char *const DEFAULT_IGNORED[] = {"O"};
const struct entity_options ENTITY_DEFAULTS = {AGGREGATE_NONE, DEFAULT_IGNORED, 1};

bool aggregation_parse(const char *word, size_t length, enum aggregation *out)
{
    static const char *const names[] = {"none", "simple", "first", "average", "max"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strlen(names[i]) == length && strncasecmp(names[i], word, length) == 0) {
            *out = (enum aggregation)i;
            return true;
        }
    }
    return false;
}

/* A token, later a word: what is grouped. */
struct part {
    struct token_text word;
    const float *scores;
    const char *label;
    float score;
    size_t index;
    uint32_t start, end;
    bool continues; /* the word of the part before it */
};

/* One call. */
struct work {
    const struct engine *engine;
    const struct tokenizer *tokenizer;
    const char *text;
    const uint32_t *bytes; /* of each character of the text, where it begins; and the text's length */
    size_t character_count;
    struct arena *arena;
    struct error *err;
};

static bool no_memory(struct error *err)
{
    return error_set(err, ERR_NO_MEMORY, "no memory for the labels of a text");
}

static bool index_characters(struct work *work, size_t length)
{
    uint32_t *bytes = arena_alloc(work->arena, (length + 1) * sizeof *bytes);
    if (!bytes) {
        no_memory(work->err);
        return false;
    }
    for (size_t i = 0; i < length; i++)
        if (((unsigned char)work->text[i] & 0xC0) != 0x80)
            bytes[work->character_count++] = (uint32_t)i;
    bytes[work->character_count] = (uint32_t)length;
    work->bytes = bytes;
    return true;
}

/* The scores of each token: softmax of its logits. */
static float *softmax_rows(const struct item *item, size_t labels, struct arena *arena)
{
    float *scores = arena_alloc(arena, item->row_count * labels * sizeof *scores);
    for (size_t row = 0; scores && row < item->row_count; row++) {
        const float *from = item->rows + row * labels;
        float *to = scores + row * labels, max = from[0], sum = 0;
        for (size_t i = 1; i < labels; i++)
            max = from[i] > max ? from[i] : max;
        for (size_t i = 0; i < labels; i++)
            sum += to[i] = expf(from[i] - max);
        for (size_t i = 0; i < labels; i++)
            to[i] /= sum;
    }
    return scores;
}

static size_t best_label(const struct work *work, const float *scores)
{
    size_t best = 0;
    for (int i = 1; i < work->engine->desc.label_count; i++)
        if (scores[i] > scores[best])
            best = (size_t)i;
    return best;
}

static void take_label(const struct work *work, struct part *part, const float *scores)
{
    size_t best = best_label(work, scores);
    part->label = work->engine->desc.labels[best];
    part->score = scores[best];
}

static size_t count_characters(struct token_text text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.length; i++)
        count += ((unsigned char)text.text[i] & 0xC0) != 0x80;
    return count;
}

/* As Python's slices have it: a place may lie past the text, and end before it begins, as it may in the
 * package. */
static bool is_space(const struct work *work, size_t character)
{
    return character < work->character_count && work->text[work->bytes[character]] == ' ';
}

static struct token_text text_of_place(const struct work *work, const struct token_place *place)
{
    size_t count = work->character_count;
    size_t start = work->bytes[place->start < count ? place->start : count];
    size_t end = work->bytes[place->end < count ? place->end : count];
    return (struct token_text){work->text + start, end > start ? end - start : 0};
}

/* Whether a token goes on with the word before it. With a prefix for such tokens the pipeline compares
 * lengths: that of the token as it is written, "##ing", and that of its stretch of the text; without one it
 * looks for a space at the beginning. */
static bool continues_word(const struct work *work, struct token_text token, const struct token_place *place)
{
    if (tokenizer_has_prefix(work->tokenizer))
        return count_characters(token) != place->end - place->start;
    if (place->start == 0)
        return false;
    return !is_space(work, place->start - 1) && !is_space(work, place->start);
}

static void read_token(const struct work *work, const struct item *item, size_t index, struct part *out)
{
    const struct token_place *place = &item->places[index];
    *out = (struct part){
        .word = tokenizer_token(work->tokenizer, item->ids[index]),
        .index = index,
        .start = place->start,
        .end = place->end,
    };
    out->continues = continues_word(work, out->word, place);
    if (item->ids[index] == tokenizer_special_id(work->tokenizer, SPECIAL_ID_UNKNOWN)) {
        out->word = text_of_place(work, place);
        out->continues = false;
    }
}

/* All but the special tokens. NULL: no memory. */
static struct part *read_tokens(const struct work *work, const struct item *item, size_t *count)
{
    const size_t labels = (size_t)work->engine->desc.label_count;
    struct part *parts = arena_alloc(work->arena, item->length * sizeof *parts);
    const float *scores = softmax_rows(item, labels, work->arena);
    *count = 0;
    if (!parts || !scores) {
        no_memory(work->err);
        return NULL;
    }
    for (size_t i = 0; i < item->length; i++) {
        if (item->places[i].word < 0)
            continue;
        struct part *part = &parts[(*count)++];
        read_token(work, item, i, part);
        part->scores = scores + i * labels;
        take_label(work, part, part->scores);
    }
    return parts;
}

/* The text of the words of parts[0..count). NULL: no memory. */
static const char *join_words(const struct work *work, const struct part *parts, size_t count, size_t *length)
{
    struct token_text *words = arena_alloc(work->arena, count * sizeof *words);
    const char *text;
    if (!words) {
        no_memory(work->err);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        words[i] = parts[i].word;
    return tokenizer_join(work->tokenizer, words, count, work->arena, &text, length, work->err) ? text : NULL;
}

/* --- Words */

/* The mean of the tokens' scores, label by label; a NaN does not count. */
static const float *mean_scores(const struct work *work, const struct part *tokens, size_t count)
{
    const size_t labels = (size_t)work->engine->desc.label_count;
    float *means = arena_alloc(work->arena, labels * sizeof *means);
    for (size_t label = 0; means && label < labels; label++) {
        double sum = 0;
        for (size_t i = 0; i < count; i++)
            sum += tokens[i].scores[label];
        means[label] = (float)(sum / (double)count);
    }
    return means;
}

static const float *highest_scores(const struct work *work, const struct part *tokens, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        if (tokens[i].scores[best_label(work, tokens[i].scores)] >
            tokens[best].scores[best_label(work, tokens[best].scores)])
            best = i;
    return tokens[best].scores;
}

/* Makes one part of the tokens of a word. */
static bool merge_word(const struct work *work, const struct part *tokens, size_t count,
                       enum aggregation aggregation, struct part *out)
{
    struct part word = {.start = tokens[0].start, .end = tokens[count - 1].end};
    word.word.text = join_words(work, tokens, count, &word.word.length);
    if (!word.word.text)
        return false;
    const float *scores = aggregation == AGGREGATE_FIRST     ? tokens[0].scores
                          : aggregation == AGGREGATE_AVERAGE ? mean_scores(work, tokens, count)
                                                             : highest_scores(work, tokens, count);
    if (!scores)
        return no_memory(work->err);
    take_label(work, &word, scores);
    *out = word;
    return true;
}

/* Merges the tokens of each word in place; *count becomes that of the words. */
static bool merge_words(const struct work *work, struct part *parts, size_t *count,
                        enum aggregation aggregation)
{
    size_t words = 0;
    for (size_t i = 0; i < *count;) {
        size_t stop = i + 1;
        while (stop < *count && parts[stop].continues)
            stop++;
        if (!merge_word(work, parts + i, stop - i, aggregation, &parts[words++]))
            return false;
        i = stop;
    }
    *count = words;
    return true;
}

/* --- Groups */

/* What the label says of: without "B-" or "I-". */
static const char *tag_of(const char *label)
{
    return strncmp(label, "B-", 2) == 0 || strncmp(label, "I-", 2) == 0 ? label + 2 : label;
}

static bool joins(const struct part *before, const struct part *part)
{
    return strncmp(part->label, "B-", 2) != 0 && strcmp(tag_of(before->label), tag_of(part->label)) == 0;
}

static bool make_group(const struct work *work, const struct part *parts, size_t count, struct entity *out)
{
    double sum = 0;
    const char *dash = strchr(parts[0].label, '-'), *label = dash ? dash + 1 : parts[0].label;
    for (size_t i = 0; i < count; i++)
        sum += parts[i].score;
    *out = (struct entity){
        .label = label,
        .score = (float)(sum / (double)count),
        .start = parts[0].start,
        .end = parts[count - 1].end,
    };
    out->word = join_words(work, parts, count, &out->word_length);
    return out->word != NULL;
}

static bool is_ignored(const struct entity_options *options, const struct entity *entity)
{
    for (size_t i = 0; i < options->ignored_count; i++)
        if (strcmp(options->ignored[i], entity->label) == 0)
            return true;
    return false;
}

static bool group_parts(const struct work *work, const struct part *parts, size_t count,
                        const struct entity_options *options, struct entity *out, size_t *out_count)
{
    for (size_t i = 0; i < count;) {
        size_t stop = i + 1;
        while (stop < count && joins(&parts[stop - 1], &parts[stop]))
            stop++;
        struct entity *entity = &out[*out_count];
        if (!make_group(work, parts + i, stop - i, entity))
            return false;
        *out_count += !is_ignored(options, entity);
        i = stop;
    }
    return true;
}

static void list_tokens(const struct part *parts, size_t count, const struct entity_options *options,
                        struct entity *out, size_t *out_count)
{
    for (size_t i = 0; i < count; i++) {
        struct entity *entity = &out[*out_count];
        *entity = (struct entity){
            .label = parts[i].label,
            .score = parts[i].score,
            .index = parts[i].index,
            .word = parts[i].word.text,
            .word_length = parts[i].word.length,
            .start = parts[i].start,
            .end = parts[i].end,
        };
        *out_count += !is_ignored(options, entity);
    }
}

bool token_classification_entities(const struct engine *engine, const char *text, size_t length,
                                   const struct item *item, const struct entity_options *options,
                                   struct arena *arena, struct entity **out, size_t *count, struct error *err)
{
    const enum aggregation aggregation = options->aggregation;
    struct work work = {
        .engine = engine, .tokenizer = native_tokenizer(engine), .text = text, .arena = arena, .err = err};
    size_t part_count;
    *count = 0;
    if (!index_characters(&work, length))
        return false;
    struct part *parts = read_tokens(&work, item, &part_count);
    if (!parts)
        return false;
    *out = arena_alloc(arena, part_count * sizeof **out);
    if (!*out)
        return no_memory(err);
    if (aggregation == AGGREGATE_NONE) {
        list_tokens(parts, part_count, options, *out, count);
        return true;
    }
    if (aggregation != AGGREGATE_SIMPLE && !merge_words(&work, parts, &part_count, aggregation))
        return false;
    return group_parts(&work, parts, part_count, options, *out, count);
}
