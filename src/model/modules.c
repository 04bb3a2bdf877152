#include "model/modules.h"

#include <string.h>

#include "model/files.h"

static const struct {
    const char *name; /* the last word of a type */
    enum module_kind kind;
} kinds[] = {
    {"Transformer", MODULE_TRANSFORMER},
    {"MLMTransformer", MODULE_MLM_TRANSFORMER},
    {"Pooling", MODULE_POOLING},
    {"SpladePooling", MODULE_SPLADE_POOLING},
    {"Dense", MODULE_DENSE},
    {"Normalize", MODULE_NORMALIZE},
    {"Dropout", MODULE_DROPOUT},
};

/* Types of other packages may have the same last word and another meaning. */
static enum module_kind kind_of(const char *type)
{
    const char *word = strrchr(type, '.');
    word = word ? word + 1 : type;
    for (size_t i = 0; strncmp(type, "sentence_transformers.", 22) == 0 && i < sizeof kinds / sizeof *kinds;
         i++)
        if (strcmp(kinds[i].name, word) == 0)
            return kinds[i].kind;
    return MODULE_OTHER;
}

static bool read_module(yyjson_val *value, int index, struct arena *arena, struct module *out,
                        struct error *err)
{
    yyjson_val *type = yyjson_obj_get(value, "type"), *path = yyjson_obj_get(value, "path");
    if (!yyjson_is_str(type) || !yyjson_is_str(path))
        return error_set(err, ERR_BAD_MODEL,
                         "modules.json: module %d lacks \"type\" or \"path\", want a string for each", index);
    bool own = yyjson_get_len(path) == 0;
    if (!own && !model_is_plain_name(yyjson_get_str(path), yyjson_get_len(path)))
        return error_set(err, ERR_BAD_MODEL,
                         "modules.json: module %d has the path \"%.100s\", want a folder of the model's "
                         "directory",
                         index, yyjson_get_str(path));
    *out = (struct module){
        .kind = kind_of(yyjson_get_str(type)),
        .type = arena_strndup(arena, yyjson_get_str(type), yyjson_get_len(type)),
        .folder = arena_strndup(arena, yyjson_get_str(path), yyjson_get_len(path)),
    };
    return (out->type && out->folder) || error_set(err, ERR_NO_MEMORY, "no memory for modules.json");
}

bool modules_read(struct blob json, struct arena *arena, struct module modules[MODULES_MAX], int *count,
                  struct error *err)
{
    struct arena scratch;
    size_t index, max;
    yyjson_val *value;
    *count = 0;
    arena_init(&scratch, 0, SIZE_MAX);
    yyjson_doc *doc = model_json_read(json, "modules.json", &scratch, err);
    yyjson_val *list = yyjson_doc_get_root(doc);
    bool ok = doc != NULL;
    if (ok && (!yyjson_is_arr(list) || yyjson_arr_size(list) == 0 || yyjson_arr_size(list) > MODULES_MAX))
        ok = error_set(err, ERR_BAD_MODEL,
                       "modules.json: the file holds %s with %zu entries, want a list of 1 to %d modules",
                       json_type_words(list), yyjson_get_len(list), MODULES_MAX);
    if (ok) {
        yyjson_arr_foreach (list, index, max, value) {
            if (!(ok = read_module(value, (int)index, arena, &modules[index], err)))
                break;
            *count = (int)index + 1;
        }
    }
    arena_free(&scratch);
    return ok;
}

static bool have(const struct module *modules, int count, enum module_kind kind)
{
    for (int i = 0; i < count; i++)
        if (modules[i].kind == kind)
            return true;
    return false;
}

bool modules_pool(const struct module *modules, int count)
{
    return have(modules, count, MODULE_POOLING);
}

bool modules_make_sparse(const struct module *modules, int count)
{
    return have(modules, count, MODULE_SPLADE_POOLING);
}
