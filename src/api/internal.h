/* What the files of api/ share: the server's state, its routes, and small answers. Loop thread only. */
#ifndef LINNET_API_INTERNAL_H
#define LINNET_API_INTERNAL_H

#include "api/call.h"
#include "api/keys.h"
#include "api/routes.h"
#include "api/tei_stats.h"

enum { MAX_STATUSES = 24 };

struct route_stats {
    struct {
        int status;
        unsigned long long answers;
    } by_status[MAX_STATUSES];
    struct histogram duration;
};

/* One model's side of the API; the first one's is also the server's. */
struct api {
    struct api_options options;
    struct api *root;               /* the first model's */
    struct api *models[API_MODELS]; /* [model_count] of the root: all, itself first */
    int model_count;
    char failure[400]; /* why the model could not be loaded, while the others are served; or "" */
    struct keys *keys;
    struct http_server *server;
    struct sched *sched; /* NULL until the model is loaded */
    bool draining;
    struct call *free_calls;
    size_t open_calls, free_count;
    struct arena json;                          /* the document of the request being read: one at a time */
    struct route_stats route_stats[MAX_ROUTES]; /* by route_label() */
    struct histogram prepare;                   /* seconds of tokenizing, a request */
    struct tei_stats tei;
    uint64_t started_ns;
    double started_time; /* Unix seconds */
};

/* The model as clients call it; "model" while none is loaded. */
const char *api_model_name(const struct api *api);

/* --- Several models (models.c) */

/* Takes /models/NAME off a path that goes on after it, or notes the model that the path alone names. */
void models_enter(struct api *root, struct http_exchange *x);

/* Whether the path is below /models/ and names none of several models: ERR_NOT_FOUND lists them. */
bool models_unknown(const struct api *root, const struct http_exchange *x, struct error *err);

/* The first of the models that is loaded and serves that (NULL: anything), or NULL. */
struct api *models_first(struct api *const *models, int count,
                         bool (*serves)(const struct model_desc *model));

/* The one of the models that an operation (NULL: any) means, as its `serves` and `prefers` say; or NULL. */
struct api *models_meant(struct api *const *models, int count, const struct operation *operation);

/* The model that a request is for: the one that its path names; else the one that the route's operation
 * means, else the first. */
struct api *models_of(struct api *root, const struct route *route, const struct http_exchange *x);

/* The model of that name, or NULL. */
struct api *models_named(const struct api *root, const char *name, size_t length);

/* Whether an answer is to speak of all models: there are several, and the path names none. */
bool models_all(const struct api *api, const struct http_exchange *x);

/* Moves a call to the model that its JSON's field "model" names, where the path names none and there are
 * several. ERR_NOT_FOUND lists the names. */
bool models_choose(struct call *call, yyjson_val *root, struct error *err);

/* ERR_NOT_FOUND: what was asked for, and the names there are. Returns false. */
bool models_refuse(const struct api *root, const char *name, size_t length, struct error *err);

/* ERR_LOADING: the model is not there yet, or could not be loaded. */
void models_say_loading(const struct api *api, struct error *err);

/* Whether the path's {model} is a name of the model that is served; else ERR_NOT_FOUND, with the names. Only
 * once a model is loaded. */
bool api_check_model(const struct api *api, const struct http_exchange *x, struct error *err);

/* --- Answers (answer.c) */

enum { MAX_ANSWER_FIELDS = 12 };

/* Header fields of an answer, their values beside them. */
struct answer_fields {
    struct http_response_field fields[MAX_ANSWER_FIELDS];
    char values[MAX_ANSWER_FIELDS][24];
    size_t count;
};

/* What every answer to texts says of itself in its header: tokens computed, texts that were truncated (where
 * there are any), and what its operation has besides. */
void answer_fields_set(const struct call *call, struct answer_fields *out);

/* Answers with a JSON body, whose memory it takes. */
void answer_json(struct http_exchange *x, int status, struct buf *body);

/* Answers with an error of that dialect; 429 and 503 carry Retry-After, 5xx the request id that the log also
 * has. */
void answer_error(struct http_exchange *x, const struct dialect *dialect, const struct error *err);

/* Answers with a dialect's error body, and one more header field where `value` is not NULL. */
void answer_refusal(struct http_exchange *x, const struct dialect *dialect, struct answer_kind kind,
                    const char *message, const char *field, const char *value);

/* kind_of() of dialects with plain statuses: 400 for whatever another request can avoid, and the kind's own
 * name as the type. */
struct answer_kind plain_kind_of(enum error_kind kind);

/* {"error": message, "error_type": type}, of linnet's own paths and of the dialects that have this form. */
void put_error(struct buf *out, const char *message, struct answer_kind kind);

/* --- Pages. */
void page_health(struct api *api, struct http_exchange *x);
void page_live(struct api *api, struct http_exchange *x);
void page_info(struct api *api, struct http_exchange *x);
void page_metrics(struct api *api, struct http_exchange *x);
void page_openapi(struct api *api, struct http_exchange *x);
void page_docs(struct api *api, struct http_exchange *x);
void page_asset(struct api *api, struct http_exchange *x);
void page_docs_style(struct api *api, struct http_exchange *x);

#endif
