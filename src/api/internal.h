/* What the files of api/ share: the server's state, its routes, and small answers. Loop thread only. */
#ifndef LINNET_API_INTERNAL_H
#define LINNET_API_INTERNAL_H

#include "api/call.h"

enum { MAX_ROUTES = 16, MAX_STATUSES = 24 };

/* A path and what answers it: a dialect (POST with a JSON body), or a page (GET). */
struct route {
    const char *path;
    const struct dialect *dialect;
    void (*page)(struct api *api, struct http_exchange *x);
};

/* The table ends with a row without a path, which stands for every other path. */
extern const struct route routes[];

/* NULL where no route has this path. */
const struct route *route_find(const char *path);

struct route_stats {
    struct {
        int status;
        unsigned long long answers;
    } by_status[MAX_STATUSES];
    struct histogram duration;
};

struct api {
    struct api_options options;
    struct http_server *server;
    struct sched *sched; /* NULL until the model is loaded */
    bool draining;
    struct call *free_calls;
    size_t open_calls, free_count;
    struct arena json;                          /* the document of the request being read: one at a time */
    struct route_stats route_stats[MAX_ROUTES]; /* by position in routes[] */
    struct histogram prepare;                   /* seconds of tokenizing, a request */
    uint64_t started_ns;
    double started_time; /* Unix seconds */
};

/* Answers with a JSON body, whose memory it takes. */
void answer_json(struct http_exchange *x, int status, struct buf *body);

/* Answers with an error of that dialect; 429 and 503 carry Retry-After, 5xx the request id that the log also
 * has. */
void answer_error(struct http_exchange *x, const struct dialect *dialect, const struct error *err);

/* {"error": message, "error_type": type} */
void put_error(struct buf *out, const char *message, const char *type);

/* Pages. */
void page_health(struct api *api, struct http_exchange *x);
void page_live(struct api *api, struct http_exchange *x);
void page_info(struct api *api, struct http_exchange *x);
void page_metrics(struct api *api, struct http_exchange *x);

#endif
