/* JSON: strict reading on yyjson, writing into a buf.
 *
 * Reading: json_read() gives a yyjson document whose values are read with yyjson's own calls (yyjson_obj_get,
 * ...). Writing: json_put_*() append one token each; the caller writes punctuation with buf_puts().
 */
#ifndef LINNET_BASE_JSON_H
#define LINNET_BASE_JSON_H

#include <yyjson.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

/* Parses all of bytes[0..length), which need not end in NUL. On top of yyjson's strictness (RFC 8259; valid
 * UTF-8; no lone surrogates; no byte order mark) it refuses nesting deeper than `max_depth` and an object
 * that has a key twice. The document and its strings live in `arena` until it is reset: never
 * yyjson_doc_free() it. The arena needs up to about 50 bytes a byte of text ("[1,1,...]"), ordinary text far
 * less. On failure NULL: ERR_BAD_JSON with line and column (or the name of the key that stands twice),
 * ERR_NO_MEMORY. Any thread. */
yyjson_doc *json_read(const char *bytes, size_t length, unsigned max_depth, struct arena *arena,
                      struct error *err);

/* The text of a value of such a document, without white space, NUL-terminated in `arena`. NULL: no memory. */
char *json_write(yyjson_val *value, struct arena *arena, size_t *length);

/* A quoted string. Control characters, quotes and backslashes are escaped; invalid UTF-8 becomes U+FFFD. */
void json_put_string(struct buf *out, const char *text, size_t length);

/* "name":"value", - null where value is NULL - with a comma behind it. */
void json_put_field(struct buf *out, const char *name, const char *value);

/* The shortest decimal text that reads back to the same float; NaN and infinities, which JSON lacks, become
 * null. */
void json_put_float(struct buf *out, float value);

/* A number as text, of anything else what it is: for messages. Returns `out`. */
enum { JSON_WORDS_SIZE = 40 };
const char *json_value_words(yyjson_val *value, char out[JSON_WORDS_SIZE]);

/* What a value is, for messages: "a string", "null", "an object", ... */
const char *json_type_words(yyjson_val *value);

#endif
