/* Asking the Hub: the part of hub_find() that needs libcurl. */
#ifndef LINNET_HUB_DOWNLOAD_H
#define LINNET_HUB_DOWNLOAD_H

#include "hub/cache.h"

/* Makes the snapshot of name->revision whole and sets `commit` to its commit. Errors as hub_find(). `tries`:
 * how often the Hub is asked for the list of files while it has a passing problem. On failure *unanswered
 * says whether the Hub did not tell what it has, so that what the cache has is the best there is. */
bool download_model(const struct hub_settings *settings, const struct hub_name *name,
                    const struct hub_cache *cache, struct hub_progress *progress, int tries,
                    char commit[HUB_COMMIT_SIZE], bool *unanswered, struct error *err);

#endif
