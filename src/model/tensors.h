/* The tensors of a model's safetensors files, by name.
 *
 * Source: the safetensors format (8-byte little-endian header length, a JSON header, then the data without
 * holes or overlaps). Every file is checked whole before any tensor is used: a lying header is ERR_BAD_MODEL
 * with the file, the tensor and the value. Data are views into the model's files, little-endian, of any
 * alignment. Immutable after opening; any thread.
 */
#ifndef LINNET_MODEL_TENSORS_H
#define LINNET_MODEL_TENSORS_H

#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "kern/kern.h"
#include "model/files.h"

enum { TENSOR_MAX_RANK = 8 };

struct tensor {
    const char *name, *file; /* file: the shard it lies in */
    const char *dtype_name;  /* as stored: "F32", "I64", ... */
    enum dtype dtype;        /* of a float tensor, and of I8 */
    bool is_float;           /* F32, F16 or BF16 */
    int rank;
    int64_t shape[TENSOR_MAX_RANK];
    const unsigned char *data;
    uint64_t begin, end; /* of data in its file's data section */
};

struct tensors {
    struct tensor *sorted; /* by name */
    size_t count;
    uint64_t float_elements; /* of all float tensors, and of I8 */
    const char *made_for;    /* the precision that `linnet quantize` wrote the files for, or NULL */
};

/* Reads the headers of all shards of `files` into `arena`. Each tensor must lie in the shard that the index
 * says. */
bool tensors_open(const struct model_files *files, struct arena *arena, struct tensors *out,
                  struct error *err);

/* NULL where there is none of that name. */
const struct tensor *tensors_find(const struct tensors *tensors, const char *name);

#endif
