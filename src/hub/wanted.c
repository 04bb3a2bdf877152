#include "hub/wanted.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "hub/cache.h"

enum { MODULE_FILES = 64, MAX_SHARDS = 1024, INDEX_DEPTH = 32, MAX_INDEX = 64 << 20 };

/* Small files first: what is wrong with a model should show before its weights have come. */
static const struct {
    const char *name;
    const char *with, *without; /* only where that file is there, only where it is not */
} files[] = {
    {"config.json", NULL, NULL},
    {"tokenizer_config.json", NULL, NULL},
    {"tokenizer.json", NULL, NULL},
    {"vocab.txt", NULL, "tokenizer.json"},
    {"vocab.json", NULL, "tokenizer.json"},
    {"merges.txt", NULL, "tokenizer.json"},
    {"added_tokens.json", NULL, "tokenizer.json"},
    {"special_tokens_map.json", NULL, NULL},
    {MODULE_LIST, NULL, NULL}, /* of sentence-transformers, as the next ones */
    {"config_sentence_transformers.json", MODULE_LIST, NULL},
    {"sentence_bert_config.json", MODULE_LIST, NULL},
    {"sentence_roberta_config.json", MODULE_LIST, NULL}, /* its other names, which old models have */
    {"sentence_distilbert_config.json", MODULE_LIST, NULL},
    {"sentence_camembert_config.json", MODULE_LIST, NULL},
    {"sentence_albert_config.json", MODULE_LIST, NULL},
    {"sentence_xlm-roberta_config.json", MODULE_LIST, NULL},
    {"sentence_xlnet_config.json", MODULE_LIST, NULL},
    {"1_Pooling/config.json", NULL, MODULE_LIST},
    {"model.safetensors", NULL, NULL},
    {WEIGHT_INDEX, NULL, "model.safetensors"},
};
_Static_assert(sizeof files / sizeof *files <= WANTED_COUNT, "names[] of wanted_files() holds all");

size_t wanted_files(const struct file_set *set, const char *names[WANTED_COUNT])
{
    size_t count = 0;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if ((!files[i].with || set->has(set, files[i].with)) &&
            (!files[i].without || !set->has(set, files[i].without)))
            names[count++] = files[i].name;
    return count;
}

bool wanted_is_sharded(const struct file_set *set)
{
    return !set->has(set, "model.safetensors") && set->has(set, WEIGHT_INDEX);
}

static bool check_weights(const struct file_set *set, const char *repo, struct error *err)
{
    if (set->has(set, "model.safetensors") || set->has(set, WEIGHT_INDEX))
        return true;
    if (!set->has(set, "pytorch_model.bin") && !set->has(set, "pytorch_model.bin.index.json"))
        return error_set(err, ERR_UNSUPPORTED_MODEL,
                         "%s has no model.safetensors and no " WEIGHT_INDEX
                         ": its weights are of a kind that linnet "
                         "does not read",
                         repo);
    return error_set(
        err, ERR_UNSUPPORTED_MODEL,
        "%s has only pytorch_model.bin (a pickle, which can run code); convert it: python3 -c \"from "
        "transformers import AutoTokenizer as T, AutoModelForSequenceClassification as M; "
        "T.from_pretrained('%s').save_pretrained('./model'); "
        "M.from_pretrained('%s').save_pretrained('./model')\", then give linnet ./model",
        repo, repo, repo);
}

bool wanted_check(const struct file_set *set, const char *repo, struct error *err)
{
    if (!set->has(set, "config.json"))
        return error_set(err, ERR_UNSUPPORTED_MODEL, "%s has no config.json: it is no model of transformers",
                         repo);
    if (!set->has(set, "tokenizer.json") && !set->has(set, "vocab.txt") &&
        !(set->has(set, "vocab.json") && set->has(set, "merges.txt")))
        return error_set(
            err, ERR_UNSUPPORTED_MODEL,
            "%s has no tokenizer.json and no vocabulary that linnet reads; make a directory with one: "
            "python3 -c \"from transformers import AutoTokenizer as T, "
            "AutoModelForSequenceClassification as M; "
            "T.from_pretrained('%s').save_pretrained('./model'); "
            "M.from_pretrained('%s').save_pretrained('./model')\"",
            repo, repo, repo);
    return check_weights(set, repo, err);
}

/* --- What a file of the repository names */

static const char *join(struct arena *arena, const char *folder, const char *file)
{
    size_t size = strlen(folder) + strlen(file) + 2;
    char *path = arena_alloc(arena, size);
    if (path)
        snprintf(path, size, "%s/%s", folder, file);
    return path;
}

