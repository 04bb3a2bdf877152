/* The files of one model, as bytes: a directory in Hugging Face form, or blobs that the executable carries.
 *
 * A directory needs config.json; tokenizer.json, or vocab.txt, or vocab.json with merges.txt (each with
 * tokenizer_config.json where there is one); and model.safetensors, or model.safetensors.index.json with the
 * shards that it names. What sentence-transformers writes beside them is taken where it is there.
 */
#ifndef LINNET_MODEL_FILES_H
#define LINNET_MODEL_FILES_H

#include "base/arena.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "model/modules.h"

struct model_shard {
    const char *name; /* of the file, for messages */
    struct blob bytes;
};

/* The bytes are file-backed and never written: a mapped file, or constant data of the executable. */
struct model_files {
    const char *name; /* the directory as given, or what else to call the model */
    struct blob config;
    struct blob tokenizer_json; /* or absent */
    struct blob vocab;          /* vocab.txt, only where there is no tokenizer.json */
    struct blob vocab_json;     /* vocab.json and merges.txt, only where there is neither */
    struct blob merges;
    struct blob tokenizer_config; /* or absent */
    struct blob weight_index;     /* model.safetensors.index.json, only where the weights are sharded */
    struct model_shard *shards;
    size_t shard_count;
    /* Of sentence-transformers. Without modules.json a 1_Pooling/config.json counts for it. */
    struct module modules[MODULES_MAX];
    int module_count;            /* 0: neither is there */
    struct blob modules_json;    /* or absent, as the next two */
    struct blob sentence_config; /* sentence_bert_config.json, or what else it is called: */
    const char *sentence_config_name;
    struct blob sentence_settings; /* config_sentence_transformers.json */
    bool built_in;                 /* bytes of the executable: not for unmapping */
    struct arena arena;            /* names and the shard list of an opened directory */
};

/* Maps the files of `directory`. On success release with model_files_close(), after every user of the bytes
 * has ended. On failure nothing is left open: ERR_NOT_FOUND (which file, and what a model directory needs),
 * ERR_PERMISSION, ERR_BAD_MODEL (a damaged index), ERR_UNSUPPORTED_MODEL (only pytorch_model.bin: with the
 * line that converts it). */
bool model_files_open(const char *directory, struct model_files *out, struct error *err);

/* Built-in files are left as they are. */
void model_files_close(struct model_files *files);

/* Whether a model's file may name another of its directory so: one component of a path, no dots. */
bool model_is_plain_name(const char *name, size_t length);

/* Reads one of the model's JSON files: json_read() with `name` before every message, and ERR_BAD_MODEL. */
yyjson_doc *model_json_read(struct blob bytes, const char *name, struct arena *arena, struct error *err);

#endif
