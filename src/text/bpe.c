#include "text/bpe.h"

#include <stdio.h>

#include "text/unicode.h"

static const uint32_t NO_RANK = UINT32_MAX;

static inline uint64_t pair_of(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

static inline size_t pair_hash(uint64_t pair)
{
    pair *= UINT64_C(0x9E3779B97F4A7C15); /* 2^64 / the golden ratio */
    return (size_t)(pair ^ pair >> 32);
}

/* The slot of `pair` if it is there, else the empty slot where it belongs. */
static inline struct merge *find_merge(const struct bpe *bpe, uint64_t pair)
{
    size_t at = pair_hash(pair) & bpe->merge_mask;
    while (bpe->merges[at].pair != pair && bpe->merges[at].pair != BPE_NO_PAIR)
        at = (at + 1) & bpe->merge_mask;
    return &bpe->merges[at];
}

bool bpe_init_merges(struct bpe *bpe, size_t count, struct arena *arena)
{
    size_t slots = 16;
    while (slots < count * 2)
        slots *= 2;
    bpe->merge_mask = slots - 1;
    bpe->merges =
        slots > SIZE_MAX / sizeof *bpe->merges ? NULL : arena_alloc(arena, slots * sizeof *bpe->merges);
    for (size_t i = 0; bpe->merges && i < slots; i++)
        bpe->merges[i] = (struct merge){BPE_NO_PAIR, NO_RANK, -1};
    return bpe->merges != NULL;
}

void bpe_add_merge(struct bpe *bpe, int32_t left, int32_t right, uint32_t rank, int32_t id)
{
    uint64_t pair = pair_of(left, right);
    *find_merge(bpe, pair) = (struct merge){pair, rank, id};
}

static bool is_printable(unsigned byte)
{
    return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
}

/* The character that GPT-2 writes for a byte: itself where it is printable Latin-1, else from U+0100 on. */
static uint32_t byte_character(unsigned byte)
{
    uint32_t next = 0x100;
    for (unsigned other = 0; other < byte; other++)
        next += !is_printable(other);
    return is_printable(byte) ? byte : next;
}

int bpe_character_byte(uint32_t point)
{
    uint32_t next = 0x100;
    if (point < 0x100)
        return is_printable(point) ? (int)point : -1;
    for (unsigned byte = 0; byte < 256; byte++) {
        if (is_printable(byte))
            continue;
        if (next++ == point)
            return (int)byte;
    }
    return -1;
}

/* The bytes that a byte-level token is written for, into out[0..token->length]; false where it has a
 * character that is written for none. */
static bool token_bytes(const struct token *token, const int16_t bytes[0x200], char *out, size_t *length)
{
    const char *at = token->text, *end = at + token->length;
    *length = 0;
    while (at < end) {
        uint32_t point = utf8_decode(&at, end);
        if (point >= 0x200 || bytes[point] < 0)
            return false;
        out[(*length)++] = (char)bytes[point];
    }
    return *length > 0;
}

static void find_bytes(struct bpe *bpe, int16_t bytes[0x200])
{
    for (size_t i = 0; i < 0x200; i++)
        bytes[i] = -1;
    for (unsigned byte = 0; byte < 256; byte++) {
        char text[16];
        uint32_t point = byte_character(byte);
        bytes[point] = (int16_t)byte;
        bpe->byte_ids[byte] =
            vocabulary_find(bpe->vocabulary, text, (size_t)(utf8_encode(text, point) - text));
        snprintf(text, sizeof text, "<0x%02X>", byte);
        bpe->fallback_ids[byte] = vocabulary_find(bpe->vocabulary, text, 6);
    }
}

/* Adds the word that `token` is written for where it becomes that token. */
static bool add_word(struct bpe *bpe, const struct token *token, const int16_t bytes[0x200],
                     struct arena *scratch)
{
    struct id_buffer ids = {.arena = scratch};
    const char *word = token->text;
    size_t length = token->length;
    char *plain = arena_alloc_aligned(scratch, length + 1, 1);
    if (!plain)
        return false;
    if (bpe->byte_level) {
        if (!token_bytes(token, bytes, plain, &length))
            return true;
        word = plain;
    }
    if (length == 0)
        return true;
    if (!bpe->ignore_merges) {
        if (!bpe_encode(bpe, word, length, &ids))
            return false;
        if (ids.count != 1 || ids.ids[0] != token->id)
            return true;
    }
    return vocabulary_add(&bpe->words, word, length, token->id);
}

bool bpe_finish(struct bpe *bpe, struct arena *arena)
{
    const struct vocabulary *vocabulary = bpe->vocabulary;
    struct arena scratch;
    int16_t bytes[0x200];
    bool fits = true;
    find_bytes(bpe, bytes);
    if (!vocabulary_init(&bpe->words, vocabulary->count, arena))
        return false;
    arena_init(&scratch, 1 << 16, SIZE_MAX);
    for (size_t i = 0; i < vocabulary->count && fits; i++) {
        fits = add_word(bpe, &vocabulary->tokens[i], bytes, &scratch);
        arena_reset(&scratch);
    }
    arena_free(&scratch);
    return fits;
}

/* A word's symbols before anything is merged. */
struct symbols {
    int32_t *ids;      /* [count] */
    uint32_t *lengths; /* the same: bytes of the word as the package has it; NULL: not wanted */
    size_t count;
    int32_t pending; /* unknown characters that were not written yet: their id, or -1 */
    size_t pending_length;
};

static void put_symbol(struct symbols *symbols, int32_t id, size_t length)
{
    if (symbols->lengths)
        symbols->lengths[symbols->count] = (uint32_t)length;
    symbols->ids[symbols->count++] = id;
}

static void put_pending(struct symbols *symbols)
{
    if (symbols->pending >= 0)
        put_symbol(symbols, symbols->pending, symbols->pending_length);
    symbols->pending = -1;
}

static void add_symbol(struct symbols *symbols, int32_t id, size_t length)
{
    put_pending(symbols);
    put_symbol(symbols, id, length);
}

static bool add_fallback(const struct bpe *bpe, const char *text, size_t length, struct symbols *symbols)
{
    for (size_t i = 0; i < length; i++)
        if (bpe->fallback_ids[(unsigned char)text[i]] < 0)
            return false;
    /* The package leaves an unknown character in front of these pending: it comes behind them. */
    for (size_t i = 0; i < length; i++)
        put_symbol(symbols, bpe->fallback_ids[(unsigned char)text[i]], 1);
    return true;
}

/* text[0..length) is the character with its affixes; `size` bytes are the character's own. */
static void add_character(const struct bpe *bpe, const char *text, size_t length, size_t size,
                          struct symbols *symbols)
{
    int32_t id = vocabulary_find(bpe->vocabulary, text, length);
    if (id >= 0)
        add_symbol(symbols, id, size);
    else if (bpe->byte_fallback && add_fallback(bpe, text, length, symbols))
        return;
    else if (bpe->unknown_id >= 0) {
        if (!bpe->fuse_unknown)
            put_pending(symbols);
        symbols->pending_length = symbols->pending >= 0 ? symbols->pending_length + size : size;
        symbols->pending = bpe->unknown_id;
    }
}

/* The characters of a word, each with the prefix or suffix that belongs to its place. */
static void add_characters(const struct bpe *bpe, const char *word, size_t length, struct symbols *symbols)
{
    const char *end = word + length;
    for (const char *at = word; at < end;) {
        const char *start = at;
        utf8_decode(&at, end);
        char affixed[BPE_MAX_AFFIX * 2 + 5];
        size_t prefix = start > word ? bpe->prefix_length : 0, suffix = at == end ? bpe->suffix_length : 0;
        size_t size = (size_t)(at - start);
        if (prefix + suffix == 0) {
            add_character(bpe, start, size, size, symbols);
            continue;
        }
        memcpy(affixed, bpe->prefix, prefix);
        memcpy(affixed + prefix, start, size);
        memcpy(affixed + prefix + size, bpe->suffix, suffix);
        add_character(bpe, affixed, prefix + size + suffix, size, symbols);
    }
}

/* The bytes of the character that GPT-2 writes for a byte. */
static inline size_t byte_width(char byte)
{
    return byte > 0x20 && byte < 0x7F ? 1 : 2;
}

static size_t start_symbols(const struct bpe *bpe, const char *word, size_t length, int32_t *ids,
                            uint32_t *lengths)
{
    struct symbols symbols = {ids, lengths, 0, -1, 0};
    if (!bpe->byte_level)
        add_characters(bpe, word, length, &symbols);
    for (size_t i = 0; bpe->byte_level && i < length; i++) {
        int32_t id = bpe->byte_ids[(unsigned char)word[i]];
        if (id >= 0) {
            add_symbol(&symbols, id, byte_width(word[i]));
        } else {
            char text[16];
            uint32_t point = byte_character((unsigned char)word[i]);
            size_t size = (size_t)(utf8_encode(text, point) - text);
            add_character(bpe, text, size, size, &symbols);
        }
    }
    put_pending(&symbols);
    return symbols.count;
}

/* Merges ids[0..count), count <= BPE_SHORT, looking at every pair each time; returns how many are left. */
static size_t merge_short(const struct bpe *bpe, int32_t *ids, size_t count)
{
    uint32_t ranks[BPE_SHORT];
    for (size_t i = 0; i + 1 < count; i++)
        ranks[i] = find_merge(bpe, pair_of(ids[i], ids[i + 1]))->rank;
    while (count > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < count; i++)
            if (ranks[i] < ranks[best])
                best = i;
        if (ranks[best] == NO_RANK)
            break;
        ids[best] = find_merge(bpe, pair_of(ids[best], ids[best + 1]))->id;
        count--;
        for (size_t i = best + 1; i < count; i++) {
            ids[i] = ids[i + 1];
            ranks[i - 1] = ranks[i];
        }
        if (best > 0)
            ranks[best - 1] = find_merge(bpe, pair_of(ids[best - 1], ids[best]))->rank;
        if (best + 1 < count)
            ranks[best] = find_merge(bpe, pair_of(ids[best], ids[best + 1]))->rank;
    }
    return count;
}

