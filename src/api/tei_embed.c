/* text-embeddings-inference's POST /embed, /embed_all, /embed_sparse and /similarity
 * (router/src/http/types.rs of version 1.9). */
#include <stdio.h>
#include <string.h>

#include "api/dialects.h"
#include "api/embed.h"
#include "api/fields.h"
#include "api/internal.h"
#include "api/task_json.h"
#include "engine/embedding.h"

enum { COUNT_EMBED = 7, COUNT_EMBED_ALL = 4, COUNT_SIMILARITY = 2 };

/* --- /embed */

static const struct field embed_fields[COUNT_EMBED] = {
    {"inputs", true, read_embedded_inputs},
    {"normalize", false, read_normalize},
    {"truncate", false, read_truncate},
    {"truncation_direction", false, read_truncation_direction},
    {"prompt_name", false, read_prompt_name},
    {"dimensions", false, read_dimensions},
    {"encoding_format", false, read_encoding_format},
};

/* Of a model of sparse embeddings all their numbers, which are not scaled. */
static bool read_whole_sparse(yyjson_val *root, struct call *call, struct error *err)
{
    call->prepare.normalise = NORMALISE_ALWAYS;
    if (!sparse_begin(call, err) || !fields_read(root, embed_fields, COUNT_EMBED, call, err))
        return false;
    return call->prepare.normalise == NORMALISE_NEVER ||
           error_set(err, ERR_UNSUPPORTED_MODEL,
                     "`normalize` is not available for SPLADE models, such as %.100s: send the request to "
                     "/embed_sparse, or with \"normalize\": false",
                     api_model_name(call->api));
}

bool embed_read(yyjson_val *root, struct call *call, struct error *err)
{
    if (serves_sparse(call_model(call)))
        return read_whole_sparse(root, call, err);
    return embedding_begin(call, err) && fields_read(root, embed_fields, COUNT_EMBED, call, err);
}

static void write_whole_sparse(struct call *call, struct buf *out)
{
    const size_t columns = (size_t)call_model(call)->columns;
    const size_t kept = call->prepare.dimensions ? (size_t)call->prepare.dimensions : columns;
    float *vector = arena_alloc(&call->arena, columns * sizeof *vector);
    if (!vector) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < call->count && call_is_wanted(call); i++) {
        const struct item *item = &call->items[i];
        memset(vector, 0, columns * sizeof *vector);
        for (size_t j = 0; j < item->sparse_count; j++)
            vector[item->sparse[j].index] = item->sparse[j].value;
        buf_putc(out, i ? ',' : '[');
        put_vector(vector, kept, call->reply.is_base64, out);
    }
    buf_putc(out, ']');
}

void embed_write(struct call *call, struct buf *out)
{
    if (serves_sparse(call_model(call))) {
        write_whole_sparse(call, out);
        return;
    }
    for (size_t i = 0; i < call->count && call_is_wanted(call); i++) {
        buf_putc(out, i ? ',' : '[');
        put_vector(call->items[i].rows, call->items[i].columns, call->reply.is_base64, out);
    }
    buf_putc(out, ']');
}

const struct operation tei_embed = {.read = embed_read,
                                    .serves = serves_embeddings,
                                    .write = embed_write,
                                    .splits_lists = true,
                                    .has_times = true};

/* --- /embed_all */

static const struct field embed_all_fields[COUNT_EMBED_ALL] = {
    {"inputs", true, read_embedded_inputs},
    {"truncate", false, read_truncate},
    {"truncation_direction", false, read_truncation_direction},
    {"prompt_name", false, read_prompt_name},
};

static bool read_embed_all(yyjson_val *root, struct call *call, struct error *err)
{
    if (!embedding_begin(call, err))
        return false;
    call->prepare.rows = ROWS_TOKENS;
    return fields_read(root, embed_all_fields, COUNT_EMBED_ALL, call, err);
}

static void write_embed_all(struct call *call, struct buf *out)
{
    buf_putc(out, '[');
    for (size_t i = 0; i < call->count && call_is_wanted(call); i++) {
        const struct item *item = &call->items[i];
        buf_puts(out, i ? ",[" : "[");
        for (size_t row = 0; row < item->row_count; row++) {
            if (row)
                buf_putc(out, ',');
            put_vector(item->rows + row * item->columns, item->columns, false, out);
        }
        buf_putc(out, ']');
    }
    buf_putc(out, ']');
}

