/* API keys: who may ask. Immutable once open; any thread.
 *
 * A request shows a key as "Authorization: Bearer KEY" (RFC 6750), a browser as the password of any name
 * (Basic, RFC 7617), which it then sends by itself, also where a page of another site makes it ask. Such a
 * page cannot read the answer, and a request changes nothing here, but a POST costs its computation:
 * keys_sent_by_browser() tells which these may be. The key is compared with every key there is, each in a
 * time that depends on the lengths alone, so that an answer's time tells nothing about a key.
 */
#ifndef LINNET_API_KEYS_H
#define LINNET_API_KEYS_H

#include <stdbool.h>

#include "base/error.h"

struct keys;

/* `key`, where it is not NULL, and the keys of a file, where `path` is not NULL: one a line, without white
 * space around it; empty lines and those that begin with # are skipped. With neither, *out is NULL, which
 * allows everyone. Errors: ERR_USAGE (an empty key or none in the file, or bytes that no header field can
 * hold), those of file_map(), ERR_NO_MEMORY. */
bool keys_open(const char *key, const char *path, struct keys **out, struct error *err);
void keys_close(struct keys *keys); /* NULL is fine */

/* Whether the Authorization field (NULL: none) shows one of the keys. */
bool keys_allow(const struct keys *keys, const char *authorization);

/* Whether the field shows a key in the way of browsers, who send it by themselves. */
bool keys_sent_by_browser(const char *authorization);

#endif