/* A pair that waits to be merged: the one that begins with the symbol at `at`. */
struct candidate {
    uint32_t rank, at;
};

struct heap {
    struct candidate *items; /* [count], items[0] the smallest by rank, then by place */
    size_t count;
};

static inline bool is_before(struct candidate a, struct candidate b)
{
    return a.rank != b.rank ? a.rank < b.rank : a.at < b.at;
}

static void heap_push(struct heap *heap, struct candidate item)
{
    size_t at = heap->count++;
    while (at > 0 && is_before(item, heap->items[(at - 1) / 2])) {
        heap->items[at] = heap->items[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap->items[at] = item;
}

static struct candidate heap_pop(struct heap *heap)
{
    struct candidate top = heap->items[0], last = heap->items[--heap->count];
    size_t at = 0;
    for (;;) {
        size_t child = at * 2 + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && is_before(heap->items[child + 1], heap->items[child]))
            child++;
        if (!is_before(heap->items[child], last))
            break;
        heap->items[at] = heap->items[child];
        at = child;
    }
    heap->items[at] = last;
    return top;
}

/* Symbols in a list: ids[i] is -1 once it was merged into the one before it. */
struct chain {
    int32_t *ids;
    uint32_t *previous, *next; /* NO_SYMBOL at the ends */
};
static const uint32_t NO_SYMBOL = UINT32_MAX;

static void push_pair(const struct bpe *bpe, const struct chain *chain, struct heap *heap, uint32_t at)
{
    if (at == NO_SYMBOL || chain->next[at] == NO_SYMBOL)
        return;
    uint32_t rank = find_merge(bpe, pair_of(chain->ids[at], chain->ids[chain->next[at]]))->rank;
    if (rank != NO_RANK)
        heap_push(heap, (struct candidate){rank, at});
}

static void merge_chain(const struct bpe *bpe, struct chain *chain, struct heap *heap)
{
    while (heap->count > 0) {
        struct candidate top = heap_pop(heap);
        uint32_t right = chain->next[top.at];
        if (chain->ids[top.at] < 0 || right == NO_SYMBOL)
            continue;
        const struct merge *merge = find_merge(bpe, pair_of(chain->ids[top.at], chain->ids[right]));
        if (merge->rank != top.rank) /* one of the two was merged since */
            continue;
        chain->ids[top.at] = merge->id;
        chain->ids[right] = -1;
        chain->next[top.at] = chain->next[right];
        if (chain->next[right] != NO_SYMBOL)
            chain->previous[chain->next[right]] = top.at;
        push_pair(bpe, chain, heap, chain->previous[top.at]);
        push_pair(bpe, chain, heap, top.at);
    }
}

/* A walk over a word by the package's account of its bytes: at a byte level, those of what GPT-2 writes. */
struct ruler {
    const struct bpe *bpe;
    const char *word;
    size_t length;
    size_t byte, passed; /* a byte of the word, and the package's bytes before it */
};

/* The byte of the word in which the package's byte `at` lies. `at` never falls. Past the end only where
 * characters with affixes became the tokens of their bytes, for the package counts those of the affixes too.
 */
static size_t ruler_find(struct ruler *ruler, size_t at)
{
    if (!ruler->bpe->byte_level)
        return at;
    while (ruler->byte < ruler->length && ruler->passed + byte_width(ruler->word[ruler->byte]) <= at)
        ruler->passed += byte_width(ruler->word[ruler->byte++]);
    return ruler->byte;
}

/* Appends what is left of the chain; where origins are wanted, each with the bytes of all that it was merged
 * of. Symbols that the vocabulary lacks and nothing stands for do not count, as in the package. */
static bool add_chain(const struct bpe *bpe, const char *word, size_t length, const struct chain *chain,
                      const uint32_t *lengths, size_t count, struct id_buffer *out)
{
    struct ruler ruler = {bpe, word, length, 0, 0};
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (chain->ids[i] < 0)
            continue;
        size_t next = chain->next[i] == NO_SYMBOL ? count : chain->next[i], size = 0;
        for (size_t j = i; lengths && j < next; j++)
            size += lengths[j];
        if (!ids_add(out, chain->ids[i]))
            return false;
        if (out->tracks) {
            size_t start = ruler_find(&ruler, at), last = ruler_find(&ruler, at + size - 1);
            out->origins[out->count - 1] = (struct origin){.span = {(uint32_t)start, (uint32_t)last + 1}};
        }
        at += size;
    }
    return true;
}

