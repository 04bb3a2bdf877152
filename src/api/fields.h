/* Reading the fields of a request's object: a table says which there are. Loop thread, but put_vector(),
 * which is any's. */
#ifndef LINNET_API_FIELDS_H
#define LINNET_API_FIELDS_H

#include "api/call.h"

struct field {
    const char *name;
    bool is_required;
    bool (*read)(yyjson_val *value, struct call *call, struct error *err); /* never of null */
};

/* Reads every field that is there and not null, in the table's order. ERR_BAD_INPUT where `object` is none, a
 * field is unknown (with the nearest known one) or a required one is missing; and what the readers say. */
bool fields_read(yyjson_val *object, const struct field fields[], size_t count, struct call *call,
                 struct error *err);

/* Whether a value is a whole number of at least 0, which JSON may write as 7.0. */
bool field_whole(yyjson_val *value, uint64_t *out);

/* Values, for readers; `name` is the field's, for messages. */
bool field_flag(yyjson_val *value, const char *name, bool *out, struct error *err);
bool field_size(yyjson_val *value, const char *name, size_t *out, struct error *err); /* at least 1 */
bool field_string(yyjson_val *value, const char *name, struct error *err);

/* --- Readers that several dialects share, called as the fields are. */

/* A text, a list of texts, a list of token ids, or a list of such lists and texts: what is embedded. */
bool read_embedded_inputs(yyjson_val *value, struct call *call, struct error *err); /* "inputs" */
bool read_embedded_input(yyjson_val *value, struct call *call, struct error *err);  /* "input" */

/* The same of ids alone, or lists of them, under another name. */
bool read_token_ids(yyjson_val *value, const char *name, struct call *call, struct error *err);

bool read_truncate(yyjson_val *value, struct call *call, struct error *err);
bool read_truncation_direction(yyjson_val *value, struct call *call, struct error *err); /* left, right */
bool read_prompt_name(yyjson_val *value, struct call *call, struct error *err);
bool read_normalize(yyjson_val *value, struct call *call, struct error *err);
bool read_dimensions(yyjson_val *value, struct call *call, struct error *err);
bool read_encoding_format(yyjson_val *value, struct call *call, struct error *err); /* float, base64 */
bool read_raw_scores(yyjson_val *value, struct call *call, struct error *err);

/* The name of a model: any, for one is served, and the answer says which. */
bool read_model(yyjson_val *value, struct call *call, struct error *err);

/* A string that changes nothing here, such as OpenAI's "user". */
bool read_unused_string(yyjson_val *value, struct call *call, struct error *err);

/* --- Embeddings */

/* Before the fields of a request for embeddings are read: ERR_UNSUPPORTED_MODEL where the model has none, and
 * the server's prompt, which it may not know (ERR_BAD_INPUT). Embeddings have length 1 unless a field says
 * otherwise. */
bool embedding_begin(struct call *call, struct error *err);

/* The same of sparse embeddings, which have whatever length they have. */
bool sparse_begin(struct call *call, struct error *err);

/* Appends vector[0..size): a list of numbers, or a string of base64 of little-endian floats. */
void put_vector(const float *vector, size_t size, bool is_base64, struct buf *out);

#endif
