#include "text/wordpiece.h"

static bool has_prefix(const struct token *token, const char *prefix, size_t prefix_length)
{
    return token->length >= prefix_length && memcmp(token->text, prefix, prefix_length) == 0;
}

bool wordpiece_set_prefix(struct wordpiece *model, const char *prefix, size_t prefix_length,
                          struct arena *arena)
{
    const struct vocabulary *vocabulary = model->vocabulary;
    size_t count = 0;
    model->prefix_length = prefix_length;
    for (size_t i = 0; i < vocabulary->count; i++)
        count += has_prefix(&vocabulary->tokens[i], prefix, prefix_length);
    if (!vocabulary_init(&model->continuing, count, arena))
        return false;
    for (size_t i = 0; i < vocabulary->count; i++) {
        const struct token *token = &vocabulary->tokens[i];
        if (has_prefix(token, prefix, prefix_length) &&
            !vocabulary_add(&model->continuing, token->text + prefix_length, token->length - prefix_length,
                            token->id))
            return false;
    }
    return true;
}

/* The longest token that text[0..length) begins with: its id and in *used its length, or -1. */
static int32_t longest_match(const struct vocabulary *vocabulary, const char *text, size_t length,
                             size_t *used)
{
    size_t end = length < vocabulary->longest ? length : vocabulary->longest;
    for (; end > 0; end--) {
        bool splits_character = end < length && ((unsigned char)text[end] & 0xC0) == 0x80;
        if (splits_character)
            continue;
        int32_t id = vocabulary_find(vocabulary, text, end);
        if (id >= 0) {
            *used = end;
            return id;
        }
    }
    return -1;
}

static bool has_too_many_characters(const struct wordpiece *model, const char *word, size_t length)
{
    if (length <= model->max_characters)
        return false;
    size_t characters = 0;
    for (size_t i = 0; i < length; i++)
        characters += ((unsigned char)word[i] & 0xC0) != 0x80;
    return characters > model->max_characters;
}

size_t wordpiece_encode(const struct wordpiece *model, const char *word, size_t length, int32_t *ids)
{
    size_t count = 0, used = 0;
    if (!has_too_many_characters(model, word, length)) {
        int32_t id = longest_match(model->vocabulary, word, length, &used);
        size_t at = used;
        while (id >= 0) {
            ids[count++] = id;
            if (at == length)
                return count;
            id = longest_match(&model->continuing, word + at, length - at, &used);
            at += used;
        }
    }
    ids[0] = model->unknown_id;
    return 1;
}

void wordpiece_spans(const struct wordpiece *model, size_t length, const int32_t *ids, size_t count,
                     struct origin *origins)
{
    uint32_t at = 0;
    /* One token is all of the word, also the unknown one. */
    origins[0] = (struct origin){.span = {0, (uint32_t)length}};
    for (size_t i = 0; count > 1 && i < count; i++) {
        uint32_t size = vocabulary_token(model->vocabulary, ids[i])->length;
        if (i > 0)
            size -= (uint32_t)model->prefix_length;
        origins[i] = (struct origin){.span = {at, at + size}};
        at += size;
    }
}
