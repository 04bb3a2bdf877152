#include "hub/download.h"

bool download_model(const struct hub_settings *settings, const struct hub_name *name,
                    const struct hub_cache *cache, struct hub_progress *progress, int tries,
                    char commit[HUB_COMMIT_SIZE], bool *unanswered, struct error *err)
{
    (void)settings, (void)cache, (void)progress, (void)tries, (void)commit;
    *unanswered = true;
    return error_set(
        err, ERR_NOT_FOUND,
        "%s: this linnet was built without downloads: install libcurl4-openssl-dev and libssl-dev and "
        "build it again",
        name->repo);
}
