#include "model/files.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
    /* config.json and an index nest three levels; the rest is room for what later versions add. */
    JSON_DEPTH = 32,
    /* The largest published checkpoints have fewer than 200 shards. */
    MAX_SHARDS = 1024,
    MAX_PATH = 4096,
    /* A config.json has a few KB, the index of the largest published model a few MB. */
    MAX_JSON = 64 << 20,
};

static bool join_path(char path[MAX_PATH], const char *directory, const char *name, struct error *err)
{
    int length = snprintf(path, MAX_PATH, "%s/%s", directory, name);
    return length < MAX_PATH ||
           error_set(err, ERR_USAGE, "%.200s...: the path has more than %d bytes", directory, MAX_PATH - 1);
}

/* Maps a file that may be missing (then *out stays absent). A link to nothing is an error, not a missing
 * file. */
static bool map_optional(const char *directory, const char *name, struct blob *out, struct error *err)
{
    char path[MAX_PATH];
    struct stat link;
    struct error failure;
    if (!join_path(path, directory, name, err))
        return false;
    if (file_map(path, out, &failure))
        return true;
    if (failure.kind == ERR_NOT_FOUND && lstat(path, &link) != 0)
        return true;
    *err = failure;
    return false;
}

yyjson_doc *model_json_read(struct blob bytes, const char *name, struct arena *arena, struct error *err)
{
    if (bytes.size > MAX_JSON) {
        error_set(err, ERR_BAD_MODEL, "%s has %zu bytes, at most %d are taken", name, bytes.size, MAX_JSON);
        return NULL;
    }
    yyjson_doc *doc = json_read((const char *)bytes.bytes, bytes.size, JSON_DEPTH, arena, err);
    if (doc)
        return doc;
    error_prefix(err, "%s", name);
    if (err->kind == ERR_BAD_JSON)
        err->kind = ERR_BAD_MODEL;
    return NULL;
}

/* A shard is a plain file name: an index must not reach outside its directory. */
bool model_is_plain_name(const char *name, size_t length)
{
    return length > 0 && length < 256 && strlen(name) == length && !strchr(name, '/') &&
           strcmp(name, "..") != 0 && strcmp(name, ".") != 0;
}

static bool add_shard(struct model_files *files, const char *directory, yyjson_val *file, struct error *err)
{
    const char *name = yyjson_get_str(file);
    if (!name || !model_is_plain_name(name, yyjson_get_len(file)))
        return error_set(err, ERR_BAD_MODEL,
                         "model.safetensors.index.json: weight_map names %s \"%.100s\" as a shard, want the "
                         "name of a file in the same directory",
                         json_type_words(file), name ? name : "");
    for (size_t i = 0; i < files->shard_count; i++)
        if (strcmp(files->shards[i].name, name) == 0)
            return true;
    if (files->shard_count == MAX_SHARDS)
        return error_set(err, ERR_BAD_MODEL, "model.safetensors.index.json: more than %d shards", MAX_SHARDS);
    char path[MAX_PATH];
    struct model_shard *shard = &files->shards[files->shard_count];
    shard->name = arena_strndup(&files->arena, name, strlen(name));
    if (!shard->name)
        return error_set(err, ERR_NO_MEMORY, "no memory to open %s", name);
    if (!join_path(path, directory, name, err))
        return false;
    if (!file_map(path, &shard->bytes, err)) {
        error_prefix(err, "model.safetensors.index.json names a shard that cannot be opened");
        return false;
    }
    files->shard_count++;
    return true;
}

static bool open_sharded(struct model_files *files, const char *directory, struct error *err)
{
    struct arena scratch;
    arena_init(&scratch, 0, SIZE_MAX);
    yyjson_doc *doc = model_json_read(files->weight_index, "model.safetensors.index.json", &scratch, err);
    yyjson_val *map = yyjson_obj_get(yyjson_doc_get_root(doc), "weight_map");
    bool ok = doc != NULL;
    if (ok && (!yyjson_is_obj(map) || yyjson_obj_size(map) == 0))
        ok = error_set(err, ERR_BAD_MODEL,
                       "model.safetensors.index.json: weight_map is missing or empty, want an object of "
                       "tensor name to file name");
    files->shards = ok ? arena_calloc(&files->arena, MAX_SHARDS, sizeof *files->shards) : NULL;
    if (ok && !files->shards)
        ok = error_set(err, ERR_NO_MEMORY, "no memory to list the shards of %s", directory);
    size_t index, count;
    yyjson_val *tensor, *file;
    if (ok) {
        yyjson_obj_foreach (map, index, count, tensor, file) {
            if (!add_shard(files, directory, file, err)) {
                ok = false;
                break;
            }
        }
    }
    arena_free(&scratch);
    return ok;
}

