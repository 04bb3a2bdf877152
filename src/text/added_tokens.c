#include "text/added_tokens.h"

#include <stdlib.h>

#include "text/unicode.h"

/* Looking for added tokens takes time in proportion to text x longest token. */
enum { MAX_LENGTH = 1000 };

static bool no_memory(struct error *err)
{
    return error_set(err, ERR_NO_MEMORY, "no memory for the tokenizer's added tokens");
}

bool added_tokens_init(struct added_tokens *added, size_t capacity, const struct vocabulary *model,
                       struct arena *arena)
{
    *added = (struct added_tokens){.highest_id = -1, .model = model, .arena = arena};
    added->tokens = arena_calloc(arena, capacity, sizeof *added->tokens);
    return added->tokens && vocabulary_init(&added->index, capacity, arena) &&
           trie_init(&added->raw, arena) && trie_init(&added->in_normalized, arena);
}

const struct added_token *added_tokens_find(const struct added_tokens *added, const char *text, size_t length)
{
    int32_t index = vocabulary_find(&added->index, text, length);
    return index < 0 ? NULL : &added->tokens[index];
}

static struct token_text text_of(const struct added_token *token)
{
    return (struct token_text){token->text, token->length};
}

/* While tokens are still added there is no index. */
static struct token_text find_unindexed(const struct added_tokens *added, int32_t id)
{
    for (size_t i = 0; i < added->count; i++)
        if (added->tokens[i].id == id)
            return text_of(&added->tokens[i]);
    return (struct token_text){NULL, 0};
}

