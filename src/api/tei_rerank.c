/* text-embeddings-inference's POST /rerank {"query", "texts", "raw_scores", "return_text", "truncate",
 * "truncation_direction"}; a request with "documents" is Jina's or Cohere's, and is answered in their form.
 */
#include "api/cohere.h"
#include "api/dialects.h"
#include "api/fields.h"
#include "api/rank.h"

static bool read_query(yyjson_val *value, struct call *call, struct error *err)
{
    (void)call;
    return field_string(value, "query", err);
}

static bool read_texts(yyjson_val *value, struct call *call, struct error *err)
{
    size_t index, count;
    yyjson_val *text;
    (void)call;
    if (!yyjson_is_arr(value))
        return error_set(err, ERR_BAD_INPUT, "the field \"texts\" is %s, want a list of strings",
                         json_type_words(value));
    yyjson_arr_foreach (value, index, count, text)
        if (!yyjson_is_str(text))
            return error_set(err, ERR_BAD_INPUT, "the field \"texts[%zu]\" is %s, want a string", index,
                             json_type_words(text));
    return true;
}

static bool read_return_text(yyjson_val *value, struct call *call, struct error *err)
{
    return field_flag(value, "return_text", &call->reply.returns_texts, err);
}

static bool read(yyjson_val *root, struct call *call, struct error *err)
{
    static const struct field fields[] = {
        {"query", true, read_query},
        {"texts", true, read_texts},
        {"raw_scores", false, read_raw_scores},
        {"return_text", false, read_return_text},
        {"truncate", false, read_truncate},
        {"truncation_direction", false, read_truncation_direction},
    };
    call->reply.is_documents = yyjson_obj_get(root, "documents") != NULL;
    if (call->reply.is_documents)
        return cohere_read(root, call, err);
    return rank_begin(call, err) && fields_read(root, fields, sizeof fields / sizeof *fields, call, err) &&
           rank_read_pairs(yyjson_obj_get(root, "query"), yyjson_obj_get(root, "texts"), "texts", call, err);
}

static void write(struct call *call, struct buf *out)
{
    size_t shown;
    if (call->reply.is_documents) {
        cohere_write(call, 1, out);
        return;
    }
    const struct ranked *ranks = rank_sort(call, &shown);
    if (!ranks) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < shown; i++) {
        const struct input *input = &call->inputs[ranks[i].index];
        buf_printf(out, "%c{\"index\":%zu,", i ? ',' : '[', ranks[i].index);
        if (call->reply.returns_texts) {
            buf_puts(out, "\"text\":");
            json_put_string(out, input->pair, input->pair_length);
            buf_putc(out, ',');
        }
        buf_puts(out, "\"score\":");
        json_put_float(out, ranks[i].score);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
}

const struct operation tei_rerank = {
    .read = read, .serves = serves_ranks, .write = write, .splits_lists = true, .has_times = true};
