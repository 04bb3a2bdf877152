/* Cohere's request and answer, which POST /rerank takes too. Loop thread. */
#ifndef LINNET_API_COHERE_H
#define LINNET_API_COHERE_H

#include "api/call.h"

bool cohere_read(yyjson_val *root, struct call *call, struct error *err);
void cohere_write(struct call *call, int version, struct buf *out);

#endif