/* A folder that is none, or too long a name, is left to who reads the model: it says so in words. */
static bool is_folder(const char *folder)
{
    return folder && hub_is_file_name(folder) &&
           strlen(folder) + sizeof "/model.safetensors" <= HUB_FILE_SIZE;
}

static bool read_modules(struct blob json, const char *names[MODULE_FILES], size_t *count,
                         struct arena *arena, struct error *err)
{
    struct arena scratch;
    struct error ignored;
    size_t at, size;
    yyjson_val *module;
    bool ok = true;
    arena_init(&scratch, 0, SIZE_MAX);
    yyjson_doc *doc = json_read((const char *)json.bytes, json.size, INDEX_DEPTH, &scratch, &ignored);
    yyjson_arr_foreach (yyjson_doc_get_root(doc), at, size, module) {
        const char *folder = yyjson_get_str(yyjson_obj_get(module, "path"));
        if (!is_folder(folder) || *count + 2 > MODULE_FILES)
            continue;
        names[(*count)++] = join(arena, folder, "config.json");
        names[(*count)++] = join(arena, folder, "model.safetensors");
        ok = ok && names[*count - 2] && names[*count - 1];
    }
    arena_free(&scratch);
    return ok || error_set(err, ERR_NO_MEMORY, "no memory for the list of modules");
}

const char **wanted_modules(const char *path, struct arena *arena, size_t *count, struct error *err)
{
    struct blob json;
    const char **names = arena_calloc(arena, MODULE_FILES, sizeof *names);
    *count = 0;
    if (!names) {
        error_set(err, ERR_NO_MEMORY, "no memory for the list of modules");
        return NULL;
    }
    if (!file_map(path, &json, err))
        return NULL;
    bool ok = read_modules(json, names, count, arena, err);
    file_unmap(&json);
    return ok ? names : NULL;
}

static bool add_shard(const char *names[MAX_SHARDS], size_t *count, yyjson_val *file, struct arena *arena,
                      struct error *err)
{
    const char *name = yyjson_get_str(file);
    if (!name || strlen(name) != yyjson_get_len(file) || !hub_is_file_name(name))
        return error_set(err, ERR_BAD_MODEL,
                         WEIGHT_INDEX
                         ": weight_map names %s \"%.100s\" as a shard, want the name of a file in the "
                         "same directory",
                         json_type_words(file), name ? name : "");
    for (size_t i = 0; i < *count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    if (*count == MAX_SHARDS)
        return error_set(err, ERR_BAD_MODEL, WEIGHT_INDEX ": more than %d shards", MAX_SHARDS);
    names[*count] = arena_strndup(arena, name, strlen(name));
    return names[(*count)++] != NULL || error_set(err, ERR_NO_MEMORY, "no memory for the list of shards");
}

static bool read_index(struct blob index, const char *names[MAX_SHARDS], size_t *count, struct arena *arena,
                       struct error *err)
{
    if (index.size > MAX_INDEX)
        return error_set(err, ERR_BAD_MODEL, WEIGHT_INDEX " has %zu bytes, at most %d are taken", index.size,
                         MAX_INDEX);
    struct arena scratch;
    arena_init(&scratch, 0, SIZE_MAX);
    yyjson_doc *doc = json_read((const char *)index.bytes, index.size, INDEX_DEPTH, &scratch, err);
    yyjson_val *map = yyjson_obj_get(yyjson_doc_get_root(doc), "weight_map"), *tensor, *file;
    bool ok = doc != NULL;
    size_t at, size;
    if (!ok)
        error_prefix(err, WEIGHT_INDEX);
    else if (!yyjson_is_obj(map) || yyjson_obj_size(map) == 0)
        ok = error_set(err, ERR_BAD_MODEL, WEIGHT_INDEX ": weight_map is missing or empty, want an object");
    if (ok) {
        yyjson_obj_foreach (map, at, size, tensor, file) {
            if (!(ok = add_shard(names, count, file, arena, err)))
                break;
        }
    }
    arena_free(&scratch);
    return ok;
}

const char **wanted_shards(const char *path, struct arena *arena, size_t *count, struct error *err)
{
    struct blob index;
    const char **names = arena_calloc(arena, MAX_SHARDS, sizeof *names);
    *count = 0;
    if (!names) {
        error_set(err, ERR_NO_MEMORY, "no memory for the list of shards");
        return NULL;
    }
    if (!file_map(path, &index, err))
        return NULL;
    bool ok = read_index(index, names, count, arena, err);
    file_unmap(&index);
    return ok ? names : NULL;
}
