/* Texts by their relevance to a query, as every dialect of rerankers asks for it. Loop thread, but
 * rank_sort(), which is any's.
 *
 * The model is a cross-encoder: it classifies pairs, has one label, and the sigmoid of its logit is the
 * relevance.
 */
#ifndef LINNET_API_RANK_H
#define LINNET_API_RANK_H

#include "api/call.h"

/* ERR_UNSUPPORTED_MODEL where the model is no reranker. Before the fields are read. */
bool rank_begin(struct call *call, struct error *err);

/* The pairs of `query` and each of `texts`: strings, or objects with "text". `name` is what the request calls
 * the list. */
bool rank_read_pairs(yyjson_val *query, yyjson_val *texts, const char *name, struct call *call,
                     struct error *err);

struct ranked {
    size_t index; /* of the text */
    float score;
};

/* The most relevant first, equals in the request's order; *shown of them are asked for. NULL: no memory. They
 * live as long as the call. */
const struct ranked *rank_sort(struct call *call, size_t *shown);

#endif
