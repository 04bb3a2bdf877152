/* GET /openapi.json: the table of routes in OpenAPI 3.1, for the model that is served. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "api/internal.h"
#include "api/openapi.h"
#include "api/schemas.h"
#include "engine/native.h"

/* --- Which model it speaks of */

struct described described_by(struct api *api, const struct http_exchange *x)
{
    if (models_all(api, x))
        return (struct described){api->root->models, api->root->model_count};
    for (int i = 0; i < api->root->model_count; i++)
        if (api->root->models[i] == api)
            return (struct described){&api->root->models[i], 1};
    return (struct described){&api->root->models[0], 1};
}

const struct api *described_model(const struct described *described, const struct route *route)
{
    return models_meant(described->models, described->count, route->operation);
}

/* What is said where no model can do it, or none is loaded yet. */
static const struct model_desc *desc_that(const struct described *described,
                                          bool (*serves)(const struct model_desc *model))
{
    static const struct model_desc none = {.max_tokens = 512, .vocab_size = 1, .columns = 1};
    const struct api *api = models_first(described->models, described->count, serves);
    return api ? &sched_engine(api->sched)->desc : &none;
}

/* --- Schemas */

static void put_prompts(const struct model_desc *desc, struct buf *out)
{
    for (int i = 0; desc->sentence && i < desc->sentence->prompt_count; i++) {
        const char *name = desc->sentence->prompts[i].name;
        json_put_string(out, name, strlen(name));
        buf_putc(out, ',');
    }
}

/* What the pipelines take and return, by what the requests' schema is called. */
static const struct pipeline {
    const char *request, *response;
} any_pipeline = {"AnyPipelineRequest", "Any"}, of_scoring = {"ScoringRequest", "ScoringResponse"},
  of_tasks[] = {
      [TASK_TEXT_CLASSIFICATION] = {"ClassificationRequest", "ClassificationResponse"},
      [TASK_FEATURE_EXTRACTION] = {"EmbeddingRequest", "EmbeddingResponse"},
      [TASK_TOKEN_CLASSIFICATION] = {"TokenClassificationRequest", "TokenClassificationResponse"},
      [TASK_FILL_MASK] = {"FillMaskRequest", "FillMaskResponse"},
      [TASK_ZERO_SHOT_CLASSIFICATION] = {"ZeroShotRequest", "ZeroShotResponse"},
      [TASK_SPARSE_EMBEDDING] = {"EmbedSparseRequest", "SparseVectors"},
};

static const struct pipeline *pipeline_of(const struct api *api)
{
    const struct model_desc *desc = api->sched ? &sched_engine(api->sched)->desc : NULL;
    return !desc || desc->result == RESULT_JSON || desc->task == TASK_OTHER ? &any_pipeline
                                                                            : &of_tasks[desc->task];
}

/* Of a route that does what the pipeline of the model's task does. */
static const struct pipeline *pipeline_meant(const struct described *described, const struct route *route)
{
    if (route->operation->serves) {
        const struct api *meant = described_model(described, route);
        return meant ? pipeline_of(meant) : &of_tasks[TASK_TEXT_CLASSIFICATION];
    }
    const struct pipeline *pipeline = pipeline_of(described->models[0]);
    const struct sched *first = described->models[0]->sched;
    if (strcmp(route->path, "/") == 0 && first && serves_ranks(&sched_engine(first)->desc))
        return &of_scoring;
    for (int i = 1; strchr(route->path, '{') && i < described->count; i++)
        if (pipeline != pipeline_of(described->models[i]))
            return &any_pipeline;
    return pipeline;
}

const char *request_schema(const struct described *described, const struct route *route)
{
    bool varies = route->request && strcmp(route->request, "PipelineRequest") == 0;
    return varies ? pipeline_meant(described, route)->request : route->request;
}

