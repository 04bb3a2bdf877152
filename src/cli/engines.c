#include "cli/engines.h"

#include <string.h>

#include "base/log.h"
#include "cli/embedded.h"

void engine_choice_default(struct engine_choice *choice)
{
    *choice = (struct engine_choice){.engine = "auto", .batch_size = 8};
    python_options_default(&choice->python);
    choice->worker_timeout_ms = (int)choice->python.worker_timeout_ms;
}

/* The option that only Python can follow, or NULL. */
static const char *find_python_only(const struct engine_choice *choice)
{
    const struct python_options *python = &choice->python;
    if (python->worker_script)
        return "worker-script";
    if (python->task && task_find(python->task) == TASK_OTHER)
        return "task";
    if (choice->device && strcmp(choice->device, "cpu") != 0)
        return "device";
    /* float32 is what the native engine computes in. */
    if (python->dtype && strcmp(python->dtype, "float32") != 0)
        return "dtype";
    return python->trust_remote_code ? "trust-remote-code" : NULL;
}

/* A name is Python's own to find: a pipeline may need files that linnet does not read. */
static bool set_model(struct engine_choice *choice, const struct setup *setup, const char *model,
                      struct error *err)
{
    struct python_options *python = &choice->python;
    python->model = model;
    if (model && model_is_name(model)) {
        if (!hub_name_parse(model, setup->revision, &choice->name, err))
            return false;
        python->model = choice->name.repo;
        python->revision = strcmp(choice->name.revision, "main") != 0 ? choice->name.revision : NULL;
    } else if (setup->revision) {
        return error_set(err, ERR_USAGE, "--revision is for a name at the Hub, and %.300s is none",
                         model ? model : "a worker script");
    }
    return true;
}

static bool open_python(struct engine_choice *choice, const struct setup *setup, const char *model,
                        struct engine **out, struct error *err)
{
    struct python_options *python = &choice->python;
    if (!model && !python->worker_script)
        return error_set(
            err, ERR_USAGE,
            "--engine python wants a MODEL (a directory or a name at Hugging Face) or --worker-script "
            "FILE");
    if (setup->pooling)
        return error_set(err, ERR_USAGE, "--pooling %.60s is the native engine's, and Python is to serve",
                         setup->pooling);
    if (!set_model(choice, setup, model, err))
        return false;
    python->device = choice->device ? choice->device : "cpu";
    python->worker_timeout_ms = (unsigned)choice->worker_timeout_ms;
    python->script = embedded_worker_script();
    *out = python_open(python, err);
    return *out != NULL;
}

/* What the native engine does not know, Python may. */
static bool fall_back(struct engine_choice *choice, const struct setup *setup, const char *model,
                      const struct error *native, struct engine **out, struct error *err)
{
    log_warn("%s: falling back to the Python engine", native->message);
    if (open_python(choice, setup, model, out, err))
        return true;
    struct error python = *err;
    return error_set(err, native->kind, "%.240s; nor does the Python engine serve it: %.240s",
                     native->message, python.message);
}

bool engine_choice_open(struct engine_choice *choice, const struct setup *setup, const char *model,
                        struct model_files *files, struct engine **out, struct error *err)
{
    const char *python_only = find_python_only(choice);
    bool automatic = strcmp(choice->engine, "auto") == 0;
    if (strcmp(choice->engine, "python") == 0)
        return open_python(choice, setup, model, out, err);
    if (!automatic && strcmp(choice->engine, "native") != 0)
        return error_set(err, ERR_USAGE, "--engine is \"%.40s\", want native, python or auto",
                         choice->engine);
    if (python_only && !automatic)
        return error_set(err, ERR_USAGE, "--engine native does not know --%s, want --engine python",
                         python_only);
    if (python_only) {
        log_info("--%s is for the Python engine, which serves", python_only);
        return open_python(choice, setup, model, out, err);
    }
    struct setup native_setup = *setup;
    native_setup.task = choice->python.task;
    if (setup_open(&native_setup, model, files, out, err))
        return true;
    if (!automatic || err->kind != ERR_UNSUPPORTED_MODEL)
        return false;
    struct error native = *err;
    return fall_back(choice, setup, model, &native, out, err);
}
