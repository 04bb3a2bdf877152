/* text-embeddings-inference's POST /tokenize and /decode (router/src/http/server.rs of version 1.9). Nothing
 * is computed: each text's part of the answer is made where it would be prepared. */
#include <string.h>

#include "api/dialects.h"
#include "api/fields.h"
#include "api/internal.h"
#include "engine/embedding.h"
#include "engine/native.h"

/* An item's part becomes its answer, whose memory the item takes. */
static bool finish(struct call *call, size_t index, struct buf *json, struct error *err)
{
    if (!buf_ok(json)) {
        buf_free(json);
        return error_set(err, ERR_NO_MEMORY, "no memory for the answer");
    }
    call->items[index].answer = json->bytes;
    call->items[index].answer_length = json->length;
    return true;
}

static void write(struct call *call, struct buf *out)
{
    buf_putc(out, '[');
    for (size_t i = 0; i < call->count; i++) {
        if (i)
            buf_putc(out, ',');
        buf_append(out, call->items[i].answer, call->items[i].answer_length);
    }
    buf_putc(out, ']');
}

static bool require_tokenizer(const struct call *call, struct error *err)
{
    return serves_tokens(call_model(call)) ||
           error_set(err, ERR_UNSUPPORTED_MODEL,
                     "%.100s runs in Python: its tokenizer is not linnet's to ask",
                     api_model_name(call->api));
}

/* --- /tokenize */

static bool read_texts(yyjson_val *value, struct call *call, struct error *err)
{
    size_t index, count;
    yyjson_val *text;
    call->reply.is_list = yyjson_is_arr(value);
    if (!call->reply.is_list)
        return call_set_count(call, 1, "inputs", err) &&
               call_add_text(call, 0, false, value, "the field \"inputs\"", err);
    if (!call_set_count(call, yyjson_arr_size(value), "inputs", err))
        return false;
    yyjson_arr_foreach (value, index, count, text)
        if (!call_add_text(call, index, false, text, "the field \"inputs\"", err))
            return false;
    return true;
}

static bool read_add_special_tokens(yyjson_val *value, struct call *call, struct error *err)
{
    return field_flag(value, "add_special_tokens", &call->reply.adds_special_tokens, err);
}

static bool read_tokenize(yyjson_val *root, struct call *call, struct error *err)
{
    static const struct field fields[] = {
        {"inputs", true, read_texts},
        {"add_special_tokens", false, read_add_special_tokens},
        {"prompt_name", false, read_prompt_name},
    };
    call->reply.adds_special_tokens = true;
    return require_tokenizer(call, err) &&
           fields_read(root, fields, sizeof fields / sizeof *fields, call, err);
}

/* Goes on in a text by characters (code points), from one to a later one. */
struct cursor {
    const char *at, *end;
    uint32_t character;
};

static const char *go_to(struct cursor *cursor, uint32_t character)
{
    while (cursor->at < cursor->end && cursor->character < character) {
        do
            cursor->at++;
        while (cursor->at < cursor->end && ((unsigned char)*cursor->at & 0xC0) == 0x80);
        cursor->character++;
    }
    return cursor->at;
}

/* A token around the text has no place in it and is shown by its name, any other as it stands in the text. */
static void put_token(const struct tokenizer *tokenizer, int32_t id, const struct token_place *place,
                      const struct cursor *from, struct cursor *to, struct buf *out)
{
    buf_printf(out, "{\"id\":%d,\"text\":", (int)id);
    if (place->word < 0) {
        const struct token_text name = tokenizer_token(tokenizer, id);
        json_put_string(out, name.text ? name.text : "", name.length);
        buf_puts(out, ",\"special\":true,\"start\":null,\"stop\":null}");
        return;
    }
    const char *end = go_to(to, place->end);
    json_put_string(out, from->at, (size_t)(end - from->at));
    buf_printf(out, ",\"special\":false,\"start\":%u,\"stop\":%u}", place->start, place->end);
}

static bool tokenize(struct call *call, size_t index, struct error *err)
{
    const struct tokenizer *tokenizer = native_tokenizer(call->engine);
    const struct encode_options options = {.places = true, .plain = !call->reply.adds_special_tokens};
    struct input input = call->inputs[index];
    struct encoding encoding;
    struct buf json;
    if (!embedding_text(call_model(call), call->prepare.prompt, &call->arena, &input, err) ||
        !tokenizer_encode(tokenizer, input.text, input.text_length, NULL, 0, &options, &call->arena,
                          &encoding, err))
        return false;
    buf_init(&json);
    buf_putc(&json, '[');
    struct cursor from = {input.text, input.text + input.text_length, 0};
    for (size_t i = 0; i < encoding.length; i++) {
        const struct token_place *place = &encoding.places[i];
        /* Tokens of one character share its place, so the next may begin where this one did, not before. */
        if (place->word >= 0 && place->start < from.character)
            from = (struct cursor){input.text, input.text + input.text_length, 0};
        if (place->word >= 0)
            go_to(&from, place->start);
        struct cursor to = from;
        if (i)
            buf_putc(&json, ',');
        put_token(tokenizer, encoding.ids[i], place, &from, &to, &json);
    }
    buf_putc(&json, ']');
    return finish(call, index, &json, err);
}

const struct operation tei_tokenize = {.read = read_tokenize,
                                       .serves = serves_tokens,
                                       .write = write,
                                       .answer_item = tokenize,
                                       .splits_lists = true};

/* --- /decode */

static bool read_ids(yyjson_val *value, struct call *call, struct error *err)
{
    yyjson_val *first = yyjson_arr_get_first(value);
    if (!yyjson_is_arr(value) || (first && !yyjson_is_num(first) && !yyjson_is_arr(first)))
        return error_set(err, ERR_BAD_INPUT,
                         "the field \"ids\" is %s, want a list of token ids, or a list of such lists",
                         yyjson_is_arr(value) ? "a list of something else" : json_type_words(value));
    return read_token_ids(value, "ids", call, err);
}

static bool read_skip_special_tokens(yyjson_val *value, struct call *call, struct error *err)
{
    return field_flag(value, "skip_special_tokens", &call->reply.skips_special_tokens, err);
}

static bool read_decode(yyjson_val *root, struct call *call, struct error *err)
{
    static const struct field fields[] = {
        {"ids", true, read_ids},
        {"skip_special_tokens", false, read_skip_special_tokens},
    };
    call->reply.skips_special_tokens = true;
    return require_tokenizer(call, err) && tokenizer_can_decode(native_tokenizer(call->engine), err) &&
           fields_read(root, fields, sizeof fields / sizeof *fields, call, err);
}

static bool decode(struct call *call, size_t index, struct error *err)
{
    const struct input *input = &call->inputs[index];
    const char *text;
    size_t length;
    struct buf json;
    if (!tokenizer_decode(native_tokenizer(call->engine), input->ids, input->id_count,
                          call->reply.skips_special_tokens, &call->arena, &text, &length, err))
        return false;
    buf_init(&json);
    json_put_string(&json, text, length);
    return finish(call, index, &json, err);
}

const struct operation tei_decode = {.read = read_decode,
                                     .serves = serves_tokens,
                                     .write = write,
                                     .answer_item = decode,
                                     .splits_lists = true};
