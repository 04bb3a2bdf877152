/* One inference request on its way: a dialect says how its errors look, an operation what is done.
 *
 * A call is made when the request is whole and belongs to the loop thread, but while its texts are prepared
 * or its answer is written on a helper thread, or its job is with the scheduler. Meanwhile the loop thread
 * touches `x`, which is its own always, and sets job.cancelled; nothing else. It has an arena of its own, for
 * it may outlive the exchange: when a client leaves or the deadline passes, the call is cancelled and freed
 * only once it comes back. Finished calls are kept for reuse.
 */
#ifndef LINNET_API_CALL_H
#define LINNET_API_CALL_H

#include "api/api.h"
#include "base/json.h"
#include "engine/score.h"

struct oip_request;
struct task_request;
struct vertex_request;

/* How results are put together; each operation uses what it knows. */
struct reply {
    enum score_function function;
    bool has_top_k;
    int top_k;       /* with has_top_k: labels of each text, at most label_count */
    bool is_list;    /* the request held a list of texts */
    bool has_source; /* the first text is not of the list, but what its texts are compared with */
    bool is_object;  /* the request held one text as an object */
    bool is_nested;  /* each text's labels are a list of their own, whatever the request's form */

    bool is_base64; /* embeddings as base64 of little-endian floats */

    bool is_ranking;        /* POST / was sent a query with texts */
    size_t top_n;           /* a ranking's best; SIZE_MAX: all */
    bool returns_texts;     /* a ranking repeats the texts */
    bool is_documents;      /* POST /rerank in Cohere's form */
    const char *request_id; /* of an answer that holds it */

    bool adds_special_tokens, skips_special_tokens;
    struct oip_request *oip;
    struct vertex_request *vertex;
};

struct answer_kind {
    int status;
    const char *type; /* a stable word for programs; error bodies hold it where their dialect has room */
};

/* How one family of clients is told what went wrong. */
struct dialect {
    const char *name; /* of the group in /docs and /openapi.json */
    struct answer_kind (*kind_of)(enum error_kind kind);
    void (*put_error)(struct buf *out, const char *message, struct answer_kind kind);
    const char *error_schema; /* schemas.h */
};

struct call;

/* For operation.serves. */
bool serves_embeddings(const struct model_desc *model);
bool serves_sparse(const struct model_desc *model); /* sparse embeddings, which are none of the others */
bool serves_labels(const struct model_desc *model);
bool serves_ranks(const struct model_desc *model);
bool serves_tasks(const struct model_desc *model); /* labels; natively all but embeddings */
bool serves_masks(const struct model_desc *model);
bool serves_tokens(const struct model_desc *model);
bool serves_tensors(const struct model_desc *model);
bool serves_instances(const struct model_desc *model); /* of /vertex: tensors, or sparse embeddings */

/* What a path makes of a request's JSON. */
struct operation {
    /* Reads it into call->inputs (by call_add_text()), prepare and reply. */
    bool (*read)(yyjson_val *root, struct call *call, struct error *err);
    /* Appends the answer's JSON. Every item of the job has its row. Any thread: not the exchange's, nor what
     * of `api` changes. What fails is memory, of which `out` says so. */
    void (*write)(struct call *call, struct buf *out);
    /* NULL: the whole body is JSON. Else sets *length to the bytes of JSON that it begins with. */
    bool (*split)(struct http_exchange *x, size_t *length, struct error *err);
    bool splits_lists; /* a list over max_texts is computed in parts; else it is refused */
    /* NULL: any will do. Else the models that can answer, of several the first of which is meant... */
    bool (*serves)(const struct model_desc *model);
    /* ...where none is of these (NULL: there are none), the first of which is meant otherwise. */
    bool (*prefers)(const struct model_desc *model);
    bool has_times; /* the answer has text-embeddings-inference's header fields of times */
    /* NULL: the engine prepares the items, then computes them. Else this makes the answer of item `index`
     * (JSON), and nothing is computed. Any thread. */
    bool (*answer_item)(struct call *call, size_t index, struct error *err);
};

