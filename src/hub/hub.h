/* Models by their name at the Hugging Face Hub: a name becomes a local directory, downloaded where it is
 * missing.
 *
 * The cache is huggingface_hub's own: <cache>/models--owner--name/{blobs,refs,snapshots,.no_exist} and
 * <cache>/.locks, so that what either wrote serves both, also at the same time. Only the files that linnet
 * reads are downloaded. Blocking, with no state between calls; any thread, one call at a time a process.
 */
#ifndef LINNET_HUB_HUB_H
#define LINNET_HUB_HUB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum {
    HUB_REPO_SIZE = 97,      /* the Hub's limit of 96 bytes */
    HUB_REVISION_SIZE = 201, /* a branch, tag or commit */
    HUB_PATH_SIZE = 4096,
    HUB_TOKEN_SIZE = 1024,
    HUB_ENDPOINT_SIZE = 512,
};

struct hub_name {
    char repo[HUB_REPO_SIZE]; /* "owner/name" or "name" */
    char revision[HUB_REVISION_SIZE];
};

/* Whether `text` has the form of a name, a revision behind @ included: a relative path can have it too. */
bool hub_is_name(const char *text);

/* Reads NAME or NAME@REVISION; `revision` (or NULL) is the one given apart, and both must not be there.
 * Without either it is "main". ERR_USAGE: what is wrong with it. */
bool hub_name_parse(const char *text, const char *revision, struct hub_name *out, struct error *err);

struct hub_settings {
    char cache[HUB_PATH_SIZE];
    char endpoint[HUB_ENDPOINT_SIZE]; /* scheme and host, no slash at the end */
    char token[HUB_TOKEN_SIZE];       /* "": none */
    char token_source[HUB_PATH_SIZE]; /* the variable or the file that the token is from, for messages */
    char certificates[HUB_PATH_SIZE]; /* a file of certificate authorities; "": the system's */
    const char *user_agent;
    long metadata_s, download_s; /* without a byte for so long, a request has failed */
    const char *offline;         /* the variable that says so, or NULL */
};

/* Reads HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH, HF_HUB_OFFLINE and their older names as
 * huggingface_hub does. ERR_USAGE: a variable that makes no sense. `user_agent` must outlive the settings. */
bool hub_settings_read(const char *user_agent, struct hub_settings *out, struct error *err);

/* Called on the thread of hub_find(), often: many times a second while bytes come. */
struct hub_progress {
    /* `done` of `total` bytes; `total` may grow. `waiting`: another process downloads `file`, we wait for it.
     */
    void (*report)(struct hub_progress *self, const char *file, bool waiting, uint64_t done, uint64_t total);
    /* A line for a person about what went wrong and is gone on with. */
    void (*note)(struct hub_progress *self, const char *line);
};

/* Finds the directory of a model's files, and downloads what is missing. Where the Hub cannot be asked, what
 * the cache has is used, with a note. SIGPIPE and SIGXFSZ must be ignored. ERR_NOT_FOUND (no such
 * model, revision or file, or offline and not cached), ERR_PERMISSION (401, 403, or the cache), ERR_IO
 * (network, disk, damaged bytes), ERR_UNSUPPORTED_MODEL (files that linnet does not read: with the line that
 * converts them), ERR_BAD_MODEL, ERR_NO_MEMORY: each says what to do. */
bool hub_find(const struct hub_settings *settings, const struct hub_name *name, struct hub_progress *progress,
              char directory[HUB_PATH_SIZE], struct error *err);

#endif
