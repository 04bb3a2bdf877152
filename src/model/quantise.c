#include "model/quantise.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "model/config.h"
#include "model/family.h"
#include "model/tensors.h"

enum { MAX_PATH = 4096, STRIP = 4096 };

/* How a tensor is written. */
enum form { FORM_AS_STORED, FORM_BF16, FORM_INT8 };

struct quantising {
    const struct kernels *kernels;
    enum precision precision;
    const char *directory;
    struct arena arena; /* config and tensor list */
    struct model_config config;
    struct tensors tensors;
    FILE *file;
    float *row; /* [the longest row] */
    int8_t *q;  /* the same */
    struct error *err;
};

/* Is it the weight of that name, of any layer where the name has a layer's number in it? */
static bool is_weight(const struct quantising *self, const char *name, const char *prefix,
                      const char *pattern)
{
    char wanted[FAMILY_MAX_NAME];
    int layers = strstr(pattern, "%d") ? config_stored_layers(&self->config) : 1;
    for (int layer = 0; layer < layers; layer++) {
        struct layer_place place = family_layer_place(&self->config, layer);
        if (strcmp(name, family_tensor_name(wanted, prefix, pattern, place, "weight")) == 0)
            return true;
    }
    return false;
}

static enum form form_of(const struct quantising *self, const struct tensor *tensor)
{
    const struct family_names *names = self->config.family->names;
    const char *prefix = family_prefix(self->config.family, &self->tensors);
    const char *const matrices[] = {names->query, names->key,  names->value, names->attention_output,
                                    names->up,    names->gate, names->down};
    const char *const tables[] = {names->words, names->positions, names->types};
    if (!tensor->is_float || tensor->rank != 2)
        return FORM_AS_STORED;
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++)
        if (matrices[i] && is_weight(self, tensor->name, prefix, matrices[i]))
            return self->precision == PRECISION_INT8 ? FORM_INT8 : FORM_BF16;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (tables[i] && tensor->dtype == DTYPE_F32 && is_weight(self, tensor->name, prefix, tables[i]))
            return FORM_BF16;
    return FORM_AS_STORED;
}

static uint64_t elements(const struct tensor *tensor)
{
    return (tensor->end - tensor->begin) / dtype_size(tensor->dtype);
}

/* --- The header */

/* One entry, whose data take `bytes` from *offset on. */
static void put_entry(struct buf *out, const char *name, const char *suffix, const char *dtype,
                      const struct tensor *tensor, int rank, uint64_t bytes, uint64_t *offset)
{
    struct buf full;
    buf_init(&full);
    buf_puts(&full, name);
    buf_puts(&full, suffix);
    buf_putc(out, ',');
    json_put_string(out, full.bytes, full.length);
    out->failed |= full.failed;
    buf_free(&full);
    buf_printf(out, ":{\"dtype\":\"%s\",\"shape\":[", dtype);
    for (int i = 0; i < rank; i++)
        buf_printf(out, "%s%lld", i ? "," : "", (long long)tensor->shape[i]);
    uint64_t end = *offset + bytes;
    buf_printf(out, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)*offset, (unsigned long long)end);
    *offset = end;
}

static void put_tensor_entries(struct buf *out, const struct tensor *tensor, enum form form, uint64_t *offset)
{
    uint64_t rows = tensor->rank ? (uint64_t)tensor->shape[0] : 1;
    switch (form) {
    case FORM_AS_STORED:
        put_entry(out, tensor->name, "", tensor->dtype_name, tensor, tensor->rank,
                  tensor->end - tensor->begin, offset);
        break;
    case FORM_BF16:
        put_entry(out, tensor->name, "", "BF16", tensor, tensor->rank, 2 * elements(tensor), offset);
        break;
    case FORM_INT8:
        put_entry(out, tensor->name, "", "I8", tensor, tensor->rank, elements(tensor), offset);
        put_entry(out, tensor->name, "_scale", "F32", tensor, 1, rows * sizeof(float), offset);
        break;
    }
}

