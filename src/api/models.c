/* Several models behind one server: which one a request is for. */
#include <stdio.h>
#include <string.h>

#include "api/internal.h"

static const char prefix[] = "/models/";

static bool is_named(const struct api *api, const char *name, size_t length)
{
    const char *own = api_model_name(api);
    return strlen(own) == length && memcmp(own, name, length) == 0;
}

struct api *models_named(const struct api *root, const char *name, size_t length)
{
    for (int i = 0; i < root->model_count; i++)
        if (is_named(root->models[i], name, length))
            return root->models[i];
    return NULL;
}

void models_enter(struct api *root, struct http_exchange *x)
{
    const char *path = http_path(x), *name = path + strlen(prefix);
    if (root->model_count == 1 || strncmp(path, prefix, strlen(prefix)) != 0)
        return;
    size_t length = strcspn(name, "/");
    for (int i = 0; i < root->model_count; i++)
        if (is_named(root->models[i], name, length))
            http_enter(x, name[length] ? strlen(prefix) + length : 0, i + 1);
}

bool models_unknown(const struct api *root, const struct http_exchange *x, struct error *err)
{
    const char *path = http_path(x), *name = path + strlen(prefix);
    if (!models_all(root, x) || strncmp(path, prefix, strlen(prefix)) != 0)
        return false;
    models_refuse(root, name, strcspn(name, "/"), err);
    return true;
}

/* --- What models can do */

bool serves_embeddings(const struct model_desc *model)
{
    return model->task == TASK_FEATURE_EXTRACTION && model->result == RESULT_ROWS;
}

bool serves_sparse(const struct model_desc *model)
{
    return model->task == TASK_SPARSE_EMBEDDING;
}

bool serves_labels(const struct model_desc *model)
{
    return model->task == TASK_TEXT_CLASSIFICATION;
}

bool serves_ranks(const struct model_desc *model)
{
    return serves_labels(model) && model->result == RESULT_ROWS && model->label_count == 1;
}

bool serves_tokens(const struct model_desc *model)
{
    return model->result == RESULT_ROWS;
}

bool serves_tasks(const struct model_desc *model)
{
    return serves_labels(model) || (model->result == RESULT_ROWS && model->task != TASK_FEATURE_EXTRACTION &&
                                    model->task != TASK_SPARSE_EMBEDDING);
}

bool serves_masks(const struct model_desc *model)
{
    return model->task == TASK_FILL_MASK && model->result == RESULT_ROWS;
}

bool serves_tensors(const struct model_desc *model)
{
    return model->result == RESULT_ROWS && (serves_labels(model) || serves_embeddings(model));
}

bool serves_instances(const struct model_desc *model)
{
    return serves_tensors(model) || serves_sparse(model);
}

/* --- Which one is meant */

struct api *models_first(struct api *const *models, int count, bool (*serves)(const struct model_desc *model))
{
    for (int i = 0; i < count; i++) {
        const struct sched *sched = models[i]->sched;
        if (sched && (!serves || serves(&sched_engine(sched)->desc)))
            return models[i];
    }
    return NULL;
}

struct api *models_meant(struct api *const *models, int count, const struct operation *operation)
{
    if (!operation)
        return models_first(models, count, NULL);
    struct api *preferred = operation->prefers ? models_first(models, count, operation->prefers) : NULL;
    return preferred ? preferred : models_first(models, count, operation->serves);
}

struct api *models_of(struct api *root, const struct route *route, const struct http_exchange *x)
{
    size_t length;
    if (http_place(x) > 0)
        return root->models[http_place(x) - 1];
    const char *name = route_parameter(route, http_path(x), "model", &length);
    struct api *named = name ? models_named(root, name, length) : NULL;
    if (named)
        return named;
    struct api *meant = NULL;
    if (route->operation && route->operation->serves)
        meant = models_meant(root->models, root->model_count, route->operation);
    if (route->operation && !meant)
        meant = models_first(root->models, root->model_count, NULL);
    return meant ? meant : root;
}

bool models_all(const struct api *api, const struct http_exchange *x)
{
    return api->root->model_count > 1 && http_place(x) == 0;
}

bool models_refuse(const struct api *root, const char *name, size_t length, struct error *err)
{
    char names[200] = "";
    for (int i = 0; i < root->model_count; i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s\"%.60s\"", i ? ", " : "",
                 api_model_name(root->models[i]));
    }
    return error_set(err, ERR_NOT_FOUND, "no model is served as \"%.*s\", want %s",
                     (int)(length < 100 ? length : 100), name, names);
}

void models_say_loading(const struct api *api, struct error *err)
{
    if (*api->failure) {
        error_set(err, ERR_LOADING, "the model could not be loaded: %s", api->failure);
        return;
    }
    error_set(err, ERR_LOADING, "the model is loading, try again in a second");
    err->retry_ms = 1000;
}

bool models_choose(struct call *call, yyjson_val *root, struct error *err)
{
    yyjson_val *name = yyjson_obj_get(root, "model");
    if (!models_all(call->api, call->x) || !yyjson_is_str(name))
        return true;
    struct api *api = models_named(call->api->root, yyjson_get_str(name), yyjson_get_len(name));
    if (!api)
        return models_refuse(call->api->root, yyjson_get_str(name), yyjson_get_len(name), err);
    if (!api->sched) {
        models_say_loading(api, err);
        return false;
    }
    if (api != call->api && api->open_calls >= api->options.max_requests) {
        error_set(err, ERR_OVERLOADED, "%zu requests are being answered, the limit is %zu", api->open_calls,
                  api->options.max_requests);
        err->retry_ms = 1000;
        return false;
    }
    call->api->open_calls--;
    api->open_calls++;
    call->api = api;
    call->engine = sched_engine(api->sched);
    return true;
}
