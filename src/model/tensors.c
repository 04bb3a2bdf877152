#include "model/tensors.h"

#include <stdlib.h>
#include <string.h>

enum {
    HEADER_PREFIX = 8,
    /* A header takes about 100 bytes a tensor; 16 MiB is room for 160,000. */
    MAX_HEADER = 16 << 20,
};

static const struct stored_type {
    const char *name;
    unsigned bits;
    bool is_float;
    enum dtype dtype;
} stored_types[] = {
    {"F32", 32, true, DTYPE_F32}, {"F16", 16, true, DTYPE_F16}, {"BF16", 16, true, DTYPE_BF16},
    {"F64", 64, false, 0},        {"I64", 64, false, 0},        {"I32", 32, false, 0},
    {"I16", 16, false, 0},        {"I8", 8, false, DTYPE_I8},   {"U64", 64, false, 0},
    {"U32", 32, false, 0},        {"U16", 16, false, 0},        {"U8", 8, false, 0},
    {"BOOL", 8, false, 0},        {"F8_E4M3", 8, false, 0},     {"F8_E5M2", 8, false, 0},
};

static const struct stored_type *find_stored_type(const char *name)
{
    for (size_t i = 0; name && i < sizeof stored_types / sizeof *stored_types; i++)
        if (strcmp(stored_types[i].name, name) == 0)
            return &stored_types[i];
    return NULL;
}

static bool fail(const struct tensor *tensor, struct error *err, const char *what)
{
    return error_set(err, ERR_BAD_MODEL, "%s: tensor %.200s: %s", tensor->file, tensor->name, what);
}

/* The product of the shape in bytes, or false where it overflows. */
static bool read_shape(yyjson_val *shape, unsigned bits, struct tensor *tensor, uint64_t *bytes,
                       struct error *err)
{
    size_t index, count;
    yyjson_val *extent;
    if (!yyjson_is_arr(shape))
        return fail(tensor, err, "shape is not a list");
    if (yyjson_arr_size(shape) > TENSOR_MAX_RANK)
        return fail(tensor, err, "more than 8 dimensions");
    uint64_t elements = 1;
    yyjson_arr_foreach (shape, index, count, extent) {
        if (!yyjson_is_uint(extent) || yyjson_get_uint(extent) > INT64_MAX)
            return fail(tensor, err, "a dimension is not a whole number from 0 to 2^63 - 1");
        tensor->shape[index] = (int64_t)yyjson_get_uint(extent);
        if (__builtin_mul_overflow(elements, yyjson_get_uint(extent), &elements))
            return fail(tensor, err, "the product of its dimensions overflows");
    }
    tensor->rank = (int)yyjson_arr_size(shape);
    if (__builtin_mul_overflow(elements, (uint64_t)(bits / 8), bytes))
        return fail(tensor, err, "the product of its dimensions overflows");
    return true;
}

static bool read_offsets(yyjson_val *offsets, uint64_t data_size, struct tensor *tensor, struct error *err)
{
    yyjson_val *begin = yyjson_arr_get(offsets, 0), *end = yyjson_arr_get(offsets, 1);
    if (yyjson_arr_size(offsets) != 2 || !yyjson_is_uint(begin) || !yyjson_is_uint(end))
        return fail(tensor, err, "data_offsets is not a list of two whole numbers");
    tensor->begin = yyjson_get_uint(begin);
    tensor->end = yyjson_get_uint(end);
    if (tensor->begin > tensor->end)
        return error_set(err, ERR_BAD_MODEL,
                         "%s: tensor %.200s: data_offsets go backwards, from %llu to %llu", tensor->file,
                         tensor->name, (unsigned long long)tensor->begin, (unsigned long long)tensor->end);
    if (tensor->end > data_size)
        return error_set(err, ERR_BAD_MODEL,
                         "%s: tensor %.200s: data_offsets end at %llu, past the file's %llu bytes of data "
                         "(is the file cut off?)",
                         tensor->file, tensor->name, (unsigned long long)tensor->end,
                         (unsigned long long)data_size);
    return true;
}

