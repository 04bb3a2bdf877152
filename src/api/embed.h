/* What text-embeddings-inference and Hugging Face ask of an embedding model in the same words. Reading is
 * for the loop thread, writing for any. */
#ifndef LINNET_API_EMBED_H
#define LINNET_API_EMBED_H

#include "api/call.h"

/* {"inputs", "normalize", "truncate", "truncation_direction", "prompt_name", "dimensions", "encoding_format"}
 * to a list of embeddings. */
bool embed_read(yyjson_val *root, struct call *call, struct error *err);
void embed_write(struct call *call, struct buf *out);

/* {"inputs", "truncate", "truncation_direction", "prompt_name"} to a list of sparse embeddings, each a list
 * of
 * {"index", "value"}. */
bool embed_sparse_read(yyjson_val *root, struct call *call, struct error *err);
void embed_sparse_write(struct call *call, struct buf *out);

/* {"inputs": {"source_sentence", "sentences"}} to a list of cosines. */
bool similarity_read(yyjson_val *root, struct call *call, struct error *err);
void similarity_write(struct call *call, struct buf *out);

#endif
