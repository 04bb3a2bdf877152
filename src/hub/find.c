#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "hub/download.h"
#include "hub/wanted.h"

/* How often the Hub is asked while it has a passing problem: less where the cache can stand in. */
enum { TRIES = 5, TRIES_WITH_CACHE = 1 };

struct snapshot {
    struct file_set set; /* first: has() gets back from it to the snapshot */
    const struct hub_cache *cache;
    const char *commit;
};

static bool snapshot_has(const struct file_set *set, const char *file)
{
    const struct snapshot *snapshot = (const struct snapshot *)set;
    return cache_has(snapshot->cache, snapshot->commit, file);
}

static bool has_shards(const struct snapshot *snapshot, struct error *err)
{
    char directory[HUB_PATH_SIZE], path[HUB_PATH_SIZE + sizeof WEIGHT_INDEX];
    struct arena arena;
    size_t count;
    cache_snapshot(snapshot->cache, snapshot->commit, directory);
    snprintf(path, sizeof path, "%s/" WEIGHT_INDEX, directory);
    arena_init(&arena, 0, SIZE_MAX);
    const char **names = wanted_shards(path, &arena, &count, err);
    bool ok = names != NULL;
    for (size_t i = 0; ok && i < count; i++)
        ok = snapshot_has(&snapshot->set, names[i]) ||
             error_set(err, ERR_NOT_FOUND, "%.200s is not in the cache", names[i]);
    arena_free(&arena);
    return ok;
}

/* Whether the folders that modules.json names are there, as far as the commit has them. */
static bool has_modules(const struct snapshot *snapshot)
{
    char directory[HUB_PATH_SIZE], path[HUB_PATH_SIZE + sizeof MODULE_LIST];
    struct arena arena;
    struct error ignored;
    size_t count;
    if (!snapshot_has(&snapshot->set, MODULE_LIST))
        return true;
    cache_snapshot(snapshot->cache, snapshot->commit, directory);
    snprintf(path, sizeof path, "%s/" MODULE_LIST, directory);
    arena_init(&arena, 0, SIZE_MAX);
    const char **names = wanted_modules(path, &arena, &count, &ignored);
    bool ok = names != NULL;
    for (size_t i = 0; ok && i < count; i++)
        ok = snapshot_has(&snapshot->set, names[i]) ||
             cache_is_absent(snapshot->cache, snapshot->commit, names[i]);
    arena_free(&arena);
    return ok;
}

/* Whether the cache has what makes a model. */
static bool is_usable(const struct snapshot *snapshot, const char *repo, struct error *err)
{
    return wanted_check(&snapshot->set, repo, err) &&
           (!wanted_is_sharded(&snapshot->set) || has_shards(snapshot, err));
}

/* Whether it has every file that the commit has: of those that are not there, it is known that they never
 * were. */
static bool is_whole(const struct snapshot *snapshot, const char *repo)
{
    struct error ignored;
    const char *names[WANTED_COUNT];
    size_t count = wanted_files(&snapshot->set, names);
    for (size_t i = 0; i < count; i++)
        if (!snapshot_has(&snapshot->set, names[i]) &&
            !cache_is_absent(snapshot->cache, snapshot->commit, names[i]))
            return false;
    return has_modules(snapshot) && is_usable(snapshot, repo, &ignored);
}

static bool not_cached(const struct hub_settings *settings, const struct hub_name *name,
                       const struct error *why, struct error *err)
{
    return error_set(
        err, ERR_NOT_FOUND,
        "%s: no such directory, and revision \"%s\" of that name is not in the cache (%.150s)%s%.100s%s; "
        "%s is set: unset it, or run linnet pull where there is a network",
        name->repo, name->revision, settings->cache, why ? " (" : "", why ? why->message : "", why ? ")" : "",
        settings->offline);
}

bool hub_find(const struct hub_settings *settings, const struct hub_name *name, struct hub_progress *progress,
              char directory[HUB_PATH_SIZE], struct error *err)
{
    struct hub_cache cache;
    char cached[HUB_COMMIT_SIZE], commit[HUB_COMMIT_SIZE];
    struct error why;
    cache_init(settings, name, &cache);
    const struct snapshot snapshot = {{snapshot_has}, &cache, cached};
    bool known = cache_read_ref(&cache, name->revision, cached);
    bool partly = known && cache_has(&cache, cached, "config.json");
    bool usable = known && is_usable(&snapshot, name->repo, &why);
    /* A commit never changes: nothing to ask. */
    bool settled = usable && hub_is_commit(name->revision) && is_whole(&snapshot, name->repo);
    bool unanswered;
    if (settings->offline && !usable) {
        if (partly && why.kind == ERR_UNSUPPORTED_MODEL) {
            *err = why;
            return false;
        }
        return not_cached(settings, name, partly ? &why : NULL, err);
    }
    if (settled || settings->offline) {
        cache_snapshot(&cache, cached, directory);
        return true;
    }
    if (!download_model(settings, name, &cache, progress, usable ? TRIES_WITH_CACHE : TRIES, commit,
                        &unanswered, err)) {
        if (!unanswered || !usable)
            return false;
        struct error refusal = *err;
        error_set(err, refusal.kind, "%s: using what the cache has, commit %.12s: %.400s", name->repo, cached,
                  refusal.message);
        progress->note(progress, err->message);
        memcpy(commit, cached, sizeof commit);
    }
    cache_snapshot(&cache, commit, directory);
    return true;
}