static bool read_entry(yyjson_val *entry, struct blob data, struct tensor *tensor, struct error *err)
{
    const struct stored_type *type = find_stored_type(yyjson_get_str(yyjson_obj_get(entry, "dtype")));
    if (!yyjson_is_obj(entry))
        return fail(tensor, err, "its entry is not an object");
    if (!type)
        return error_set(
            err, ERR_BAD_MODEL, "%s: tensor %.200s: dtype \"%.20s\" is unknown", tensor->file, tensor->name,
            yyjson_get_str(yyjson_obj_get(entry, "dtype")) ? yyjson_get_str(yyjson_obj_get(entry, "dtype"))
                                                           : "");
    tensor->dtype_name = type->name;
    tensor->dtype = type->dtype;
    tensor->is_float = type->is_float;
    uint64_t bytes = 0;
    if (!read_shape(yyjson_obj_get(entry, "shape"), type->bits, tensor, &bytes, err) ||
        !read_offsets(yyjson_obj_get(entry, "data_offsets"), data.size, tensor, err))
        return false;
    if (tensor->end - tensor->begin != bytes)
        return error_set(err, ERR_BAD_MODEL,
                         "%s: tensor %.200s: data_offsets span %llu bytes, its shape and dtype %s need %llu",
                         tensor->file, tensor->name, (unsigned long long)(tensor->end - tensor->begin),
                         type->name, (unsigned long long)bytes);
    tensor->data = data.bytes + tensor->begin;
    return true;
}

static int compare_places(const void *left, const void *right)
{
    const struct tensor *a = left, *b = right;
    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    return a->end < b->end ? -1 : a->end > b->end;
}

/* The data section must be covered without holes or overlaps, so that no byte means two things or none. */
static bool check_coverage(struct tensor *tensors, size_t count, const char *file, uint64_t data_size,
                           struct error *err)
{
    uint64_t covered = 0;
    qsort(tensors, count, sizeof *tensors, compare_places);
    for (size_t i = 0; i < count; i++) {
        if (tensors[i].begin != covered)
            return error_set(err, ERR_BAD_MODEL,
                             "%s: tensor %.200s begins at byte %llu of the data, want %llu: tensors %s", file,
                             tensors[i].name, (unsigned long long)tensors[i].begin,
                             (unsigned long long)covered,
                             tensors[i].begin < covered ? "overlap" : "leave a hole");
        covered = tensors[i].end;
    }
    if (covered != data_size)
        return error_set(err, ERR_BAD_MODEL, "%s: the tensors cover %llu of %llu bytes of data", file,
                         (unsigned long long)covered, (unsigned long long)data_size);
    return true;
}

/* What a clone without Git LFS has in place of each large file begins so. */
static const char lfs[] = "version https://git-lfs";

static yyjson_doc *read_header(const struct model_shard *shard, struct blob *data, struct arena *arena,
                               struct error *err)
{
    uint64_t length = 0;
    const unsigned char *bytes = shard->bytes.bytes;
    if (shard->bytes.size >= sizeof lfs - 1 && memcmp(bytes, lfs, sizeof lfs - 1) == 0) {
        error_set(err, ERR_BAD_MODEL,
                  "%s: a pointer of Git LFS stands in its place: git lfs pull gets the file itself",
                  shard->name);
        return NULL;
    }
    if (shard->bytes.size < HEADER_PREFIX) {
        error_set(err, ERR_BAD_MODEL, "%s: %zu bytes are too few for a safetensors file", shard->name,
                  shard->bytes.size);
        return NULL;
    }
    for (int i = HEADER_PREFIX - 1; i >= 0; i--)
        length = length << 8 | bytes[i];
    uint64_t room = shard->bytes.size - HEADER_PREFIX;
    if (length > room || length > MAX_HEADER) {
        error_set(err, ERR_BAD_MODEL,
                  "%s: its header claims %llu bytes, at most %llu are possible (is the file cut off?)",
                  shard->name, (unsigned long long)length,
                  (unsigned long long)(room < MAX_HEADER ? room : MAX_HEADER));
        return NULL;
    }
    struct blob header = {bytes + HEADER_PREFIX, (size_t)length};
    *data = (struct blob){header.bytes + length, (size_t)(room - length)};
    yyjson_doc *doc = model_json_read(header, shard->name, arena, err);
    if (doc && !yyjson_is_obj(yyjson_doc_get_root(doc))) {
        error_set(err, ERR_BAD_MODEL, "%s: its header is %s, want an object", shard->name,
                  json_type_words(yyjson_doc_get_root(doc)));
        return NULL;
    }
    return doc;
}