struct token_text added_tokens_text(const struct added_tokens *added, int32_t id)
{
    size_t low = 0, high = added->count;
    if (!added->by_id)
        return find_unindexed(added, id);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (added->by_id[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < added->count && added->by_id[low].id == id;
    return found ? text_of(&added->tokens[added->by_id[low].index]) : (struct token_text){NULL, 0};
}

static int compare_ids(const void *left, const void *right)
{
    const struct added_id *a = left, *b = right;
    return a->id != b->id ? (a->id > b->id) - (a->id < b->id) : (a->index > b->index) - (a->index < b->index);
}

static bool index_by_id(struct added_tokens *added)
{
    struct added_id *by_id = arena_alloc(added->arena, added->count * sizeof *by_id);
    if (!by_id)
        return false;
    for (size_t i = 0; i < added->count; i++)
        by_id[i] = (struct added_id){added->tokens[i].id, (int32_t)i};
    if (added->count > 1)
        qsort(by_id, added->count, sizeof *by_id, compare_ids);
    added->by_id = by_id;
    return true;
}

/* The id that the package gives to a text that neither the model nor an added token has. */
static int32_t next_id(const struct added_tokens *added)
{
    int32_t model_size = (int32_t)added->model->count;
    return added->highest_id >= model_size ? added->highest_id + 1 : model_size;
}

bool added_tokens_add(struct added_tokens *added, const struct added_token *token, struct error *err)
{
    if (token->length == 0)
        return true;
    if (token->length > MAX_LENGTH)
        return error_set(err, ERR_UNSUPPORTED_MODEL,
                         "the added token \"%.40s...\" has %zu bytes; at most %d are supported", token->text,
                         token->length, MAX_LENGTH);
    int32_t index = vocabulary_find(&added->index, token->text, token->length);
    if (index < 0) {
        int32_t id = vocabulary_find(added->model, token->text, token->length);
        if (id < 0)
            id = next_id(added);
        if (id > VOCABULARY_MAX_ID)
            return error_set(err, ERR_BAD_MODEL,
                             "the added token \"%.100s\" would have id %d; the largest is %d", token->text,
                             id, VOCABULARY_MAX_ID);
        index = (int32_t)added->count;
        if (!vocabulary_add(&added->index, token->text, token->length, index))
            return no_memory(err);
        added->tokens[added->count++].id = id;
        if (id > added->highest_id)
            added->highest_id = id;
    }
    struct added_token *own = &added->tokens[index];
    const struct token *copy = &added->index.tokens[index];
    int32_t id = own->id;
    *own = *token;
    own->text = copy->text;
    own->length = copy->length;
    own->id = id;
    return true;
}

static bool add_normalized(struct added_tokens *added, int32_t index, const struct normalizer *normalizer,
                           struct normalizing *normalizing, struct error *err)
{
    const struct added_token *token = &added->tokens[index];
    const char *text = token->text;
    size_t length = token->length;
    if (!normalizer_apply(normalizer, normalizing, &text, &length))
        return no_memory(err);
    if (length == 0)
        return error_set(
            err, ERR_UNSUPPORTED_MODEL,
            "the normalizer leaves nothing of the added token \"%.100s\" (id %d): an added token "
            "needs a visible text, or \"normalized\": false",
            token->text, token->id);
    return trie_add(&added->in_normalized, text, length, index) || no_memory(err);
}

static bool add_to_tries(struct added_tokens *added, const struct normalizer *normalizer,
                         struct normalizing *normalizing, struct error *err)
{
    for (size_t i = 0; i < added->count; i++) {
        const struct added_token *token = &added->tokens[i];
        if (token->normalized) {
            if (!add_normalized(added, (int32_t)i, normalizer, normalizing, err))
                return false;
        } else if (!trie_add(&added->raw, token->text, token->length, (int32_t)i)) {
            return no_memory(err);
        }
    }
    return true;
}

bool added_tokens_finish(struct added_tokens *added, const struct normalizer *normalizer, struct error *err)
{
    struct normalizing normalizing;
    struct arena scratch;
    arena_init(&scratch, 0, SIZE_MAX);
    normalizing_init(&normalizing, &scratch);
    bool done = add_to_tries(added, normalizer, &normalizing, err);
    arena_free(&scratch);
    return done && (index_by_id(added) || no_memory(err));
}

void splitter_start(struct splitter *splitter, const struct added_tokens *added, const struct trie *trie,
                    const char *text, size_t length)
{
    *splitter = (struct splitter){added, trie, text, text + length, text, text, -1, NULL};
    if (trie_is_empty(trie))
        splitter->at = splitter->end;
}

static bool stands_alone(const struct splitter *splitter, const char *start, const char *stop)
{
    const char *next = stop;
    if (start > splitter->text && unicode_properties(utf8_decode_last(splitter->text, start)) & UNICODE_WORD)
        return false;
    return stop == splitter->end || !(unicode_properties(utf8_decode(&next, splitter->end)) & UNICODE_WORD);
}

static const char *skip_space_left(const char *at, const char *start)
{
    while (at > start) {
        uint32_t point = utf8_decode_last(start, at);
        if (!(unicode_properties(point) & UNICODE_WHITESPACE))
            break;
        char bytes[4];
        at -= utf8_encode(bytes, point) - bytes;
    }
    return at;
}

static const char *skip_space_right(const char *at, const char *end)
{
    while (at < end) {
        const char *next = at;
        if (!(unicode_properties(utf8_decode(&next, end)) & UNICODE_WHITESPACE))
            break;
        at = next;
    }
    return at;
}

/* The next match at or after splitter->at that its flags allow: returns its token, or -1, and the text it
 * takes in [*start, *stop). A match that single_word forbids still hides what it overlaps. */
static int32_t find_match(struct splitter *splitter, const char **start, const char **stop)
{
    while (splitter->at < splitter->end) {
        const char *at = splitter->at++;
        if (!splitter->trie->starts[(unsigned char)*at])
            continue;
        size_t length = 0;
        int32_t index = trie_match(splitter->trie, at, (size_t)(splitter->end - at), &length);
        if (index < 0)
            continue;
        splitter->at = at + length;
        const struct added_token *token = &splitter->added->tokens[index];
        if (token->single_word && !stands_alone(splitter, at, at + length))
            continue;
        *start = at;
        if (token->lstrip)
            *start = at < splitter->covered ? splitter->covered : skip_space_left(at, splitter->covered);
        *stop = at + length;
        if (token->rstrip) {
            /* An rstrip before it may have covered the same white space; going over it again would be
             * quadratic. */
            const char *from = splitter->covered > *stop ? splitter->covered : *stop;
            *stop = skip_space_right(from, splitter->end);
        }
        /* Only an added token that is itself white space, which an rstrip before it took. */
        if (token->lstrip && splitter->covered >= *stop)
            continue;
        return index;
    }
    return -1;
}

bool splitter_next(struct splitter *splitter, struct segment *segment)
{
    int32_t index = splitter->pending;
    const char *start, *stop;
    if (index < 0 && (index = find_match(splitter, &start, &stop)) >= 0) {
        const char *covered = splitter->covered;
        splitter->covered = stop;
        splitter->pending_text = start;
        if (covered < start) {
            splitter->pending = index;
            *segment = (struct segment){covered, (size_t)(start - covered), -1};
            return true;
        }
    }
    if (index >= 0) {
        splitter->pending = -1;
        *segment =
            (struct segment){splitter->pending_text, (size_t)(splitter->covered - splitter->pending_text),
                             splitter->added->tokens[index].id};
        return true;
    }
    if (splitter->covered == splitter->end)
        return false;
    *segment = (struct segment){splitter->covered, (size_t)(splitter->end - splitter->covered), -1};
    splitter->covered = splitter->end;
    return true;
}