static const char *response_schema(const struct described *described, const struct route *route)
{
    bool varies = route->response && strcmp(route->response, "PipelineResponse") == 0;
    return varies ? pipeline_meant(described, route)->response : route->response;
}

/* The names of the models that can, or of all where none can; without a comma at the end. */
static void put_names(const struct described *described, bool (*serves)(const struct model_desc *model),
                      struct buf *out)
{
    const bool can_any = models_first(described->models, described->count, serves) != NULL;
    bool any = false;
    for (int i = 0; i < described->count; i++) {
        const char *name = api_model_name(described->models[i]);
        if (can_any && !models_first(&described->models[i], 1, serves))
            continue;
        buf_puts(out, any ? "," : "");
        json_put_string(out, name, strlen(name));
        any = true;
    }
}

/* A field "model": of several models it names one; a model alone answers to any name. */
static void put_model_field(const struct described *described, bool (*serves)(const struct model_desc *model),
                            struct buf *out)
{
    if (described->count == 1) {
        buf_puts(out, "{\"type\":[\"string\",\"null\"]}");
        return;
    }
    buf_puts(out, "{\"enum\":[");
    put_names(described, serves, out);
    buf_puts(out, ",null]}");
}

static void put_name(const struct described *described, bool (*serves)(const struct model_desc *model),
                     struct buf *out)
{
    const struct api *first = models_first(described->models, described->count, serves);
    const char *name = first ? api_model_name(first) : "any";
    json_put_string(out, name, strlen(name));
}

/* What the model of /vertex is sent elsewhere. */
static const char *instance_schema(const struct described *described)
{
    const struct model_desc *desc = desc_that(described, serves_instances);
    return serves_embeddings(desc) ? "EmbedRequest"
           : serves_sparse(desc)   ? "EmbedSparseRequest"
           : serves_ranks(desc)    ? "AnyRerankRequest"
                                   : "PredictRequest";
}

static int schema_number(const struct described *described, char letter)
{
    switch (letter) {
    case 'D':
        return desc_that(described, serves_embeddings)->columns;
    case 'T':
        return desc_that(described, serves_embeddings)->max_tokens;
    case 'V':
        return desc_that(described, serves_embeddings)->vocab_size - 1;
    case 't':
        return desc_that(described, serves_sparse)->max_tokens;
    case 'v':
        return desc_that(described, serves_sparse)->vocab_size - 1;
    case 'R':
        return desc_that(described, serves_ranks)->max_tokens;
    case 'W':
        return desc_that(described, serves_masks)->vocab_size;
    case 'F':
        return desc_that(described, serves_masks)->special_tokens;
    case 'S':
        return desc_that(described, serves_labels)->special_tokens;
    default:
        return desc_that(described, serves_labels)->special_tokens_of_pair;
    }
}

static const char *mask_token(const struct described *described)
{
    const struct api *api = models_first(described->models, described->count, serves_masks);
    if (!api)
        return "[MASK]";
    const struct tokenizer *tokenizer = native_tokenizer(sched_engine(api->sched));
    return tokenizer_token(tokenizer, tokenizer_special_id(tokenizer, SPECIAL_ID_MASK)).text;
}

/* A regular expression for texts that the mask token stands in. */
static void put_mask_pattern(const struct described *described, struct buf *out)
{
    struct buf pattern;
    buf_init(&pattern);
    for (const char *at = mask_token(described); *at; at++) {
        if (strchr("\\^$.|?*+()[]{}", *at))
            buf_putc(&pattern, '\\');
        buf_putc(&pattern, *at);
    }
    if (buf_ok(&pattern))
        json_put_string(out, pattern.bytes, pattern.length);
    else
        out->failed = true;
    buf_free(&pattern);
}

static void put_masked_text(const struct described *described, struct buf *out)
{
    char text[200];
    snprintf(text, sizeof text, "The food was %.100s.", mask_token(described));
    json_put_string(out, text, strlen(text));
}

