/* One file of a repository, from the Hub into the cache. */
#ifndef LINNET_HUB_FETCH_H
#define LINNET_HUB_FETCH_H

#include "hub/client.h"

/* What one download of a model goes with. */
struct fetch {
    struct hub_client *client;
    const struct hub_name *name;
    const struct hub_cache *cache;
    char commit[HUB_COMMIT_SIZE];
    struct hub_progress *progress;
    uint64_t done, total; /* bytes of all files */
};

struct remote_file {
    const char *name;
    char etag[HUB_ETAG_SIZE];
    int64_t size;  /* -1: not said */
    bool own_etag; /* the ETag is that of the answer to a GET, too: it can be asked for in If-Range */
};

/* Asks for the ETag and the size of `name`, which must outlive *out. Errors as hub_find(). */
bool fetch_describe(struct fetch *fetch, const char *name, struct remote_file *out, struct error *err);

/* How many bytes of a file the cache lacks, what an earlier try left behind counted as there. */
uint64_t fetch_missing_bytes(const struct fetch *fetch, const struct remote_file *file);

/* Downloads the blob of a file that the snapshot does not have, unless the cache has it, and links it. What
 * an earlier try left behind is gone on with. Size and hash are checked before the blob gets its name. */
bool fetch_file(struct fetch *fetch, const struct remote_file *file, struct error *err);

#endif
