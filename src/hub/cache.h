/* One repository's part of the cache, in huggingface_hub's layout:
 *
 *   <cache>/models--owner--name/blobs/<etag>              the bytes; <etag>.incomplete while they come
 *                              /refs/<revision>           the commit that a branch or tag was last seen at
 *                              /snapshots/<commit>/<file> -> ../../blobs/<etag>
 *                              /.no_exist/<commit>/<file> empty: that commit has no such file
 *   <cache>/.locks/models--owner--name/<etag>.lock        flock()ed by whoever downloads that blob
 *
 * File names must have passed hub_is_file_name(), ETags hub_is_etag(). Paths fit HUB_PATH_SIZE: see
 * hub_settings_read(). Any thread.
 */
#ifndef LINNET_HUB_CACHE_H
#define LINNET_HUB_CACHE_H

#include "hub/hub.h"

enum { HUB_COMMIT_SIZE = 41, HUB_ETAG_SIZE = 129, HUB_FILE_SIZE = 201 };

struct hub_cache {
    char root[HUB_PATH_SIZE]; /* <cache> */
    char repo[HUB_PATH_SIZE]; /* <cache>/models--owner--name */
    char lock[HUB_PATH_SIZE]; /* <cache>/.locks/models--owner--name */
};

/* Names the places; touches nothing. */
void cache_init(const struct hub_settings *settings, const struct hub_name *name, struct hub_cache *out);

/* The 40 hexadecimal digits of a commit. */
bool hub_is_commit(const char *text);

/* A plain name that may stand in a path: no slash, no control character, not hidden. */
bool hub_is_file_name(const char *text);
bool hub_is_etag(const char *text);

/* Makes the directories of the repository. ERR_PERMISSION and ERR_IO say how to choose another place. */
bool cache_make(const struct hub_cache *cache, struct error *err);

/* Makes what lies above `path`. */
bool cache_make_parents(const char *path, struct error *err);

/* The commit of `revision`, as last seen or because it is one; false where the cache does not know. */
bool cache_read_ref(const struct hub_cache *cache, const char *revision, char commit[HUB_COMMIT_SIZE]);

/* Notes the commit of a branch or tag. A cache that cannot be written stays as it is. */
void cache_write_ref(const struct hub_cache *cache, const char *revision, const char *commit);

void cache_snapshot(const struct hub_cache *cache, const char *commit, char path[HUB_PATH_SIZE]);
bool cache_has(const struct hub_cache *cache, const char *commit, const char *file);

/* .no_exist; a cache that cannot be written stays as it is. */
bool cache_is_absent(const struct hub_cache *cache, const char *commit, const char *file);
void cache_note_absent(const struct hub_cache *cache, const char *commit, const char *file);

void cache_blob(const struct hub_cache *cache, const char *etag, char path[HUB_PATH_SIZE]);

/* A name beside `path` that nobody else uses: <path>.<8 random digits><suffix>. */
void cache_temporary(const char *path, const char *suffix, char out[HUB_PATH_SIZE]);

/* Lets `file` of the snapshot be the blob. Where the file system has no symbolic links the blob itself is
 * moved there, as huggingface_hub does. */
bool cache_link(const struct hub_cache *cache, const char *commit, const char *file, const char *etag,
                struct error *err);

enum cache_locked {
    LOCK_HELD,
    LOCK_BUSY,        /* another process has it */
    LOCK_UNSUPPORTED, /* the file system has no locks */
    LOCK_FAILED,      /* err */
};

/* Tries to lock a blob. The lock is held while *fd is open; -1 where it is not held. */
enum cache_locked cache_lock(const struct hub_cache *cache, const char *etag, int *fd, struct error *err);

#endif
