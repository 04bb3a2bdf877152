/* The Open Inference Protocol, version 2, over HTTP (KServe, Triton): metadata, health and errors.
 * oip_infer.c computes. */
#include <stdio.h>
#include <string.h>

#include "api/dialects.h"
#include "api/internal.h"

static void answer_ready(struct http_exchange *x, bool ready)
{
    struct buf body;
    buf_init(&body);
    buf_puts(&body, ready ? "{\"ready\":true}" : "{\"ready\":false}");
    answer_json(x, ready ? 200 : 503, &body);
}

void page_oip_live(struct api *api, struct http_exchange *x)
{
    struct buf body;
    (void)api;
    buf_init(&body);
    buf_puts(&body, "{\"live\":true}");
    answer_json(x, 200, &body);
}

void page_oip_ready(struct api *api, struct http_exchange *x)
{
    answer_ready(x, health_is_ready(api, x));
}

void page_oip_server(struct api *api, struct http_exchange *x)
{
    struct buf body;
    buf_init(&body);
    buf_puts(&body, "{\"name\":\"linnet\",");
    json_put_field(&body, "version", api->options.version);
    buf_puts(&body, "\"extensions\":[\"binary_tensor_data\"]}");
    answer_json(x, 200, &body);
}

bool oip_check_model(const struct api *api, struct http_exchange *x, struct error *err)
{
    size_t length = 0;
    if (!api->sched) {
        models_say_loading(api, err);
        return false;
    }
    if (!api_check_model(api, x, err))
        return false;
    const char *path = http_path(x);
    const char *version = route_parameter(route_find(http_method(x), path), path, "version", &length);
    return !version || (length == 1 && *version == '1') ||
           error_set(err, ERR_NOT_FOUND, "the model has no version \"%.*s\", want \"1\"",
                     (int)(length < 60 ? length : 60), version);
}

void page_oip_model_ready(struct api *api, struct http_exchange *x)
{
    struct error err;
    if (api->sched && !oip_check_model(api, x, &err))
        answer_error(x, &oip_dialect, &err);
    else
        answer_ready(x, api->sched && !api->draining);
}

static void put_tensor(struct buf *out, const char *name, const char *type, int columns)
{
    buf_printf(out, "{\"name\":\"%s\",\"datatype\":\"%s\",\"shape\":[-1", name, type);
    if (columns)
        buf_printf(out, ",%d", columns);
    buf_puts(out, "]}");
}

void page_oip_model(struct api *api, struct http_exchange *x)
{
    struct error err;
    struct buf body;
    if (!oip_check_model(api, x, &err)) {
        answer_error(x, &oip_dialect, &err);
        return;
    }
    const struct model_desc *desc = &sched_engine(api->sched)->desc;
    buf_init(&body);
    buf_putc(&body, '{');
    json_put_field(&body, "name", api_model_name(api));
    buf_printf(&body, "\"versions\":[\"1\"],\"platform\":\"linnet_%s\",\"inputs\":[", desc->engine);
    put_tensor(&body, "text", "BYTES", 0);
    buf_puts(&body, "],\"outputs\":[");
    if (desc->task == TASK_FEATURE_EXTRACTION) {
        put_tensor(&body, "embedding", "FP32", desc->columns);
    } else {
        put_tensor(&body, "scores", "FP32", desc->columns);
        buf_putc(&body, ',');
        put_tensor(&body, "logits", "FP32", desc->columns);
    }
    buf_puts(&body, "]}");
    answer_json(x, 200, &body);
}

/* --- Errors */

static void put_oip_error(struct buf *out, const char *message, struct answer_kind kind)
{
    (void)kind;
    buf_puts(out, "{\"error\":");
    json_put_string(out, message, strlen(message));
    buf_putc(out, '}');
}

const struct dialect oip_dialect = {"Open Inference Protocol", plain_kind_of, put_oip_error, "OIPError"};