void put_schema_text(const struct described *described, const char *text, struct buf *out)
{
    for (; *text; text++) {
        if (*text == '\'')
            buf_putc(out, '"');
        else if (*text != '%')
            buf_putc(out, *text);
        else if (*++text == 'P')
            put_prompts(desc_that(described, serves_embeddings), out);
        else if (*text == 'q')
            put_prompts(desc_that(described, serves_sparse), out);
        else if (*text == 'p')
            put_prompts(desc_that(described, serves_tokens), out);
        else if (*text == 'I')
            buf_puts(out, instance_schema(described));
        else if (*text == 'i')
            put_schema_text(described, schema_find(instance_schema(described))->example, out);
        else if (*text == 'M')
            put_model_field(described, serves_embeddings, out);
        else if (*text == 'K')
            put_model_field(described, serves_ranks, out);
        else if (*text == 'N')
            put_name(described, serves_embeddings, out);
        else if (*text == 'n')
            put_name(described, serves_ranks, out);
        else if (*text == 'm')
            put_mask_pattern(described, out);
        else if (*text == 'k')
            put_masked_text(described, out);
        else
            buf_printf(out, "%d", schema_number(described, *text));
    }
}

static void put_words(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "\"%s\":", name);
    json_put_string(out, value, strlen(value));
}

/* Of JSON by a schema, or of another type, or of either. */
static void put_content(struct buf *out, const char *schema, const char *type)
{
    buf_puts(out, "\"content\":{");
    if (schema)
        buf_printf(out, "\"application/json\":{\"schema\":{\"$ref\":\"#/components/schemas/%s\"}}", schema);
    if (type)
        buf_printf(out, "%s\"%s\":{}", schema ? "," : "", type);
    buf_putc(out, '}');
}

/* {model} is one that is served, {version} 1. */
static void put_parameters(const struct described *described, const struct route *route, struct buf *out)
{
    const char *at = route->path;
    bool any = false;
    buf_puts(out, "\"parameters\":[");
    while ((at = strchr(at, '{'))) {
        size_t length = strcspn(at + 1, "}");
        bool is_model = strncmp(at + 1, "model", length) == 0;
        buf_printf(out,
                   "%s{\"name\":\"%.*s\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\","
                   "\"enum\":[",
                   any ? "," : "", (int)length, at + 1);
        if (is_model)
            put_names(described, route->operation ? route->operation->serves : NULL, out);
        else
            buf_puts(out, "\"1\"");
        buf_puts(out, "]}}");
        any = true;
        at += length;
    }
    buf_puts(out, "],");
}

/* "post_v1_embeddings". */
static void put_id(const struct route *route, struct buf *out)
{
    buf_puts(out, "\"operationId\":\"");
    for (const char *at = route->method; *at; at++)
        buf_putc(out, (char)tolower((unsigned char)*at));
    for (const char *at = route->path; *at; at++)
        if (*at != '}')
            buf_putc(out, isalnum((unsigned char)*at) ? *at : '_');
    buf_puts(out, "\",");
}

/* A path that no model here can answer is described all the same; programs see which these are. */
static bool is_served(const struct described *described, const struct route *route)
{
    if (route->page == page_asset)
        return described->models[0]->options.asset_count > 0;
    return !route->operation || described_model(described, route);
}

