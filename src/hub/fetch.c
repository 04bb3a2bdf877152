#include "hub/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "hub/digest.h"

enum {
    MAX_TRIES = 5, /* in a row without a new byte */
    LOCK_POLL_MS = 100,
    /* Of a file whose size nobody says: small files that a mirror compresses, never weights. */
    MAX_UNKNOWN_SIZE = 64 << 20,
};

#define PARTIAL ".incomplete"

static void make_url(const struct fetch *fetch, const char *file, char url[HUB_URL_SIZE])
{
    int length = snprintf(url, HUB_URL_SIZE, "%s/%s/resolve/%s/", fetch->client->settings->endpoint,
                          fetch->name->repo, fetch->commit);
    client_quote(url + length, HUB_URL_SIZE - (size_t)length, file, "/");
}

bool fetch_describe(struct fetch *fetch, const char *name, struct remote_file *out, struct error *err)
{
    char url[HUB_URL_SIZE];
    struct response response;
    make_url(fetch, name, url);
    const struct request request = {
        .url = url, .head = true, .silence_s = fetch->client->settings->metadata_s};
    if (!client_ask(fetch->client, &request, MAX_TRIES, &response, err))
        return error_prefix(err, "%s/%s", fetch->name->repo, name);
    bool redirect = response.status >= 300 && response.status < 400;
    if (response.status != 200 && !redirect)
        return client_refused(fetch->client, fetch->name, name, &response, err);
    const char *etag = response.linked_etag[0] ? response.linked_etag : response.etag;
    if (!etag[0] || !response.commit[0])
        return error_set(
            err, ERR_IO,
            "%s does not answer as the Hub does for %s/%s: no %s that can be used; is HF_ENDPOINT right?",
            fetch->client->settings->endpoint, fetch->name->repo, name, etag[0] ? "X-Repo-Commit" : "ETag");
    *out = (struct remote_file){.name = name,
                                .own_etag = !redirect && !response.weak_etag && etag == response.etag};
    memcpy(out->etag, etag, strlen(etag) + 1);
    out->size = response.linked_size >= 0 ? response.linked_size : redirect ? -1 : response.length;
    return true;
}

/* --- The bytes */

struct download {
    struct fetch *fetch;
    const struct remote_file *file;
    int fd; /* of `path`, where the bytes are gathered */
    char path[HUB_PATH_SIZE];
    int64_t size; /* of the whole; -1: not known yet */
    int64_t have; /* bytes in the file */
    bool resumed; /* some are of an earlier process or answer */
    bool failed;  /* err: no use in trying again */
    struct error err;
};

static void report(const struct download *download, bool waiting)
{
    struct fetch *fetch = download->fetch;
    uint64_t done = fetch->done + (uint64_t)download->have;
    fetch->progress->report(fetch->progress, download->file->name, waiting, done,
                            fetch->total > done ? fetch->total : done);
}

static bool disk_failed(const char *path, int number, struct error *err)
{
    if (number == ENOSPC || number == EDQUOT || number == EFBIG)
        return error_set(
            err, ERR_IO,
            "no room to write %.300s (%s): free some and try again, what has come is kept; or set HF_HOME "
            "to a place on a larger disk",
            path, strerror(number));
    return error_set_errno(err, number, "writing %s", path);
}

