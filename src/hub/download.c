#include "hub/download.h"

#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/json.h"
#include "hub/fetch.h"
#include "hub/wanted.h"

enum {
    MAX_LISTING = 32 << 20, /* a repository of 100,000 files has some 10 MB */
    LISTING_DEPTH = 64,
    FILE_TRIES = 5,
};

/* --- The list of files */

struct listing {
    struct file_set set; /* first: has() gets back from it to the listing */
    yyjson_val *siblings;
};

static bool listing_has(const struct file_set *set, const char *file)
{
    const struct listing *listing = (const struct listing *)set;
    size_t index, count;
    yyjson_val *sibling;
    yyjson_arr_foreach (listing->siblings, index, count, sibling) {
        if (yyjson_equals_str(yyjson_obj_get(sibling, "rfilename"), file))
            return true;
    }
    return false;
}

static bool take_listing(void *context, const struct response *response, const char *bytes, size_t length)
{
    struct buf *body = context;
    (void)response;
    if (length > MAX_LISTING - body->length)
        return false;
    buf_append(body, bytes, length);
    return buf_ok(body);
}

static bool read_listing(const struct fetch *fetch, const struct buf *body, struct arena *arena,
                         struct listing *listing, char commit[HUB_COMMIT_SIZE], struct error *err)
{
    const char *endpoint = fetch->client->settings->endpoint;
    yyjson_doc *doc = json_read(body->bytes ? body->bytes : "", body->length, LISTING_DEPTH, arena, err);
    if (!doc) {
        struct error inner = *err;
        return error_set(err, ERR_IO, "%s does not answer as the Hub does: %.300s; is HF_ENDPOINT right?",
                         endpoint, inner.message);
    }
    const char *sha = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "sha"));
    listing->siblings = yyjson_obj_get(yyjson_doc_get_root(doc), "siblings");
    if (!sha || !hub_is_commit(sha) || !yyjson_is_arr(listing->siblings))
        return error_set(
            err, ERR_IO,
            "%s does not answer as the Hub does: no \"sha\" of a commit and \"siblings\"; is HF_ENDPOINT "
            "right?",
            endpoint);
    memcpy(commit, sha, HUB_COMMIT_SIZE);
    return true;
}

/* The repository's files at the revision, and its commit. */
static bool ask_listing(struct fetch *fetch, int tries, struct buf *body, struct arena *arena,
                        struct listing *listing, bool *unanswered, struct error *err)
{
    char url[HUB_URL_SIZE];
    struct response response;
    int length = snprintf(url, sizeof url, "%s/api/models/%s/revision/", fetch->client->settings->endpoint,
                          fetch->name->repo);
    client_quote(url + length, sizeof url - (size_t)length, fetch->name->revision, "");
    const struct request request = {
        .url = url, .silence_s = fetch->client->settings->metadata_s, .take = take_listing, .context = body};
    *unanswered = true;
    if (!client_ask(fetch->client, &request, tries, &response, err)) {
        struct error inner = *err;
        return error_set(err, ERR_IO, "%s: the Hub cannot be asked: %.400s", fetch->name->repo,
                         inner.message);
    }
    if (response.status != 200) {
        *unanswered = strcmp(response.error_code, "RevisionNotFound") != 0;
        return client_refused(fetch->client, fetch->name, NULL, &response, err);
    }
    if (!read_listing(fetch, body, arena, listing, fetch->commit, err))
        return false;
    *unanswered = false;
    return true;
}

/* --- The files */

static void note_absent_files(const struct fetch *fetch, const struct listing *listing)
{
    const char *names[WANTED_COUNT];
    size_t count = wanted_files(&listing->set, names);
    for (size_t i = 0; i < count; i++)
        if (!listing_has(&listing->set, names[i]))
            cache_note_absent(fetch->cache, fetch->commit, names[i]);
}

static bool check_room(const struct fetch *fetch, const struct remote_file *files, size_t count,
                       struct error *err)
{
    struct statvfs disk;
    uint64_t needed = 0;
    for (size_t i = 0; i < count; i++)
        needed += fetch_missing_bytes(fetch, &files[i]);
    if (statvfs(fetch->cache->repo, &disk) != 0 || disk.f_blocks == 0)
        return true; /* what the disk does not tell shows while writing */
    uint64_t room = (uint64_t)disk.f_bavail * disk.f_frsize;
    return needed <= room || error_set(err, ERR_IO,
                                       "%s needs %.1f MiB in %.200s, where %.1f MiB are free: free some, or "
                                       "set HF_HOME to a place on a "
                                       "larger disk",
                                       fetch->name->repo, (double)needed / (1 << 20), fetch->cache->root,
                                       (double)room / (1 << 20));
}

