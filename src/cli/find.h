/* From what a person calls a model to its directory: a directory is itself, a name at the Hub is downloaded.
 */
#ifndef LINNET_CLI_FIND_H
#define LINNET_CLI_FIND_H

#include "hub/hub.h"

/* Finds the directory of `model`: what exists under that path, else a Hub name, whose missing files are
 * downloaded with progress on stderr. What is neither is left as it is, for model_files_open() to refuse.
 * `revision` (or NULL) is for names. Errors as hub_find(); ERR_USAGE. */
bool model_find(const char *model, const char *revision, char directory[HUB_PATH_SIZE], struct error *err);

/* Whether model_find() would take `model` for a name. */
bool model_is_name(const char *model);

/* The same for what must be a Hub name. */
bool model_pull(const char *name, const char *revision, char directory[HUB_PATH_SIZE], struct error *err);

#endif