/* Begins anew in another file: whoever still has the old one open harms nobody. */
static bool start_over(struct download *download)
{
    if (download->fd >= 0)
        close(download->fd);
    unlink(download->path);
    download->fd = open(download->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    download->have = 0;
    download->resumed = false;
    return download->fd >= 0 || disk_failed(download->path, errno, &download->err);
}

static bool fits(struct download *download, const struct response *response)
{
    if (response->status == 206 && response->range_begin != download->have) {
        long long have = download->have;
        return start_over(download) &&
               error_set(&download->err, ERR_IO,
                         "asked for the bytes from %lld, got those from %lld; try again: "
                         "it is begun anew",
                         have, (long long)response->range_begin);
    }
    int64_t size = response->status == 206 ? response->range_size : response->length;
    if (download->size < 0)
        download->size = size;
    if (size >= 0 && size != download->size)
        return error_set(
            &download->err, ERR_IO,
            "it has %lld bytes, want %lld; try again, or look for a proxy that changes what passes",
            (long long)size, (long long)download->size);
    return true;
}

struct body {
    struct download *download;
    bool begun;
};

static bool write_bytes(struct download *download, const char *bytes, size_t length)
{
    int64_t most = download->size >= 0 ? download->size : MAX_UNKNOWN_SIZE;
    if ((int64_t)length > most - download->have)
        return error_set(&download->err, ERR_IO, "it has more than the %lld bytes that were announced",
                         (long long)most);
    while (length > 0) {
        ssize_t written = pwrite(download->fd, bytes, length, (off_t)download->have);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return disk_failed(download->path, errno, &download->err);
        bytes += written;
        length -= (size_t)written;
        download->have += written;
    }
    return true;
}

static bool take_bytes(void *context, const struct response *response, const char *bytes, size_t length)
{
    struct body *body = context;
    struct download *download = body->download;
    if (!body->begun) {
        body->begun = true;
        /* All of it, where a part was asked for: it has changed, or the server knows no ranges. */
        download->failed = (response->status == 200 && download->have > 0 && !start_over(download)) ||
                           !fits(download, response);
    }
    download->failed = download->failed || !write_bytes(download, bytes, length);
    if (!download->failed)
        report(download, false);
    return !download->failed;
}

/* Whether the whole file is there, as far as its size tells. */
static bool is_whole(const struct download *download)
{
    return download->size >= 0 && download->have == download->size;
}

/* One GET of what is missing. *again: it ended early, and another may bring more. */
static bool get_once(struct download *download, long *retry_after_s, bool *again, struct error *err)
{
    char url[HUB_URL_SIZE];
    struct fetch *fetch = download->fetch;
    struct response response;
    struct body body = {.download = download};
    *again = false;
    make_url(fetch, download->file->name, url);
    /* A rest can only be asked for where it will be known that it is one. */
    if (download->have > 0 && (download->size < 0 || download->have > download->size) &&
        !start_over(download)) {
        *err = download->err;
        return false;
    }
    const struct request request = {.url = url,
                                    .from = download->have,
                                    .only_if = download->file->own_etag ? download->file->etag : NULL,
                                    .silence_s = fetch->client->settings->download_s,
                                    .take = take_bytes,
                                    .context = &body};
    bool answered = client_send(fetch->client, &request, &response, err);
    *retry_after_s = answered ? response.retry_after_s : -1;
    if (download->failed) {
        *err = download->err;
        return false;
    }
    if (answered && response.status == 416) {
        *again = start_over(download);
        *err = download->err;
        return error_set(err, *again ? ERR_IO : err->kind, "%s: no such bytes (416)", download->file->name);
    }
    if (answered && response.status != 200 && response.status != 206) {
        *again = client_is_transient(&response);
        return client_refused(fetch->client, fetch->name, download->file->name, &response, err);
    }
    if (answered && download->size < 0)
        download->size = download->have;
    *again = !response.hopeless;
    return answered &&
           (is_whole(download) || error_set(err, ERR_IO, "%lld of %lld bytes came", (long long)download->have,
                                            (long long)download->size));
}

static bool get_all(struct download *download, struct error *err)
{
    int failed = 0;
    while (!is_whole(download)) {
        int64_t before = download->have;
        long retry_after_s = -1;
        bool again;
        if (get_once(download, &retry_after_s, &again, err))
            continue;
        if (download->have > before)
            failed = 0;
        if (!again || ++failed >= MAX_TRIES)
            return error_prefix(err, "%s/%s", download->fetch->name->repo, download->file->name);
        client_wait(download->fetch->client, download->file->name, err->message, failed, retry_after_s);
        download->resumed = download->have > 0;
    }
    return true;
}

/* Of the file that is open: its name may be another process's by now, where locks do not work. */
static bool check_bytes(const struct download *download, struct error *err)
{
    struct blob bytes = {.bytes = (const unsigned char *)"", .size = (size_t)download->have};
    void *map = bytes.size ? mmap(NULL, bytes.size, PROT_READ, MAP_SHARED, download->fd, 0) : NULL;
    if (map == MAP_FAILED)
        return error_set_errno(err, errno, "%s: reading it back", download->path);
    if (map)
        bytes.bytes = map;
    bool right = digest_check(download->fetch->client->libs, download->file->etag, bytes, err);
    if (map)
        munmap(map, bytes.size);
    return right;
}

/* All bytes, with the right hash. What was resumed may have been damaged before: then once more from the
 * start. */
static bool get_right(struct download *download, struct error *err)
{
    for (bool again = true;; again = false) {
        if (!get_all(download, err))
            return false;
        if (check_bytes(download, err))
            return true;
        if (err->kind != ERR_IO)
            return false;
        if (!again || !download->resumed) {
            unlink(download->path);
            error_prefix(err, "%s/%s came damaged", download->fetch->name->repo, download->file->name);
            struct error inner = *err;
            return error_set(err, ERR_IO, "%.350s; try again, or look for a proxy that changes what passes",
                             inner.message);
        }
        if (!start_over(download)) {
            *err = download->err;
            return false;
        }
    }
}

uint64_t fetch_missing_bytes(const struct fetch *fetch, const struct remote_file *file)
{
    char blob[HUB_PATH_SIZE], partial[HUB_PATH_SIZE + sizeof PARTIAL];
    struct stat info;
    cache_blob(fetch->cache, file->etag, blob);
    snprintf(partial, sizeof partial, "%s" PARTIAL, blob);
    if (file->size < 0 || access(blob, F_OK) == 0)
        return 0;
    return (uint64_t)file->size -
           (stat(partial, &info) == 0 && info.st_size < file->size ? (uint64_t)info.st_size : 0);
}

/* Opens the file that an earlier try left, or a new one. */
static bool open_partial(struct download *download, bool locked, struct error *err)
{
    struct stat info;
    char blob[HUB_PATH_SIZE];
    cache_blob(download->fetch->cache, download->file->etag, blob);
    /* Where nothing keeps others off, a file that only we write; it is not gone on with later. */
    if (!locked)
        cache_temporary(blob, PARTIAL, download->path);
    else if (snprintf(download->path, HUB_PATH_SIZE, "%s" PARTIAL, blob) >= HUB_PATH_SIZE)
        return error_set(err, ERR_USAGE, "%.200s...: the path is too long", blob);
    download->fd = open(download->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (download->fd < 0)
        return disk_failed(download->path, errno, err);
    if (fstat(download->fd, &info) != 0)
        return error_set_errno(err, errno, "%s", download->path);
    download->have = info.st_size;
    download->resumed = info.st_size > 0;
    return true;
}

static bool finish(const struct download *download, const char *blob, struct error *err)
{
    /* The name says what the bytes are: they must be on the disk before it is. */
    if (fdatasync(download->fd) != 0)
        return disk_failed(download->path, errno, err);
    if (rename(download->path, blob) == 0 || access(blob, F_OK) == 0)
        return true;
    return error_set_errno(err, errno, "naming %s", blob);
}

static bool download_blob(struct fetch *fetch, const struct remote_file *file, const char *blob, bool locked,
                          struct error *err)
{
    struct download download = {.fetch = fetch, .file = file, .fd = -1, .size = file->size};
    bool ok =
        open_partial(&download, locked, err) && get_right(&download, err) && finish(&download, blob, err);
    if (download.fd >= 0)
        close(download.fd);
    if (!ok && !locked)
        unlink(download.path);
    return ok;
}

/* Takes the blob's lock, or waits until whoever has it has made the blob. */
static enum cache_locked wait_for_lock(struct fetch *fetch, const struct remote_file *file, const char *blob,
                                       int *lock, struct error *err)
{
    const struct timespec pause = {.tv_nsec = LOCK_POLL_MS * 1000000l};
    const struct download nothing = {.fetch = fetch, .file = file};
    enum cache_locked locked;
    while ((locked = cache_lock(fetch->cache, file->etag, lock, err)) == LOCK_BUSY &&
           access(blob, F_OK) != 0) {
        report(&nothing, true);
        nanosleep(&pause, NULL);
    }
    return locked;
}

bool fetch_file(struct fetch *fetch, const struct remote_file *file, struct error *err)
{
    char blob[HUB_PATH_SIZE];
    int lock = -1;
    cache_blob(fetch->cache, file->etag, blob);
    bool ok = access(blob, F_OK) == 0;
    if (!ok) {
        enum cache_locked locked = wait_for_lock(fetch, file, blob, &lock, err);
        if (locked != LOCK_FAILED)
            ok = access(blob, F_OK) == 0 || download_blob(fetch, file, blob, locked == LOCK_HELD, err);
    }
    ok = ok && cache_link(fetch->cache, fetch->commit, file->name, file->etag, err);
    if (lock >= 0)
        close(lock);
    if (file->size > 0)
        fetch->done += (uint64_t)file->size;
    return ok;
}