/* Downloads those of the files that the snapshot lacks. */
static bool fetch_files(struct fetch *fetch, const char *const names[], size_t count, struct arena *arena,
                        struct error *err)
{
    struct remote_file *files = arena_calloc(arena, count, sizeof *files);
    size_t missing = 0;
    if (!files)
        return error_set(err, ERR_NO_MEMORY, "no memory for a list of %zu files", count);
    for (size_t i = 0; i < count; i++) {
        if (cache_has(fetch->cache, fetch->commit, names[i]))
            continue;
        if (!fetch_describe(fetch, names[i], &files[missing], err))
            return false;
        if (files[missing].size > 0)
            fetch->total += (uint64_t)files[missing].size;
        missing++;
    }
    if (missing > 0 && (!cache_make(fetch->cache, err) || !check_room(fetch, files, missing, err)))
        return false;
    for (size_t i = 0; i < missing; i++)
        if (!fetch_file(fetch, &files[i], err))
            return false;
    return true;
}

static bool fetch_listed(struct fetch *fetch, const struct listing *listing, struct arena *arena,
                         struct error *err)
{
    const char *wanted[WANTED_COUNT], *names[WANTED_COUNT];
    size_t count = wanted_files(&listing->set, wanted), listed = 0;
    for (size_t i = 0; i < count; i++)
        if (listing_has(&listing->set, wanted[i]))
            names[listed++] = wanted[i];
    return fetch_files(fetch, names, listed, arena, err);
}

/* The folders of modules are named in a file of the snapshot; what they do not have is known from then on. */
static bool fetch_modules(struct fetch *fetch, const struct listing *listing, struct arena *arena,
                          struct error *err)
{
    char snapshot[HUB_PATH_SIZE], path[HUB_PATH_SIZE + sizeof MODULE_LIST];
    size_t count, listed = 0;
    if (!listing_has(&listing->set, MODULE_LIST))
        return true;
    cache_snapshot(fetch->cache, fetch->commit, snapshot);
    snprintf(path, sizeof path, "%s/" MODULE_LIST, snapshot);
    const char **names = wanted_modules(path, arena, &count, err);
    if (!names)
        return error_prefix(err, "%s", fetch->name->repo);
    for (size_t i = 0; i < count; i++) {
        if (listing_has(&listing->set, names[i]))
            names[listed++] = names[i];
        else
            cache_note_absent(fetch->cache, fetch->commit, names[i]);
    }
    return fetch_files(fetch, names, listed, arena, err);
}

/* The shards are named in a file of the snapshot. */
static bool fetch_shards(struct fetch *fetch, const struct listing *listing, struct arena *arena,
                         struct error *err)
{
    char snapshot[HUB_PATH_SIZE], path[HUB_PATH_SIZE + sizeof WEIGHT_INDEX];
    size_t count;
    cache_snapshot(fetch->cache, fetch->commit, snapshot);
    snprintf(path, sizeof path, "%s/" WEIGHT_INDEX, snapshot);
    const char **names = wanted_shards(path, arena, &count, err);
    if (!names)
        return error_prefix(err, "%s", fetch->name->repo);
    for (size_t i = 0; i < count; i++)
        if (!listing_has(&listing->set, names[i]))
            return error_set(err, ERR_BAD_MODEL,
                             "%s: " WEIGHT_INDEX " names %.200s, which the repository does not have",
                             fetch->name->repo, names[i]);
    return fetch_files(fetch, names, count, arena, err);
}

static bool download(struct fetch *fetch, int tries, struct buf *body, struct arena *arena, bool *unanswered,
                     struct error *err)
{
    struct listing listing = {.set = {listing_has}};
    if (!ask_listing(fetch, tries, body, arena, &listing, unanswered, err) ||
        !wanted_check(&listing.set, fetch->name->repo, err) || !fetch_listed(fetch, &listing, arena, err) ||
        !fetch_modules(fetch, &listing, arena, err) ||
        (wanted_is_sharded(&listing.set) && !fetch_shards(fetch, &listing, arena, err)))
        return false;
    note_absent_files(fetch, &listing);
    cache_write_ref(fetch->cache, fetch->name->revision, fetch->commit);
    return true;
}

bool download_model(const struct hub_settings *settings, const struct hub_name *name,
                    const struct hub_cache *cache, struct hub_progress *progress, int tries,
                    char commit[HUB_COMMIT_SIZE], bool *unanswered, struct error *err)
{
    struct hub_client client;
    struct fetch fetch = {.client = &client, .name = name, .cache = cache, .progress = progress};
    struct arena arena;
    struct buf body;
    *unanswered = true;
    if (!client_open(&client, settings, progress, err))
        return false;
    arena_init(&arena, 0, SIZE_MAX);
    buf_init(&body);
    bool ok = download(&fetch, tries, &body, &arena, unanswered, err);
    memcpy(commit, fetch.commit, sizeof fetch.commit);
    buf_free(&body);
    arena_free(&arena);
    client_close(&client);
    return ok;
}
