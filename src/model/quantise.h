/* Writes a model's directory anew with its weights in another precision: `linnet quantize`.
 *
 * What is written is docs/format.md: one model.safetensors, config.json, and the tokenizer's files as they
 * were. Only the matrices of the layers change their precision, and embeddings of F32, which become BF16;
 * what else there is stays as it was stored.
 */
#ifndef LINNET_MODEL_QUANTISE_H
#define LINNET_MODEL_QUANTISE_H

#include "kern/kern.h"
#include "model/files.h"

/* Writes `files` to `directory`, which must exist and be empty, for PRECISION_BF16 or PRECISION_INT8.
 * `kernels` widen stored halves. On failure what was written stays there, and: ERR_BAD_MODEL or
 * ERR_UNSUPPORTED_MODEL (a model that model_open() would refuse for its config or tensors, or one that is
 * quantised already), ERR_BAD_INPUT (a weight that is not finite), ERR_IO with the file, ERR_NO_MEMORY. */
bool quantise_files(const struct model_files *files, const struct kernels *kernels, enum precision precision,
                    const char *directory, struct error *err);

#endif
