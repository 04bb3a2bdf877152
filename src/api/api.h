/* The HTTP API: routes, dialects, metrics and status pages between http/ and sched/.
 *
 * Threads: everything here runs on the server's loop thread, but api_open() and api_close() before and after
 * it.
 */
#ifndef LINNET_API_API_H
#define LINNET_API_API_H

#include "base/error.h"
#include "http/http.h"
#include "sched/sched.h"

struct api;

struct api_options {
    const char *version;
    bool auto_truncate;   /* cut too long texts even where the request does not ask for it */
    size_t max_texts;     /* in one request */
    size_t inline_bytes;  /* requests with more bytes of text are tokenized off the loop thread */
    unsigned deadline_ms; /* of a request in the queue; the server's request_ms */
    size_t max_body_bytes;
    size_t max_requests; /* being prepared, waiting or computed; more get 429 */
};

/* 512 texts, 16 KiB inline. */
void api_options_default(struct api_options *options);

/* NULL: ERR_NO_MEMORY. Close it after the server and the scheduler have ended. */
struct api *api_open(const struct api_options *options, struct error *err);
void api_close(struct api *api);

/* What to give to http_open(), and then the server it made. */
struct http_handler api_handler(struct api *api);
void api_attach(struct api *api, struct http_server *server);

/* From now on requests are answered by `sched`; without one (NULL, and before) inference gets 503 and /health
 * says loading. */
void api_ready(struct api *api, struct sched *sched);

#endif
