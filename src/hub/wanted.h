/* Which files of a repository linnet reads, and whether those that are there make a model. */
#ifndef LINNET_HUB_WANTED_H
#define LINNET_HUB_WANTED_H

#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"

/* Whether a file is there: in a listing of the Hub, or in the cache. */
struct file_set {
    bool (*has)(const struct file_set *set, const char *file);
};

enum { WANTED_COUNT = 24 };

/* The files to have where `set` has them: fills names[], in the order in which to fetch them, and returns how
 * many. A name may be one that `set` does not have; shards and modules are not among them. */
size_t wanted_files(const struct file_set *set, const char *names[WANTED_COUNT]);

#define WEIGHT_INDEX "model.safetensors.index.json"
bool wanted_is_sharded(const struct file_set *set);

/* Whether config, tokenizer and weights are there. ERR_UNSUPPORTED_MODEL names what is missing in `repo`,
 * with the line that makes it where something can. */
bool wanted_check(const struct file_set *set, const char *repo, struct error *err);

#define MODULE_LIST "modules.json"

/* The files of the folders that the list of sentence-transformers' modules at `path` names, in `arena`:
 * config.json and model.safetensors of each, which need not be there. What is wrong with the list shows when
 * the model is read. NULL: ERR_NOT_FOUND, ERR_NO_MEMORY. */
const char **wanted_modules(const char *path, struct arena *arena, size_t *count, struct error *err);

/* The names of the shards that the index at `path` lists, each once, in `arena`; NULL: ERR_BAD_MODEL,
 * ERR_NOT_FOUND, ERR_NO_MEMORY. */
const char **wanted_shards(const char *path, struct arena *arena, size_t *count, struct error *err);

#endif