/* Appends the tensors of one file to out->sorted, which grows in the arena. */
static bool read_shard(const struct model_shard *shard, struct arena *arena, struct tensors *out,
                       struct error *err)
{
    struct blob data;
    yyjson_doc *doc = read_header(shard, &data, arena, err);
    if (!doc)
        return false;
    yyjson_val *root = yyjson_doc_get_root(doc), *key, *entry;
    size_t before = out->count, index, count, room = before + yyjson_obj_size(root);
    out->sorted = arena_grow(arena, out->sorted, before * sizeof *out->sorted, room * sizeof *out->sorted);
    if (!out->sorted)
        return error_set(err, ERR_NO_MEMORY, "%s: no memory for %zu tensors", shard->name, room);
    yyjson_obj_foreach (root, index, count, key, entry) {
        if (strcmp(yyjson_get_str(key), "__metadata__") == 0) {
            const char *made_for = yyjson_get_str(yyjson_obj_get(entry, "linnet_precision"));
            out->made_for = made_for ? made_for : out->made_for;
            continue;
        }
        struct tensor *tensor = &out->sorted[out->count];
        *tensor = (struct tensor){.name = yyjson_get_str(key), .file = shard->name};
        if (strlen(tensor->name) != yyjson_get_len(key))
            return fail(tensor, err, "its name has a NUL");
        if (!read_entry(entry, data, tensor, err))
            return false;
        if (tensor->is_float || tensor->dtype == DTYPE_I8)
            out->float_elements += (tensor->end - tensor->begin) / dtype_size(tensor->dtype);
        out->count++;
    }
    return check_coverage(out->sorted + before, out->count - before, shard->name, data.size, err);
}

static int compare_names(const void *left, const void *right)
{
    const struct tensor *a = left, *b = right;
    return strcmp(a->name, b->name);
}

/* Every tensor that the index lists must lie in the file that it says. */
static bool check_index(const struct model_files *files, const struct tensors *tensors, struct arena *arena,
                        struct error *err)
{
    if (!files->weight_index.bytes)
        return true;
    yyjson_doc *doc = model_json_read(files->weight_index, "model.safetensors.index.json", arena, err);
    if (!doc)
        return false;
    yyjson_val *map = yyjson_obj_get(yyjson_doc_get_root(doc), "weight_map"), *key, *file;
    size_t index, count;
    yyjson_obj_foreach (map, index, count, key, file) {
        const struct tensor *tensor = tensors_find(tensors, yyjson_get_str(key));
        if (!tensor || strcmp(tensor->file, yyjson_get_str(file)) != 0)
            return error_set(err, ERR_BAD_MODEL, "model.safetensors.index.json: tensor %.200s is not in %s",
                             yyjson_get_str(key), yyjson_get_str(file));
    }
    return true;
}

bool tensors_open(const struct model_files *files, struct arena *arena, struct tensors *out,
                  struct error *err)
{
    *out = (struct tensors){0};
    for (size_t i = 0; i < files->shard_count; i++)
        if (!read_shard(&files->shards[i], arena, out, err))
            return false;
    if (out->count)
        qsort(out->sorted, out->count, sizeof *out->sorted, compare_names);
    for (size_t i = 1; i < out->count; i++)
        if (strcmp(out->sorted[i - 1].name, out->sorted[i].name) == 0)
            return error_set(err, ERR_BAD_MODEL, "tensor %.200s stands in %s and in %s", out->sorted[i].name,
                             out->sorted[i - 1].file, out->sorted[i].file);
    return check_index(files, out, arena, err);
}

const struct tensor *tensors_find(const struct tensors *tensors, const char *name)
{
    struct tensor key = {.name = name};
    return tensors->count ? bsearch(&key, tensors->sorted, tensors->count, sizeof key, compare_names) : NULL;
}
