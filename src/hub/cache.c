#include "hub/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static void path_set(char out[HUB_PATH_SIZE], const char *format, ...) __attribute__((format(printf, 2, 3)));

static void path_set(char out[HUB_PATH_SIZE], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(out, HUB_PATH_SIZE, format, args);
    va_end(args);
}

void cache_init(const struct hub_settings *settings, const struct hub_name *name, struct hub_cache *out)
{
    const char *slash = strchr(name->repo, '/'), *last = slash ? slash + 1 : name->repo;
    int owner = slash ? (int)(slash - name->repo) : 0;
    const char *dashes = slash ? "--" : "";
    path_set(out->root, "%s", settings->cache);
    path_set(out->repo, "%s/models--%.*s%s%s", settings->cache, owner, name->repo, dashes, last);
    path_set(out->lock, "%s/.locks/models--%.*s%s%s", settings->cache, owner, name->repo, dashes, last);
}

void cache_temporary(const char *path, const char *suffix, char out[HUB_PATH_SIZE])
{
    unsigned id = 0;
    if (getrandom(&id, sizeof id, 0) != sizeof id)
        id = (unsigned)getpid(); /* enough on one machine */
    path_set(out, "%s.%08x%s", path, id, suffix);
}

/* --- Names */

bool hub_is_commit(const char *text)
{
    return strlen(text) == HUB_COMMIT_SIZE - 1 && strspn(text, "0123456789abcdef") == HUB_COMMIT_SIZE - 1;
}

bool hub_is_file_name(const char *text)
{
    size_t length = strlen(text);
    if (length == 0 || length >= HUB_FILE_SIZE || text[0] == '.' || strpbrk(text, "/\\"))
        return false;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7F)
            return false;
    return true;
}

bool hub_is_etag(const char *text)
{
    size_t length = strlen(text);
    return length > 0 && length < HUB_ETAG_SIZE && text[0] != '.' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == length;
}

/* --- Directories */

bool cache_make_parents(const char *path, struct error *err)
{
    char part[HUB_PATH_SIZE];
    path_set(part, "%s", path);
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST) {
            /* A place above may be closed to us or on a read-only disk, and the rest still be there. */
            int number = errno;
            if (access(part, F_OK) != 0)
                return error_set_errno(err, number,
                                       "the model cache (HF_HOME names another place): making %s", part);
        }
        *slash = '/';
    }
    return true;
}

/* So that backups pass over it: the Cache Directory Tagging Specification, as huggingface_hub does. */
static void tag_cache(const struct hub_cache *cache)
{
    static const char tag[] =
        "Signature: 8a477f597d28d172789f06886806bc55\n"
        "# This file is a cache directory tag: models, downloaded again where they are missing.\n";
    char path[HUB_PATH_SIZE];
    path_set(path, "%s/CACHEDIR.TAG", cache->root);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return;
    ssize_t written = write(fd, tag, sizeof tag - 1);
    (void)written; /* a tag that cannot be written is missed by nobody */
    close(fd);
}

bool cache_make(const struct hub_cache *cache, struct error *err)
{
    char path[HUB_PATH_SIZE];
    path_set(path, "%s/blobs/", cache->repo);
    if (!cache_make_parents(path, err))
        return false;
    path_set(path, "%s/", cache->lock);
    if (!cache_make_parents(path, err))
        return false;
    tag_cache(cache);
    return true;
}

/* --- Refs */

static bool read_line(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    ssize_t length = read(fd, out, size - 1);
    close(fd);
    if (length < 0)
        return false;
    out[length] = '\0';
    out[strcspn(out, " \r\n")] = '\0';
    return true;
}

bool cache_read_ref(const struct hub_cache *cache, const char *revision, char commit[HUB_COMMIT_SIZE])
{
    char path[HUB_PATH_SIZE], line[HUB_COMMIT_SIZE + 8];
    path_set(path, "%s/refs/%s", cache->repo, revision);
    if (hub_is_commit(revision))
        snprintf(line, sizeof line, "%s", revision);
    else if (!read_line(path, line, sizeof line) || !hub_is_commit(line))
        return false;
    memcpy(commit, line, HUB_COMMIT_SIZE);
    return true;
}

