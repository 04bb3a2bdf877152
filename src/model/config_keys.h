/* Keys of config.json, read and checked one at a time: what config.c and config_attention.c share.
 *
 * A key that is missing (or NULL) has the fallback. On failure the error names the key, its value and what
 * would be right: ERR_BAD_MODEL for what cannot be, ERR_UNSUPPORTED_MODEL for what linnet does not run.
 */
#ifndef LINNET_MODEL_CONFIG_KEYS_H
#define LINNET_MODEL_CONFIG_KEYS_H

#include "base/json.h"
#include "model/config.h"

bool config_int(yyjson_val *root, const char *key, int fallback, int min, int max, int *out,
                struct error *err);

/* Of a whole number that may be negative, which means that there is none. */
bool config_signed(yyjson_val *root, const char *key, int fallback, int max, int *out, struct error *err);

bool config_number(yyjson_val *root, const char *key, float fallback, float min, float max, float *out,
                   struct error *err);

bool config_bool(yyjson_val *root, const char *key, bool fallback, bool *out, struct error *err);

/* The names of transformers' ACT2FN for functions that the kernels have. *name, where it is not NULL, is the
 * one that was read. */
bool config_activation(yyjson_val *root, const char *key, const char *fallback, enum activation *out,
                       const char **name, struct error *err);

/* Keys whose only supported value is `allowed`; a missing key or null is that value. */
bool config_require_string(yyjson_val *root, const char *key, const char *allowed, struct error *err);
bool config_require_number(yyjson_val *root, const char *key, double allowed, struct error *err);

/* A key whose only supported values are null, false and 0. */
bool config_require_absent(yyjson_val *root, const char *key, struct error *err);

/* Called once the sizes and layers are known: fills out->attention and out->position_table. */
bool config_read_attention(yyjson_val *root, struct arena *arena, struct model_config *out,
                           struct error *err);

#endif