static bool write_header(struct quantising *self)
{
    struct buf header;
    uint64_t offset = 0;
    buf_init(&header);
    buf_printf(&header, "{\"__metadata__\":{\"format\":\"pt\",\"linnet_precision\":\"%s\"}",
               precision_name(self->precision));
    for (size_t i = 0; i < self->tensors.count; i++)
        put_tensor_entries(&header, &self->tensors.sorted[i], form_of(self, &self->tensors.sorted[i]),
                           &offset);
    buf_putc(&header, '}');
    while (header.length % 8 != 0)
        buf_putc(&header, ' ');
    bool ok = buf_ok(&header);
    if (ok) {
        unsigned char length[8];
        for (int i = 0; i < 8; i++)
            length[i] = (unsigned char)(header.length >> 8 * i);
        fwrite(length, 1, sizeof length, self->file);
        fwrite(header.bytes, 1, header.length, self->file);
    } else {
        error_set(self->err, ERR_NO_MEMORY, "no memory for the header of model.safetensors");
    }
    buf_free(&header);
    return ok;
}

/* --- The data */

static void write_bf16(struct quantising *self, const struct tensor *tensor)
{
    uint64_t count = elements(tensor);
    for (uint64_t i = 0; i < count; i += STRIP) {
        float wide[STRIP];
        uint16_t halves[STRIP];
        size_t n = count - i < STRIP ? (size_t)(count - i) : STRIP;
        self->kernels->widen(wide, tensor->data + i * dtype_size(tensor->dtype), tensor->dtype, n);
        for (size_t j = 0; j < n; j++)
            halves[j] = kern_bf16(wide[j]);
        fwrite(halves, sizeof *halves, n, self->file);
    }
}

static bool write_int8(struct quantising *self, const struct tensor *tensor)
{
    int64_t rows = tensor->shape[0];
    size_t k = (size_t)tensor->shape[1];
    float *scales = arena_alloc(&self->arena, (size_t)rows * sizeof *scales);
    if (!scales)
        return error_set(self->err, ERR_NO_MEMORY, "no memory for the scales of %.200s", tensor->name);
    for (int64_t row = 0; row < rows; row++) {
        size_t begin = (size_t)row * k * dtype_size(tensor->dtype);
        self->kernels->widen(self->row, tensor->data + begin, tensor->dtype, k);
        scales[row] = kern_quantise(self->q, self->row, (int)k);
        if (isnan(scales[row]))
            return error_set(self->err, ERR_BAD_INPUT,
                             "%s: tensor %.200s has a NaN or an infinity in row %lld", tensor->file,
                             tensor->name, (long long)row);
        fwrite(self->q, 1, k, self->file);
    }
    fwrite(scales, sizeof *scales, (size_t)rows, self->file);
    return true;
}

static bool write_tensor(struct quantising *self, const struct tensor *tensor)
{
    switch (form_of(self, tensor)) {
    case FORM_AS_STORED:
        fwrite(tensor->data, 1, (size_t)(tensor->end - tensor->begin), self->file);
        return true;
    case FORM_BF16:
        write_bf16(self, tensor);
        return true;
    case FORM_INT8:
        return write_int8(self, tensor);
    }
    return true;
}

/* Room for the longest row of any tensor. */
static bool allocate_row(struct quantising *self)
{
    size_t longest = 1;
    for (size_t i = 0; i < self->tensors.count; i++) {
        const struct tensor *tensor = &self->tensors.sorted[i];
        if (tensor->rank == 2 && (size_t)tensor->shape[1] > longest)
            longest = (size_t)tensor->shape[1];
    }
    self->row = arena_alloc(&self->arena, longest * sizeof *self->row);
    self->q = arena_alloc(&self->arena, longest);
    return (self->row && self->q) ||
           error_set(self->err, ERR_NO_MEMORY, "no memory for a row of %zu weights", longest);
}

/* --- Files */

static bool open_file(struct quantising *self, const char *name)
{
    char path[MAX_PATH];
    if (snprintf(path, sizeof path, "%s/%s", self->directory, name) >= MAX_PATH)
        return error_set(self->err, ERR_USAGE, "%.200s...: the path has more than %d bytes", self->directory,
                         MAX_PATH - 1);
    self->file = fopen(path, "wbxe");
    return self->file || error_set_errno(self->err, errno, "%s", path);
}

/* Errors of all writes since open_file() show here. */
static bool close_file(struct quantising *self, const char *name)
{
    bool failed = ferror(self->file) || fflush(self->file) != 0;
    int problem = errno;
    failed = fclose(self->file) != 0 || failed;
    self->file = NULL;
    return !failed || error_set_errno(self->err, problem ? problem : EIO, "%s/%s", self->directory, name);
}

static bool write_blob(struct quantising *self, const char *name, struct blob bytes)
{
    if (!bytes.bytes)
        return true;
    if (!open_file(self, name))
        return false;
    fwrite(bytes.bytes, 1, bytes.size, self->file);
    return close_file(self, name);
}

