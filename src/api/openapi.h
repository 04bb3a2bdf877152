/* What /openapi.json and /docs share. Loop thread. */
#ifndef LINNET_API_OPENAPI_H
#define LINNET_API_OPENAPI_H

#include "api/call.h"
#include "base/buf.h"

struct api;
struct route;

/* What a description speaks of: the one model that its own path names or that is served alone, or all of
 * several. */
struct described {
    struct api *const *models; /* [count] */
    int count;
};

struct described described_by(struct api *api, const struct http_exchange *x);

/* The model that answers the route where its path names none: the first that can, or NULL. */
const struct api *described_model(const struct described *described, const struct route *route);

/* Appends the JSON that a text of schemas.h stands for. */
void put_schema_text(const struct described *described, const char *text, struct buf *out);

/* The name of the schema of a route's request; NULL: it has none. */
const char *request_schema(const struct described *described, const struct route *route);

#endif