/* Writes a small file whole or not at all. */
static bool replace_file(const char *path, const char *text)
{
    char temporary[HUB_PATH_SIZE];
    cache_temporary(path, ".tmp", temporary);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return false;
    bool written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    written &= close(fd) == 0;
    if (written && rename(temporary, path) == 0)
        return true;
    unlink(temporary);
    return false;
}

void cache_write_ref(const struct hub_cache *cache, const char *revision, const char *commit)
{
    char path[HUB_PATH_SIZE], known[HUB_COMMIT_SIZE];
    struct error ignored;
    if (strcmp(revision, commit) == 0 ||
        (cache_read_ref(cache, revision, known) && strcmp(known, commit) == 0))
        return;
    path_set(path, "%s/refs/%s", cache->repo, revision);
    if (cache_make_parents(path, &ignored))
        replace_file(path, commit);
}

/* --- Snapshots */

void cache_snapshot(const struct hub_cache *cache, const char *commit, char path[HUB_PATH_SIZE])
{
    path_set(path, "%s/snapshots/%s", cache->repo, commit);
}

bool cache_has(const struct hub_cache *cache, const char *commit, const char *file)
{
    char path[HUB_PATH_SIZE];
    path_set(path, "%s/snapshots/%s/%s", cache->repo, commit, file);
    return access(path, F_OK) == 0;
}

bool cache_is_absent(const struct hub_cache *cache, const char *commit, const char *file)
{
    char path[HUB_PATH_SIZE];
    path_set(path, "%s/.no_exist/%s/%s", cache->repo, commit, file);
    return access(path, F_OK) == 0;
}

void cache_note_absent(const struct hub_cache *cache, const char *commit, const char *file)
{
    char path[HUB_PATH_SIZE];
    struct error ignored;
    path_set(path, "%s/.no_exist/%s/%s", cache->repo, commit, file);
    if (access(path, F_OK) == 0 || !cache_make_parents(path, &ignored))
        return;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd >= 0)
        close(fd);
}

void cache_blob(const struct hub_cache *cache, const char *etag, char path[HUB_PATH_SIZE])
{
    path_set(path, "%s/blobs/%s", cache->repo, etag);
}

static bool no_symlinks(int number)
{
    return number == EPERM || number == EOPNOTSUPP || number == ENOSYS || number == EINVAL;
}

bool cache_link(const struct hub_cache *cache, const char *commit, const char *file, const char *etag,
                struct error *err)
{
    char path[HUB_PATH_SIZE], temporary[HUB_PATH_SIZE], blob[HUB_PATH_SIZE], target[HUB_PATH_SIZE];
    path_set(path, "%s/snapshots/%s/%s", cache->repo, commit, file);
    cache_temporary(path, ".tmp", temporary);
    path_set(target, "../../%sblobs/%s", strchr(file, '/') ? "../" : "", etag);
    cache_blob(cache, etag, blob);
    if (!cache_make_parents(path, err))
        return false;
    if (symlink(target, temporary) != 0) {
        if (no_symlinks(errno) && rename(blob, path) == 0)
            return true;
        return error_set_errno(err, errno, "linking %s", path);
    }
    if (rename(temporary, path) == 0)
        return true;
    int number = errno;
    unlink(temporary);
    return error_set_errno(err, number, "linking %s", path);
}

/* --- Locks: those that the Python package filelock takes */

static enum cache_locked try_lock(int fd, const char *path, struct error *err)
{
    struct stat info;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK || errno == EACCES || errno == EINTR)
            return LOCK_BUSY;
        if (errno == ENOSYS || errno == ENOLCK || errno == EOPNOTSUPP)
            return LOCK_UNSUPPORTED;
        error_set_errno(err, errno, "locking %s", path);
        return LOCK_FAILED;
    }
    /* Deleted between our open() and flock(): a lock on a file without a name guards nothing. */
    return fstat(fd, &info) == 0 && info.st_nlink > 0 ? LOCK_HELD : LOCK_BUSY;
}

enum cache_locked cache_lock(const struct hub_cache *cache, const char *etag, int *fd, struct error *err)
{
    char path[HUB_PATH_SIZE];
    path_set(path, "%s/%s.lock", cache->lock, etag);
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW, 0664);
    if (*fd < 0) {
        error_set_errno(err, errno, "the lock of a download, %s", path);
        return LOCK_FAILED;
    }
    enum cache_locked locked = try_lock(*fd, path, err);
    if (locked != LOCK_HELD) {
        close(*fd);
        *fd = -1;
    }
    return locked;
}
