/* The hash that an ETag of the Hub is: SHA-256 of the bytes for large files (LFS), git's SHA-1 for the
 * others. */
#ifndef LINNET_HUB_DIGEST_H
#define LINNET_HUB_DIGEST_H

#include "base/file.h"
#include "hub/libs.h"

/* Whether `bytes` have the hash that `etag` has the form of. An ETag of another form, as a mirror may send,
 * matches everything. ERR_IO: both hashes; ERR_NO_MEMORY, ERR_INTERNAL: it could not be told. Any thread. */
bool digest_check(const struct hub_libs *libs, const char *etag, struct blob bytes, struct error *err);

#endif