static bool encode_long(const struct bpe *bpe, const char *word, size_t length, size_t most,
                        struct id_buffer *out)
{
    struct chain chain;
    if (most >= NO_SYMBOL)
        return false;
    chain.ids = arena_alloc(out->arena, most * sizeof *chain.ids);
    chain.previous = arena_alloc(out->arena, most * sizeof *chain.previous);
    chain.next = arena_alloc(out->arena, most * sizeof *chain.next);
    /* Each merge takes a candidate out and puts two in at most. */
    struct heap heap = {arena_alloc(out->arena, 2 * most * sizeof *heap.items), 0};
    uint32_t *lengths = out->tracks ? arena_alloc(out->arena, most * sizeof *lengths) : NULL;
    if (!chain.ids || !chain.previous || !chain.next || !heap.items || (out->tracks && !lengths))
        return false;
    size_t count = start_symbols(bpe, word, length, chain.ids, lengths);
    for (size_t i = 0; i < count; i++) {
        chain.previous[i] = i ? (uint32_t)i - 1 : NO_SYMBOL;
        chain.next[i] = i + 1 < count ? (uint32_t)i + 1 : NO_SYMBOL;
    }
    for (size_t i = 0; i < count; i++)
        push_pair(bpe, &chain, &heap, (uint32_t)i);
    merge_chain(bpe, &chain, &heap);
    return add_chain(bpe, word, length, &chain, lengths, count, out);
}

bool bpe_encode(const struct bpe *bpe, const char *word, size_t length, struct id_buffer *out)
{
    if (length <= bpe->words.longest) {
        int32_t id = vocabulary_find(&bpe->words, word, length);
        if (id >= 0)
            return ids_add_from(out, id, 0, length);
    }
    if (length > SIZE_MAX / 1024)
        return false;
    size_t most = length * (1 + bpe->prefix_length) + bpe->suffix_length;
    if (bpe->byte_level && bpe->byte_fallback)
        most *= 2;
    if (most > BPE_SHORT || out->tracks)
        return encode_long(bpe, word, length, most, out);
    if (!ids_reserve(out, most))
        return false;
    int32_t *ids = out->ids + out->count;
    out->count += merge_short(bpe, ids, start_symbols(bpe, word, length, ids, NULL));
    return true;
}