static bool open_single(struct model_files *files, struct blob weights, struct error *err)
{
    files->shards = arena_calloc(&files->arena, 1, sizeof *files->shards);
    if (!files->shards) {
        file_unmap(&weights);
        return error_set(err, ERR_NO_MEMORY, "no memory to open %s", files->name);
    }
    files->shards[0] = (struct model_shard){.name = "model.safetensors", .bytes = weights};
    files->shard_count = 1;
    return true;
}

static bool refuse_missing_weights(const char *directory, struct error *err)
{
    char path[MAX_PATH];
    if (!join_path(path, directory, "pytorch_model.bin", err))
        return false;
    if (file_exists(path))
        return error_set(
            err, ERR_UNSUPPORTED_MODEL,
            "%s has only pytorch_model.bin (a pickle, which can run code); convert it: python3 -c \"from "
            "transformers import "
            "AutoModelForSequenceClassification as M; M.from_pretrained('%s').save_pretrained('%s')\"",
            directory, directory, directory);
    return error_set(err, ERR_NOT_FOUND, "%s has no model.safetensors and no model.safetensors.index.json",
                     directory);
}

static bool open_weights(struct model_files *files, const char *directory, struct error *err)
{
    struct blob weights = {0};
    if (!map_optional(directory, "model.safetensors", &weights, err))
        return false;
    if (weights.bytes)
        return open_single(files, weights, err);
    if (!map_optional(directory, "model.safetensors.index.json", &files->weight_index, err))
        return false;
    if (files->weight_index.bytes)
        return open_sharded(files, directory, err);
    return refuse_missing_weights(directory, err);
}

/* Whether the files are links, as in the cache of the Hub: what they lead to is shared, and not to be
 * written. */
static bool is_of_links(const char *directory)
{
    char path[MAX_PATH];
    struct stat info;
    struct error ignored;
    return join_path(path, directory, "config.json", &ignored) && lstat(path, &info) == 0 &&
           S_ISLNK(info.st_mode);
}

/* Directories of old versions list added tokens in a file of their own, which is not read: their ids would be
 * missing. */
static bool refuse_added_tokens(const struct model_files *files, const char *directory, struct error *err)
{
    static const char decoder[] = "\"added_tokens_decoder\"";
    char path[MAX_PATH];
    if (!join_path(path, directory, "added_tokens.json", err))
        return false;
    bool in_config =
        files->tokenizer_config.size &&
        memmem(files->tokenizer_config.bytes, files->tokenizer_config.size, decoder, sizeof decoder - 1);
    if (in_config || !file_exists(path))
        return true;
    if (is_of_links(directory))
        return error_set(
            err, ERR_UNSUPPORTED_MODEL,
            "%s has added_tokens.json, which linnet does not read; copy the directory (cp -rL) and make "
            "a tokenizer.json in the copy: python3 -c \"from transformers import AutoTokenizer as T; "
            "T.from_pretrained('COPY').save_pretrained('COPY')\"",
            directory);
    return error_set(err, ERR_UNSUPPORTED_MODEL,
                     "%s has added_tokens.json, which linnet does not read; make a tokenizer.json: python3 "
                     "-c \"from transformers "
                     "import AutoTokenizer as T; T.from_pretrained('%s').save_pretrained('%s')\"",
                     directory, directory, directory);
}

static bool open_small_files(struct model_files *files, const char *directory, struct error *err)
{
    struct stat info;
    if (stat(directory, &info) != 0 && errno != ENOENT && errno != ENOTDIR)
        return error_set_errno(err, errno, "%s", directory);
    if (stat(directory, &info) == 0 && !S_ISDIR(info.st_mode))
        return error_set(err, ERR_NOT_FOUND,
                         "%s is not a directory; a model is one, with config.json and its other files",
                         directory);
    if (stat(directory, &info) != 0)
        return error_set(err, ERR_NOT_FOUND,
                         "%s: no such directory; a model is a directory with config.json, tokenizer.json or "
                         "vocab.txt, and model.safetensors",
                         directory);
    if (!map_optional(directory, "config.json", &files->config, err))
        return false;
    if (!files->config.bytes)
        return error_set(err, ERR_NOT_FOUND, "%s has no config.json", directory);
    if (!map_optional(directory, "tokenizer_config.json", &files->tokenizer_config, err) ||
        !map_optional(directory, "tokenizer.json", &files->tokenizer_json, err))
        return false;
    if (!files->tokenizer_json.bytes && !map_optional(directory, "vocab.txt", &files->vocab, err))
        return false;
    if (!files->tokenizer_json.bytes && !files->vocab.bytes &&
        (!map_optional(directory, "vocab.json", &files->vocab_json, err) ||
         !map_optional(directory, "merges.txt", &files->merges, err)))
        return false;
    if (!files->tokenizer_json.bytes && !files->vocab.bytes &&
        !(files->vocab_json.bytes && files->merges.bytes))
        return error_set(err, ERR_NOT_FOUND,
                         "%s has no tokenizer.json, no vocab.txt and no vocab.json with merges.txt",
                         directory);
    return files->tokenizer_json.bytes || refuse_added_tokens(files, directory, err);
}

