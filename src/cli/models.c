#include "cli/models.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"

static const char name_characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

/* The length of NAME in NAME=MODEL, or 0. */
static size_t name_length(const char *argument)
{
    size_t length = strspn(argument, name_characters);
    return argument[length] == '=' ? length : 0;
}

bool models_is_named(const char *argument)
{
    struct stat info;
    return name_length(argument) > 0 && stat(argument, &info) != 0;
}

static bool parse_one(const char *argument, const struct served_models *before, struct served_model *out,
                      struct error *err)
{
    size_t length = name_length(argument);
    if (length == 0)
        return error_set(err, ERR_USAGE,
                         "several models are each NAME=MODEL, with a name of letters, digits and ._-; "
                         "\"%.200s\" is not",
                         argument);
    if (length >= sizeof out->name)
        return error_set(err, ERR_USAGE, "the name %.40s... has %zu bytes, at most %zu are taken", argument,
                         length, sizeof out->name - 1);
    memcpy(out->name, argument, length);
    out->name[length] = '\0';
    out->model = argument + length + 1;
    if (!*out->model)
        return error_set(err, ERR_USAGE, "%s= has no model behind it", out->name);
    for (int i = 0; i < before->count; i++)
        if (strcmp(before->of[i].name, out->name) == 0)
            return error_set(err, ERR_USAGE, "two models are named \"%s\"", out->name);
    return true;
}

/* Options that say something about one model. */
static bool check_options(const struct engine_choice *choice, const struct setup *setup, struct error *err)
{
    const char *option = setup->revision                ? "revision"
                         : setup->pooling               ? "pooling"
                         : choice->python.task          ? "task"
                         : choice->python.worker_script ? "worker-script"
                                                        : NULL;
    return !option || error_set(err, ERR_USAGE, "--%s is for one model, and several are to be served%s",
                                option, setup->revision ? "; want NAME=owner/name@revision" : "");
}

bool models_parse(const char *const arguments[], size_t count, const struct engine_choice *choice,
                  const struct setup *setup, struct served_models *out, struct error *err)
{
    if (count > API_MODELS)
        return error_set(err, ERR_USAGE, "%zu models are too many, at most %d are served together", count,
                         API_MODELS);
    if (count > 1 && !check_options(choice, setup, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct served_model *model = &out->of[out->count];
        if (!parse_one(arguments[i], out, model, err))
            return false;
        model->choice = *choice;
        out->count++;
    }
    return true;
}

bool models_load(struct served_models *models, const struct setup *setup, bool allow_missing,
                 struct error *err)
{
    int loaded = 0;
    for (int i = 0; i < models->count; i++) {
        struct served_model *model = &models->of[i];
        if (engine_choice_open(&model->choice, setup, model->model, &model->files, &model->engine,
                               &model->failure)) {
            loaded++;
            continue;
        }
        model->engine = NULL;
        *err = model->failure;
        if (*model->name)
            error_prefix(err, "%s", model->name);
        if (!allow_missing)
            return false;
        log_error("%s; the other models are served without it", err->message);
    }
    return loaded > 0;
}

int models_engines(const struct served_models *models, struct engine *engines[API_MODELS])
{
    int count = 0;
    for (int i = 0; i < models->count; i++)
        if (models->of[i].engine)
            engines[count++] = models->of[i].engine;
    return count;
}

void models_interrupt(const struct served_models *models)
{
    for (int i = 0; i < models->count; i++)
        engine_interrupt(models->of[i].engine);
}

void models_close(struct served_models *models)
{
    for (int i = 0; i < models->count; i++) {
        if (!models->of[i].engine)
            continue;
        engine_close(models->of[i].engine);
        model_files_close(&models->of[i].files);
    }
}
