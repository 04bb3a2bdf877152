/* One inference request on its way, and the dialect that it speaks.
 *
 * A call is made when the request is whole and belongs to the loop thread, but while its texts are prepared
 * on a helper thread or its job is with the scheduler. It has an arena of its own, for it may outlive the
 * exchange: when a client leaves, the call is cancelled and freed only once its job comes back. Finished
 * calls are kept for reuse.
 */
#ifndef LINNET_API_CALL_H
#define LINNET_API_CALL_H

#include "api/api.h"
#include "base/json.h"
#include "engine/score.h"

struct dialect;

/* How results are put together; each dialect uses what it knows. */
struct reply {
    enum score_function function;
    bool has_top_k;
    int top_k;      /* with has_top_k: labels of each text, at most label_count */
    bool is_list;   /* the request held a list of texts */
    bool is_object; /* the request held one text as an object */
};

struct call {
    struct job job; /* first: a job pointer is a call pointer */
    struct http_task finish;
    struct http_job prepare_job;
    struct api *api;
    const struct engine *engine; /* outlives the scheduler, and every call */
    struct http_exchange *x;     /* NULL once the exchange has ended */
    const struct dialect *dialect;
    struct arena arena;   /* texts, tokens, results */
    struct input *inputs; /* [job.count] */
    float *scores;        /* [label_count] and ... */
    int *order;           /* ... their ranking: scratch of writing */
    size_t text_bytes;
    struct prepare_options prepare;
    struct reply reply;
    struct error error; /* with kind ERR_NONE, or why preparing failed */
    uint64_t prepare_ns;
    struct call *next_free;
};

struct answer_kind {
    int status;
    const char *type; /* the error body's "error_type" */
};

/* How one family of clients speaks. Errors of all have the body {"error": ..., "error_type": ...}. */
struct dialect {
    /* Reads the request's JSON into call->inputs (by call_add_text()), prepare and reply. */
    bool (*read)(yyjson_val *root, struct call *call, struct error *err);
    /* Appends the answer's JSON. Every item of the job has its row. */
    void (*write)(const struct call *call, struct buf *out);
    struct answer_kind (*kind_of)(enum error_kind kind);
};

extern const struct dialect hf_dialect, tei_dialect;

/* Makes room for `count` texts; refuses more than the limit with ERR_TOO_MANY and none with
 * ERR_EMPTY_INPUT. */
bool call_set_count(struct call *call, size_t count, struct error *err);

/* Copies a JSON string into text `index` (as its pair where `pair` says so); another type is ERR_BAD_INPUT
 * with `field`. */
bool call_add_text(struct call *call, size_t index, bool pair, yyjson_val *text, const char *field,
                   struct error *err);

const struct model_desc *call_model(const struct call *call);

/* Appends the `count` best labels of text `index`, {"label": ..., "score": ...} with commas between. */
void call_put_labels(const struct call *call, size_t index, enum score_function function, int count,
                     struct buf *out);

/* What hf_dialect does with a model whose results are RESULT_JSON; `root` is an object. */
bool pipeline_read(yyjson_val *root, struct call *call, struct error *err);

/* Appends the JSON of all results, in a list where the request held one. */
void pipeline_write(const struct call *call, struct buf *out);

/* --- For api.c: the life of a call. */

/* An empty call for an exchange, from the API's store of used ones. NULL: no memory. */
struct call *call_new(struct api *api, struct http_exchange *x, const struct dialect *dialect);

/* Reads the body and sends the call on its way: to a helper thread, the scheduler, or straight to its
 * error. */
void call_start(struct call *call);

/* Answers a call that its exchange's deadline has overtaken. */
void call_expire(struct call *call);

/* The exchange is gone: the call goes on alone, cancelled. */
void call_detach(struct call *call);

void call_free(struct call *call);

#endif
