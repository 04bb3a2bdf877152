/* The models that `linnet serve` serves: one, or several as NAME=MODEL. */
#ifndef LINNET_CLI_MODELS_H
#define LINNET_CLI_MODELS_H

#include "api/api.h"
#include "cli/engines.h"

struct served_model {
    char name[64];     /* "": the only one, called as api_options say */
    const char *model; /* NULL: the embedded one */
    struct engine_choice choice;
    struct model_files files;
    struct engine *engine; /* NULL before models_load(), and where the model could not be loaded */
    struct error failure;  /* why not */
    struct api *api;
};

struct served_models {
    struct served_model of[API_MODELS];
    int count;
};

/* Whether an argument is NAME=MODEL and no file. */
bool models_is_named(const char *argument);

/* Fills names and models from the arguments, all NAME=MODEL. ERR_USAGE: one without a name, a bad name or one
 * given twice, too many; options of `choice` and `setup` that are for one model. */
bool models_parse(const char *const arguments[], size_t count, const struct engine_choice *choice,
                  const struct setup *setup, struct served_models *out, struct error *err);

/* Opens all, one after the other. A model that fails is logged; where `allow_missing` the others go on
 * without it. False: ERR_* of the first that failed, or of the last where none is left. What was opened is
 * closed by models_close(). */
bool models_load(struct served_models *models, const struct setup *setup, bool allow_missing,
                 struct error *err);

/* The engines that are open, in order. Returns how many. */
int models_engines(const struct served_models *models, struct engine *engines[API_MODELS]);

/* What computes now may fail: engine_interrupt() of each. */
void models_interrupt(const struct served_models *models);

void models_close(struct served_models *models);

#endif