struct call {
    struct job job; /* first: a job pointer is a call pointer */
    struct http_task finish;
    struct http_job helper_job; /* of preparing, then of writing */
    struct api *api;
    const struct engine *engine; /* outlives the scheduler, and every call */
    struct http_exchange *x;     /* NULL once the exchange has ended */
    const struct route *route;
    struct arena arena;   /* texts, tokens, results */
    struct input *inputs; /* [count] */
    struct item *items;   /* [count]; job.items are those on their way, all of them when write() is called */
    size_t count, submitted;
    const char *field; /* what the request calls the list of its texts */
    float *scores;     /* [label_count] and ... */
    int *order;        /* ... their ranking: scratch of writing */
    /* What is prepared before the texts, on the same thread, or NULL; and besides them, counted as text. */
    bool (*prepare_first)(struct call *call, struct error *err);
    size_t more_bytes;
    struct prepare_options prepare;
    struct sparse_value *sparse_room; /* malloc'd, of the part that is on its way; or NULL */
    struct reply reply;
    struct task_request *request; /* what tasks other than text classification ask for, or NULL */
    size_t items_per_text;        /* 0: 1 */
    struct error error;           /* with kind ERR_NONE, or why preparing failed */
    struct buf body;              /* the answer, once it is written */
    uint64_t begin_ns, prepare_ns, queue_ns, compute_ns;
    size_t json_length; /* of an answer that goes on with bytes after its JSON; 0: it is all JSON */
    struct call *next_free;
};

/* Makes room for `count` texts, which the request calls `field`: a static string. Refuses none with
 * ERR_EMPTY_INPUT, and with ERR_TOO_MANY more than the limit where the operation does not split lists, or
 * more than MAX_SPLIT_TEXTS. */
enum { MAX_SPLIT_TEXTS = 65536 };
bool call_set_count(struct call *call, size_t count, const char *field, struct error *err);

/* Copies a JSON string into text `index` (as its pair where `pair` says so); another type is ERR_BAD_INPUT
 * with `field`. */
bool call_add_text(struct call *call, size_t index, bool pair, yyjson_val *text, const char *field,
                   struct error *err);

/* The same of bytes, which are valid UTF-8. */
bool call_add_bytes(struct call *call, size_t index, bool pair, const char *text, size_t length,
                    struct error *err);

const struct model_desc *call_model(const struct call *call);

/* The model as clients call it. Any thread. */
const char *call_model_name(const struct call *call);

/* False where nobody waits for the answer any more, and what is written of it will be thrown away. Any
 * thread. */
bool call_is_wanted(const struct call *call);

/* Appends the `count` best labels of text `index`, {"label": ..., "score": ...} with commas between. */
void call_put_labels(const struct call *call, size_t index, enum score_function function, int count,
                     struct buf *out);

/* What Hugging Face's operation does with a model whose results are RESULT_JSON; `root` is an object. */
bool pipeline_read(yyjson_val *root, struct call *call, struct error *err);

/* Appends the JSON of all results, in a list where the request held one. */
void pipeline_write(const struct call *call, struct buf *out);

/* --- How much a call is (call_size.c), and how much it may be. Any thread. */

/* What preparing it costs, in bytes of text: each text of each item, those of an item in several ways too. A
 * text without bytes costs as much as so many. */
enum { CALL_BYTES_A_TEXT = 32 };
size_t call_text_bytes(const struct call *call);

/* About how many bytes the answer has, all items being prepared. */
size_t call_answer_bytes(const struct call *call);

/* The most that a call's arena may take, and its answer. */
size_t call_most_arena_bytes(const struct api *api);
size_t call_most_answer_bytes(const struct api *api);

/* ERR_TOO_LARGE where the answer would clearly pass its limit, with what would fit. */
bool call_answer_fits(const struct call *call, struct error *err);

/* Where `err` says that there is no memory and the arena's limit is the reason: ERR_TOO_LARGE in its place,
 * with what would fit. `prepared` items had been. */
void call_blame_limit(const struct call *call, size_t prepared, struct error *err);

/* Why the answer could not be written: ERR_TOO_LARGE or ERR_NO_MEMORY. */
void call_say_unwritten(const struct call *call, struct error *err);

/* --- For api.c: the life of a call. */

/* An empty call for an exchange, from the API's store of used ones. NULL: no memory. */
struct call *call_new(struct api *api, struct http_exchange *x, const struct route *route);

/* Reads the body and sends the call on its way: to a helper thread, the scheduler, or straight to its
 * error. */
void call_start(struct call *call);

/* Answers a call that its exchange's deadline has overtaken. */
void call_expire(struct call *call);

/* The exchange is gone: the call goes on alone, cancelled. */
void call_detach(struct call *call);

void call_free(struct call *call);

#endif