/* --- What sentence-transformers writes */

static bool open_module(struct module *module, const char *directory, struct error *err)
{
    char folder[MAX_PATH];
    if (!*module->folder) /* the encoder's own files */
        return true;
    return join_path(folder, directory, module->folder, err) &&
           map_optional(folder, "config.json", &module->config, err) &&
           (module->kind != MODULE_DENSE || map_optional(folder, "model.safetensors", &module->weights, err));
}

/* A directory with 1_Pooling alone is as good as one with modules.json: so does text-embeddings-inference. */
static bool open_pooling(struct model_files *files, const char *directory, struct error *err)
{
    files->modules[0] = (struct module){MODULE_TRANSFORMER, "Transformer", "", {0}, {0}};
    files->modules[1] = (struct module){MODULE_POOLING, "Pooling", "1_Pooling", {0}, {0}};
    files->module_count = 2;
    if (!open_module(&files->modules[1], directory, err))
        return false;
    if (!files->modules[1].config.bytes)
        files->module_count = 0;
    return true;
}

/* "{}", with any white space. */
static bool is_empty_object(struct blob json)
{
    char marks[3] = "";
    size_t count = 0;
    for (size_t i = 0; i < json.size && count < sizeof marks; i++)
        if (!strchr(" \t\r\n", json.bytes[i]))
            marks[count++] = (char)json.bytes[i];
    return count == 2 && marks[0] == '{' && marks[1] == '}';
}

/* Of a Transformer's settings sentence-transformers takes the first file that says something. */
static bool open_sentence_config(struct model_files *files, const char *directory, struct error *err)
{
    static const char *const names[] = {
        "sentence_bert_config.json",      "sentence_roberta_config.json", "sentence_distilbert_config.json",
        "sentence_camembert_config.json", "sentence_albert_config.json",  "sentence_xlm-roberta_config.json",
        "sentence_xlnet_config.json",
    };
    struct blob *config = &files->sentence_config;
    for (size_t i = 0; i < sizeof names / sizeof *names && !config->bytes; i++) {
        files->sentence_config_name = names[i];
        if (!map_optional(directory, names[i], config, err))
            return false;
        if (is_empty_object(*config))
            file_unmap(config);
    }
    return true;
}

static bool open_modules(struct model_files *files, const char *directory, struct error *err)
{
    if (!map_optional(directory, "modules.json", &files->modules_json, err) ||
        !open_sentence_config(files, directory, err) ||
        !map_optional(directory, "config_sentence_transformers.json", &files->sentence_settings, err))
        return false;
    if (!files->modules_json.bytes)
        return open_pooling(files, directory, err);
    if (!modules_read(files->modules_json, &files->arena, files->modules, &files->module_count, err))
        return false;
    for (int i = 0; i < files->module_count; i++)
        if (!open_module(&files->modules[i], directory, err))
            return false;
    return true;
}

bool model_files_open(const char *directory, struct model_files *out, struct error *err)
{
    *out = (struct model_files){.name = directory};
    arena_init(&out->arena, 0, SIZE_MAX);
    if (open_small_files(out, directory, err) && open_modules(out, directory, err) &&
        open_weights(out, directory, err))
        return true;
    model_files_close(out);
    return false;
}

void model_files_close(struct model_files *files)
{
    if (files->built_in)
        return;
    file_unmap(&files->config);
    file_unmap(&files->tokenizer_json);
    file_unmap(&files->vocab);
    file_unmap(&files->vocab_json);
    file_unmap(&files->merges);
    file_unmap(&files->tokenizer_config);
    file_unmap(&files->weight_index);
    for (size_t i = 0; i < files->shard_count; i++)
        file_unmap(&files->shards[i].bytes);
    files->shard_count = 0;
    file_unmap(&files->modules_json);
    file_unmap(&files->sentence_config);
    file_unmap(&files->sentence_settings);
    for (int i = 0; i < files->module_count; i++) {
        file_unmap(&files->modules[i].config);
        file_unmap(&files->modules[i].weights);
    }
    files->module_count = 0;
    arena_free(&files->arena);
}
