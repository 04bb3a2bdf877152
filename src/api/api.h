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

/* A file of the page at GET /. */
struct api_asset {
    const char *path, *type;
    struct blob bytes;
};

struct api_options {
    const char *version;
    const struct api_asset *assets; /* [asset_count]; they outlive the API. None: there is no page */
    size_t asset_count;
    bool auto_truncate;   /* cut too long texts even where the request does not ask for it */
    size_t max_texts;     /* of one request, refused or computed in parts as its path says */
    size_t inline_bytes;  /* requests with more bytes of text (call_text_bytes()) are tokenized off the loop
                             thread */
    unsigned deadline_ms; /* of a request in the queue; the server's request_ms */
    size_t max_body_bytes;
    size_t max_requests;    /* being prepared, waiting or computed; more get 429 */
    const char *model_name; /* as clients call the model; NULL: as it was given */
    /* Put before each text that is embedded: a text, or the name of one that the model has; NULL: nothing. */
    const char *default_prompt, *default_prompt_name;
    const char *api_key, *api_key_file; /* keys.h; NULL: none */
};

/* 512 texts, 16 KiB inline. */
void api_options_default(struct api_options *options);

enum { API_MODELS = 16 };

/* NULL: ERR_NO_MEMORY, or the errors of keys_open(). Close it after the server and the scheduler have ended.
 */
struct api *api_open(const struct api_options *options, struct error *err);
void api_close(struct api *api);

/* One more model beside the first, under a name of its own as the first then has one (options.model_name); at
 * most API_MODELS in all. It is closed with the first. NULL: ERR_NO_MEMORY. */
struct api *api_add(struct api *first, const char *name, struct error *err);

/* What to give to http_open(), and then the server it made. */
struct http_handler api_handler(struct api *api);
void api_attach(struct api *api, struct http_server *server);

/* From now on requests are answered by `sched`; without one (NULL, and before) inference gets 503 and /health
 * says loading. */
void api_ready(struct api *api, struct sched *sched);

/* The model could not be loaded, and others are served: its requests get 503 with the reason. */
void api_fail(struct api *api, const char *reason);

#endif
