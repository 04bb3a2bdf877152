#include "text/decoder.h"

#include "base/utf8.h"
#include "text/bpe.h"
#include "text/unicode.h"

struct replacement {
    const char *from, *to; /* never longer than from */
};

/* --- Clean-up */

/* In this order, each through the whole text. */
static const struct replacement CLEAN_UP[] = {
    {" .", "."},     {" ?", "?"},   {" !", "!"},   {" ,", ","},     {" ' ", "'"},
    {" n't", "n't"}, {" 'm", "'m"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
};

/* The package's own has one more. */
static const struct replacement WORDPIECE_CLEAN_UP[] = {
    {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},    {" n't", "n't"},
    {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
};

/* Whether any of both could replace anything: each begins with a space before one of these. */
static bool may_clean(const char *text, size_t length)
{
    static const char seconds[] = {'.', '?', '!', ',', '\'', 'n', 'd'};
    for (size_t i = 0; i + 1 < length; i++)
        if (text[i] == ' ' && memchr(seconds, text[i + 1], sizeof seconds))
            return true;
    return false;
}

static size_t replace_all(char *text, size_t length, const struct replacement *replacement)
{
    const size_t from = strlen(replacement->from), to = strlen(replacement->to);
    size_t written = 0;
    for (size_t at = 0; at < length;) {
        if (length - at >= from && memcmp(text + at, replacement->from, from) == 0) {
            memcpy(text + written, replacement->to, to);
            written += to;
            at += from;
        } else {
            text[written++] = text[at++];
        }
    }
    return written;
}

void decoder_clean_up(char *text, size_t *length)
{
    const bool may = may_clean(text, *length);
    for (size_t i = 0; may && i < sizeof CLEAN_UP / sizeof *CLEAN_UP; i++)
        *length = replace_all(text, *length, &CLEAN_UP[i]);
}

/* A token, or what a step has made of some. */
struct piece {
    const char *text;
    size_t length;
};

/* --- What a step makes of one piece */

static bool add_wordpiece(const struct decoder_step *step, struct piece piece, bool first,
                          struct text_buffer *out)
{
    const size_t begin = out->length, affix = step->affix_length;
    const bool continues = !first && piece.length >= affix && memcmp(piece.text, step->affix, affix) == 0;
    const size_t skipped = continues ? affix : 0;
    if (!text_append(out, " ", !first && !continues) ||
        !text_append(out, piece.text + skipped, piece.length - skipped))
        return false;
    size_t cleaned = out->length - begin;
    const bool cleans = step->cleans && may_clean(out->bytes + begin, cleaned);
    for (size_t i = 0; cleans && i < sizeof WORDPIECE_CLEAN_UP / sizeof *WORDPIECE_CLEAN_UP; i++)
        cleaned = replace_all(out->bytes + begin, cleaned, &WORDPIECE_CLEAN_UP[i]);
    out->length = begin + cleaned;
    return true;
}

/* The piece with `with` for each affix. */
static bool add_replaced(const struct decoder_step *step, struct piece piece, const char *with,
                         struct text_buffer *out)
{
    const size_t size = step->affix_length, added = strlen(with);
    const char *at = piece.text, *end = at + piece.length;
    while (at < end) {
        const char *found = memmem(at, (size_t)(end - at), step->affix, size);
        const char *stop = found ? found : end;
        if (!text_append(out, at, (size_t)(stop - at)) || !text_append(out, with, found ? added : 0))
            return false;
        at = found ? found + size : end;
    }
    return true;
}

static bool add_pattern_replaced(const struct decoder_step *step, struct piece piece, struct text_buffer *out)
{
    const char *at = piece.text, *end = at + piece.length, *start, *stop;
    while (at < end && pattern_next(&step->pattern, at, end, &start, &stop)) {
        if (!text_append(out, at, (size_t)(start - at)) || !text_append(out, step->affix, step->affix_length))
            return false;
        at = stop;
    }
    return text_append(out, at, (size_t)(end - at));
}

static bool add_stripped(const struct decoder_step *step, struct piece piece, struct text_buffer *out)
{
    const size_t size = step->affix_length;
    for (size_t i = 0; i < step->start && piece.length >= size; i++) {
        if (memcmp(piece.text, step->affix, size) != 0)
            break;
        piece.text += size;
        piece.length -= size;
    }
    for (size_t i = 0; i < step->stop && piece.length >= size; i++) {
        if (memcmp(piece.text + piece.length - size, step->affix, size) != 0)
            break;
        piece.length -= size;
    }
    return text_append(out, piece.text, piece.length);
}

/* The bytes that the piece is written for; where it has a character that is written for none, its own. */
static bool add_byte_level(struct piece piece, struct text_buffer *out)
{
    const size_t begin = out->length;
    for (const char *at = piece.text, *end = at + piece.length; at < end;) {
        int byte = bpe_character_byte(utf8_decode(&at, end));
        const char value = (char)byte;
        if (byte < 0) {
            out->length = begin;
            return text_append(out, piece.text, piece.length);
        }
        if (!text_append(out, &value, 1))
            return false;
    }
    return true;
}

static bool add_piece(const struct decoder_step *step, struct piece piece, bool first, bool last,
                      struct text_buffer *out)
{
    switch (step->kind) {
    case DECODER_WORDPIECE:
        return add_wordpiece(step, piece, first, out);
    case DECODER_METASPACE:
        return add_replaced(step, piece, first && step->drops_leading ? "" : " ", out);
    case DECODER_BPE:
        return add_replaced(step, piece, last ? "" : " ", out);
    case DECODER_BYTE_LEVEL:
        return add_byte_level(piece, out);
    case DECODER_STRIP:
        return add_stripped(step, piece, out);
    case DECODER_REPLACE:
        return add_pattern_replaced(step, piece, out);
    default:
        return text_append(out, piece.text, piece.length);
    }
}

/* --- Bytes */

static int hex_digit(char digit)
{
    return digit >= '0' && digit <= '9'   ? digit - '0'
           : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
           : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
                                          : -1;
}

/* The byte of "<0x41>", or -1. As Rust's from_str_radix() reads it: a plus may stand for the first digit. */
static int fallback_byte(struct piece piece)
{
    if (piece.length != 6 || memcmp(piece.text, "<0x", 3) != 0 || piece.text[5] != '>')
        return -1;
    int high = piece.text[3] == '+' ? 0 : hex_digit(piece.text[3]), low = hex_digit(piece.text[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static const char REPLACEMENT[] = "\xEF\xBF\xBD";

/* Bytes in a row are one piece where they are UTF-8; where they are not, each is a U+FFFD. */
static bool add_bytes(const struct piece *pieces, size_t count, struct text_buffer *out, size_t *lengths,
                      size_t *made)
{
    const size_t begin = out->length;
    for (size_t i = 0; i < count; i++) {
        const char byte = (char)fallback_byte(pieces[i]);
        if (!text_append(out, &byte, 1))
            return false;
    }
    if (utf8_valid(out->bytes + begin, count)) {
        lengths[(*made)++] = count;
        return true;
    }
    out->length = begin;
    for (size_t i = 0; i < count; i++) {
        lengths[(*made)++] = 3;
        if (!text_append(out, REPLACEMENT, 3))
            return false;
    }
    return true;
}

static bool run_byte_fallback(const struct piece *pieces, size_t count, struct text_buffer *out,
                              size_t *lengths, size_t *made)
{
    for (size_t i = 0; i < count;) {
        size_t end = i;
        while (end < count && fallback_byte(pieces[end]) >= 0)
            end++;
        if (end > i && !add_bytes(pieces + i, end - i, out, lengths, made))
            return false;
        if (end < count) {
            lengths[(*made)++] = pieces[end].length;
            if (!text_append(out, pieces[end].text, pieces[end].length))
                return false;
        }
        i = end + 1;
    }
    return true;
}

/* The length of the sequence at text[0..length) that is valid UTF-8 (0: none is), or in *broken that of what
 * becomes one U+FFFD: the longest beginning of a sequence (The Unicode Standard, 3.9, table 3-7). */
static size_t valid_sequence(const char *text, size_t length, size_t *broken)
{
    const unsigned char lead = (unsigned char)text[0];
    unsigned low = 0x80, high = 0xBF;
    size_t more = lead < 0x80 ? 0 : lead >= 0xC2 && lead < 0xE0 ? 1 : lead >= 0xE0 && lead < 0xF0 ? 2 : 3;
    *broken = 1;
    if (more == 3 && (lead < 0xF0 || lead > 0xF4))
        return 0;
    if (lead == 0xE0)
        low = 0xA0;
    else if (lead == 0xED)
        high = 0x9F;
    else if (lead == 0xF0)
        low = 0x90;
    else if (lead == 0xF4)
        high = 0x8F;
    for (size_t i = 1; i <= more; i++) {
        unsigned char next = i < length ? (unsigned char)text[i] : 0;
        if (next < low || next > high) {
            *broken = i;
            return 0;
        }
        low = 0x80;
        high = 0xBF;
    }
    return more + 1;
}

/* Replaces what is not UTF-8 in out->bytes[begin..length), as Rust's from_utf8_lossy() does. */
static bool mend_utf8(struct text_buffer *out, size_t begin)
{
    struct text_buffer mended = {.arena = out->arena};
    size_t broken;
    bool fits = text_append(&mended, out->bytes, begin);
    for (size_t at = begin; fits && at < out->length;) {
        size_t valid = valid_sequence(out->bytes + at, out->length - at, &broken);
        fits = valid ? text_append(&mended, out->bytes + at, valid) : text_append(&mended, REPLACEMENT, 3);
        at += valid ? valid : broken;
    }
    *out = mended;
    return fits;
}

/* --- Steps */

/* Appends what the step makes of the pieces, of which there are `made`, of these lengths. */
static bool run_step(const struct decoder_step *step, const struct piece *pieces, size_t count,
                     struct text_buffer *out, size_t *lengths, size_t *made)
{
    const size_t all = out->length;
    *made = 0;
    if (step->kind == DECODER_BYTE_FALLBACK)
        return run_byte_fallback(pieces, count, out, lengths, made);
    for (size_t i = 0; i < count; i++) {
        const size_t begin = out->length;
        if (!add_piece(step, pieces[i], i == 0, i + 1 == count, out))
            return false;
        lengths[(*made)++] = out->length - begin;
    }
    if (step->kind == DECODER_BYTE_LEVEL && out->length > all && !mend_utf8(out, all))
        return false;
    if (step->kind == DECODER_BYTE_LEVEL || step->kind == DECODER_FUSE) {
        lengths[0] = out->length - all;
        *made = 1;
    }
    return true;
}

static bool join_with_spaces(const struct piece *pieces, size_t count, struct text_buffer *out)
{
    for (size_t i = 0; i < count; i++)
        if (!text_append(out, " ", i > 0) || !text_append(out, pieces[i].text, pieces[i].length))
            return false;
    return true;
}

bool decoder_apply(const struct decoder *decoder, const struct token_text tokens[], size_t count,
                   struct text_buffer *out)
{
    /* One more, for the piece that is made of none. */
    struct piece *pieces = arena_alloc(out->arena, (count + 1) * sizeof *pieces);
    size_t *lengths = arena_alloc(out->arena, (count + 1) * sizeof *lengths);
    if (!pieces || !lengths)
        return false;
    for (size_t i = 0; i < count; i++)
        pieces[i] = (struct piece){tokens[i].text, tokens[i].length};
    if (decoder->count == 0)
        return join_with_spaces(pieces, count, out);
    for (size_t i = 0; i + 1 < decoder->count; i++) {
        struct text_buffer text = {.arena = out->arena};
        if (!text_reserve(&text, 1) || !run_step(&decoder->steps[i], pieces, count, &text, lengths, &count))
            return false;
        const char *at = text.bytes;
        for (size_t piece = 0; piece < count; piece++) {
            pieces[piece] = (struct piece){at, lengths[piece]};
            at += lengths[piece];
        }
    }
    return run_step(&decoder->steps[decoder->count - 1], pieces, count, out, lengths, &count);
}
