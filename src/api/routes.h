/* The one table of paths: the router, 404 and 405, OPTIONS, the labels of /metrics, /openapi.json and /docs
 * all read it. A path holds parameters in braces: {model} may hold slashes ("owner/name"), any other may not.
 * Where several paths of the table match, the first counts. Loop thread only. */
#ifndef LINNET_API_ROUTES_H
#define LINNET_API_ROUTES_H

#include <stdbool.h>
#include <stddef.h>

struct api;
struct dialect;
struct http_exchange;
struct operation;

enum { MAX_ROUTES = 64, MAX_PARAMETERS = 2 };

struct route {
    const char *method; /* "GET" (HEAD too) or "POST" */
    const char *path;
    const struct dialect *dialect;
    const struct operation *operation;                      /* of POST, whose body is JSON; or ... */
    void (*page)(struct api *api, struct http_exchange *x); /* ... of GET */
    const char *request, *response;                         /* names of schemas (schemas.h); NULL: none */
    const char *summary;
    const char *type; /* of an answer that is no JSON, or need not be; NULL: it is JSON */
    bool is_open;     /* answers without an API key */
    bool is_probe;    /* answers 503 with the same body */
};

extern const struct route routes[];
extern const size_t route_count;

/* The parts of a path that stand for the route's parameters. */
struct parameters {
    struct {
        const char *name, *value; /* neither ends in NUL */
        size_t name_length, value_length;
    } of[MAX_PARAMETERS];
    size_t count;
};

/* The route of a method and a path; NULL: there is none. */
const struct route *route_find(const char *method, const char *path);

/* The same of a path alone: the first of its methods. */
const struct route *route_of_path(const char *path);

/* "GET, HEAD, POST": what the routes with this one's path take. */
const char *route_allow(const struct route *route, char *out, size_t size);

/* The index of the first route with this one's path, by which metrics count; route_count for NULL. */
size_t route_label(const struct route *route);

/* The dialect that an unknown path is closest to, by how it begins. */
const struct dialect *dialect_of_path(const char *path);

/* The value that `path` has for a route's parameter; NULL where the route has none of that name. */
const char *route_parameter(const struct route *route, const char *path, const char *name, size_t *length);

#endif