static bool make_folder(struct quantising *self, const char *name)
{
    char path[MAX_PATH];
    if (snprintf(path, sizeof path, "%s/%s", self->directory, name) >= MAX_PATH)
        return error_set(self->err, ERR_USAGE, "%.200s...: the path has more than %d bytes", self->directory,
                         MAX_PATH - 1);
    return mkdir(path, 0755) == 0 || error_set_errno(self->err, errno, "%s", path);
}

/* Pooling and Dense, whose few weights stay as they are. */
static bool write_modules(struct quantising *self, const struct model_files *files)
{
    char name[NAME_MAX + 32];
    for (int i = 0; i < files->module_count; i++) {
        const struct module *module = &files->modules[i];
        if (!module->config.bytes)
            continue;
        if (!make_folder(self, module->folder))
            return false;
        snprintf(name, sizeof name, "%s/config.json", module->folder);
        if (!write_blob(self, name, module->config))
            return false;
        snprintf(name, sizeof name, "%s/model.safetensors", module->folder);
        if (!write_blob(self, name, module->weights))
            return false;
    }
    return write_blob(self, "modules.json", files->modules_json) &&
           write_blob(self, files->sentence_config_name, files->sentence_config) &&
           write_blob(self, "config_sentence_transformers.json", files->sentence_settings);
}

static bool write_weights(struct quantising *self)
{
    if (!allocate_row(self) || !open_file(self, "model.safetensors"))
        return false;
    bool ok = write_header(self);
    for (size_t i = 0; ok && i < self->tensors.count; i++)
        ok = write_tensor(self, &self->tensors.sorted[i]);
    return close_file(self, "model.safetensors") && ok;
}

/* As it was, and at int8 with a word to programs that would take the integers for weights. */
static bool write_config(struct quantising *self, struct blob json)
{
    if (self->precision != PRECISION_INT8)
        return write_blob(self, "config.json", json);
    yyjson_doc *doc = model_json_read(json, "config.json", &self->arena, self->err);
    yyjson_mut_doc *changed = doc ? yyjson_doc_mut_copy(doc, NULL) : NULL;
    yyjson_mut_val *root = changed ? yyjson_mut_doc_get_root(changed) : NULL;
    if (root)
        yyjson_mut_obj_remove_key(root, "quantization_config"); /* null, or it would have been refused */
    yyjson_mut_val *note = root ? yyjson_mut_obj_add_obj(changed, root, "quantization_config") : NULL;
    size_t length = 0;
    char *text = NULL;
    if (note && yyjson_mut_obj_add_str(changed, note, "quant_method", CONFIG_QUANT_METHOD) &&
        yyjson_mut_obj_add_int(changed, note, "bits", 8))
        text = yyjson_mut_write(changed, YYJSON_WRITE_PRETTY, &length);
    bool ok = text   ? write_blob(self, "config.json", (struct blob){(const unsigned char *)text, length})
              : !doc ? false
                     : error_set(self->err, ERR_NO_MEMORY, "no memory to write config.json");
    free(text);
    yyjson_mut_doc_free(changed);
    return ok;
}

static bool read_model(struct quantising *self, const struct model_files *files)
{
    enum head_wish wish =
        modules_pool(files->modules, files->module_count) ? HEAD_OF_EMBEDDINGS : HEAD_OF_FILES;
    if (!config_read(files->config, wish, &self->arena, &self->config, self->err) ||
        !tensors_open(files, &self->arena, &self->tensors, self->err))
        return false;
    return !self->tensors.made_for ||
           error_set(self->err, ERR_UNSUPPORTED_MODEL, "it was written for %s already; quantize the original",
                     self->tensors.made_for);
}

bool quantise_files(const struct model_files *files, const struct kernels *kernels, enum precision precision,
                    const char *directory, struct error *err)
{
    struct quantising self = {.kernels = kernels, .precision = precision, .directory = directory, .err = err};
    arena_init(&self.arena, 0, SIZE_MAX);
    bool ok = read_model(&self, files) && write_config(&self, files->config) && write_weights(&self) &&
              write_modules(&self, files) && write_blob(&self, "tokenizer.json", files->tokenizer_json) &&
              write_blob(&self, "vocab.txt", files->vocab) &&
              write_blob(&self, "vocab.json", files->vocab_json) &&
              write_blob(&self, "merges.txt", files->merges) &&
              write_blob(&self, "tokenizer_config.json", files->tokenizer_config);
    arena_free(&self.arena);
    return ok;
}