const struct operation tei_embed_all = {.read = read_embed_all,
                                        .serves = serves_embeddings,
                                        .write = write_embed_all,
                                        .splits_lists = true,
                                        .has_times = true};

/* --- /embed_sparse, whose requests have the fields of /embed_all */

bool embed_sparse_read(yyjson_val *root, struct call *call, struct error *err)
{
    return sparse_begin(call, err) && fields_read(root, embed_all_fields, COUNT_EMBED_ALL, call, err);
}

void embed_sparse_write(struct call *call, struct buf *out)
{
    for (size_t i = 0; i < call->count && call_is_wanted(call); i++) {
        buf_putc(out, i ? ',' : '[');
        put_sparse(out, call->items[i].sparse, call->items[i].sparse_count);
    }
    buf_putc(out, ']');
}

const struct operation tei_embed_sparse = {.read = embed_sparse_read,
                                           .serves = serves_sparse,
                                           .write = embed_sparse_write,
                                           .splits_lists = true,
                                           .has_times = true};

/* --- /similarity: text 0 is the source, the others are compared with it */

static bool read_sentences(yyjson_val *value, struct call *call, struct error *err)
{
    size_t index, count;
    yyjson_val *sentence, *source = yyjson_obj_get(value, "source_sentence"),
                          *sentences = yyjson_obj_get(value, "sentences");
    if (!yyjson_is_obj(value) || !source || !sentences || yyjson_obj_size(value) != 2)
        return error_set(
            err, ERR_BAD_INPUT,
            "the field \"inputs\" is %s, want {\"source_sentence\": \"a text\", \"sentences\": [\"a text\", "
            "...]}",
            yyjson_is_obj(value) ? "an object with other fields" : json_type_words(value));
    if (!yyjson_is_arr(sentences))
        return error_set(err, ERR_BAD_INPUT, "the field \"inputs.sentences\" is %s, want a list of strings",
                         json_type_words(sentences));
    if (yyjson_arr_size(sentences) == 0)
        return error_set(err, ERR_EMPTY_INPUT, "the field \"inputs.sentences\" is an empty list");
    call->reply.is_list = call->reply.has_source = true;
    if (!call_set_count(call, yyjson_arr_size(sentences) + 1, "sentences", err) ||
        !call_add_text(call, 0, false, source, "the field \"inputs.source_sentence\"", err))
        return false;
    yyjson_arr_foreach (sentences, index, count, sentence) {
        char field[60];
        snprintf(field, sizeof field, "the field \"inputs.sentences[%zu]\"", index);
        if (!call_add_text(call, index + 1, false, sentence, field, err))
            return false;
    }
    return true;
}

static bool read_parameters(yyjson_val *value, struct call *call, struct error *err)
{
    static const struct field fields[] = {
        {"truncate", false, read_truncate},
        {"truncation_direction", false, read_truncation_direction},
        {"prompt_name", false, read_prompt_name},
    };
    if (!yyjson_is_obj(value))
        return error_set(err, ERR_BAD_INPUT, "the field \"parameters\" is %s, want an object",
                         json_type_words(value));
    return fields_read(value, fields, sizeof fields / sizeof *fields, call, err);
}

bool similarity_read(yyjson_val *root, struct call *call, struct error *err)
{
    static const struct field fields[COUNT_SIMILARITY] = {
        {"inputs", true, read_sentences},
        {"parameters", false, read_parameters},
    };
    return embedding_begin(call, err) && fields_read(root, fields, COUNT_SIMILARITY, call, err);
}

void similarity_write(struct call *call, struct buf *out)
{
    const struct item *source = &call->items[0];
    for (size_t i = 1; i < call->count; i++) {
        buf_putc(out, i > 1 ? ',' : '[');
        json_put_float(out, (float)embedding_cosine(source->rows, call->items[i].rows, source->columns));
    }
    buf_putc(out, ']');
}

const struct operation tei_similarity = {.read = similarity_read,
                                         .serves = serves_embeddings,
                                         .write = similarity_write,
                                         .splits_lists = true,
                                         .has_times = true};