static void put_operation(const struct described *described, const struct route *route, struct buf *out)
{
    const char *word = strcmp(route->method, "GET") == 0 ? "get" : "post";
    buf_printf(out, "\"%s\":{", word);
    put_id(route, out);
    put_words(out, "summary", route->summary);
    buf_puts(out, ",\"tags\":[");
    json_put_string(out, route->dialect->name, strlen(route->dialect->name));
    buf_puts(out, "],");
    buf_printf(out, "\"x-served\":%s,", is_served(described, route) ? "true" : "false");
    put_parameters(described, route, out);
    if (route->request) {
        buf_puts(out, "\"requestBody\":{\"required\":true,");
        put_content(out, request_schema(described, route), NULL);
        buf_puts(out, "},");
    }
    if (described->models[0]->root->keys && !route->is_open)
        buf_puts(out, "\"security\":[{\"key\":[]}],");
    buf_puts(out, "\"responses\":{\"200\":{\"description\":\"The answer\",");
    put_content(out, response_schema(described, route), route->type);
    if (route->is_probe) {
        buf_puts(out, "},\"503\":{\"description\":\"Not now\",");
        put_content(out, route->response, NULL);
    }
    buf_puts(out, "},\"default\":{\"description\":\"What is wrong\",");
    put_content(out, route->dialect->error_schema, NULL);
    buf_puts(out, "}}}");
}

/* A path is one object, whatever its methods. */
static void put_paths(const struct described *described, struct buf *out)
{
    bool any = false;
    buf_puts(out, "\"paths\":{");
    for (size_t i = 0; i < route_count; i++) {
        if (route_label(&routes[i]) != i)
            continue;
        buf_printf(out, "%s\"%s\":{", any ? "," : "", routes[i].path);
        any = true;
        bool first = true;
        for (size_t k = i; k < route_count; k++) {
            if (route_label(&routes[k]) != i)
                continue;
            if (!first)
                buf_putc(out, ',');
            put_operation(described, &routes[k], out);
            first = false;
        }
        buf_putc(out, '}');
    }
    buf_puts(out, "},");
}

static void put_components(const struct described *described, struct buf *out)
{
    buf_puts(out, "\"components\":{");
    if (described->models[0]->root->keys)
        buf_puts(out, "\"securitySchemes\":{\"key\":{\"type\":\"http\",\"scheme\":\"bearer\"}},");
    buf_puts(out, "\"schemas\":{");
    for (size_t i = 0; i < schema_count; i++) {
        buf_printf(out, "%s\"%s\":", i ? "," : "", schemas[i].name);
        if (!schemas[i].example) {
            put_schema_text(described, schemas[i].text, out);
            continue;
        }
        buf_puts(out, "{\"allOf\":[");
        put_schema_text(described, schemas[i].text, out);
        buf_puts(out, "],\"examples\":[");
        put_schema_text(described, schemas[i].example, out);
        buf_puts(out, "]}");
    }
    buf_puts(out, "}}");
}

static void put_server(struct buf *out, const char *url, const char *name, const char *description)
{
    buf_puts(out, "{\"url\":");
    json_put_string(out, url, strlen(url));
    buf_printf(out, ",\"description\":\"%s", description);
    buf_printf(out, "%s\"}", name);
}

/* Of several models each has all paths below its own, too. */
static void put_servers(const struct described *described, struct buf *out)
{
    const struct api *root = described->models[0]->root;
    if (root->model_count == 1)
        return;
    buf_puts(out, "\"servers\":[");
    if (described->count > 1)
        put_server(out, "/", "", "Each path: the first model that can answer it");
    for (int i = 0; i < described->count; i++) {
        char url[120];
        const char *name = api_model_name(described->models[i]);
        snprintf(url, sizeof url, "/models/%s", name);
        buf_puts(out, i || described->count > 1 ? "," : "");
        put_server(out, url, name, "The model ");
    }
    buf_puts(out, "],");
}

void page_openapi(struct api *api, struct http_exchange *x)
{
    const struct described described = described_by(api, x);
    struct buf body;
    buf_init(&body);
    buf_puts(&body, "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"linnet\",");
    put_words(&body, "version", api->options.version);
    buf_puts(&body, ",\"description\":\"Transformer encoder models over HTTP, in the dialects of several "
                    "services. Bodies "
                    "are JSON.\"},");
    put_servers(&described, &body);
    put_paths(&described, &body);
    put_components(&described, &body);
    buf_putc(&body, '}');
    answer_json(x, 200, &body);
}
