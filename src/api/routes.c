#include "api/routes.h"

#include <stdio.h>
#include <string.h>

#include "api/dialects.h"
#include "api/internal.h"

#define POST(path, dialect, operation, request, response, summary)                               \
    {                                                                                            \
        "POST", path, &dialect, &operation, NULL, request, response, summary, NULL, false, false \
    }
#define GET(path, dialect, page, response, summary)                                    \
    {                                                                                  \
        "GET", path, &dialect, NULL, page, NULL, response, summary, NULL, false, false \
    }
#define GET_TYPE(path, page, type, summary)                                            \
    {                                                                                  \
        "GET", path, &own_dialect, NULL, page, NULL, NULL, summary, type, false, false \
    }
#define PROBE(path, dialect, page, response, is_open, summary)                          \
    {                                                                                   \
        "GET", path, &dialect, NULL, page, NULL, response, summary, NULL, is_open, true \
    }
#define INFER(path, summary)                                                                          \
    {                                                                                                 \
        "POST", path, &oip_dialect, &oip_infer, NULL, "OIPInferRequest", "OIPInferResponse", summary, \
            "application/octet-stream", false, false                                                  \
    }

const struct route routes[] = {
    POST("/", hf_dialect, hf_operation, "PipelineRequest", "PipelineResponse",
         "What transformers' pipeline of the model's task takes and returns"),
    POST("/age", hf_dialect, age_operation, "PipelineRequest", "PipelineResponse",
         "The same but for embeddings; of several models a classifier's before others'"),
    POST("/models/{model}", hf_dialect, hf_hosted_operation, "PipelineRequest", "PipelineResponse",
         "The same in the form of the hosted inference API: the labels of each text in a list"),

    POST("/predict", tei_dialect, tei_predict, "PredictRequest", "PredictResponse",
         "Labels of texts or pairs"),
    POST("/embed", tei_dialect, tei_embed, "EmbedRequest", "Vectors", "Embeddings"),
    POST("/embed_all", tei_dialect, tei_embed_all, "EmbedAllRequest", "TokenVectors",
         "The last hidden state of each token"),
    POST("/embed_sparse", tei_dialect, tei_embed_sparse, "EmbedSparseRequest", "SparseVectors",
         "Sparse embeddings (SPLADE): the numbers that are not 0, by token of the vocabulary"),
    POST("/similarity", tei_dialect, tei_similarity, "SimilarityRequest", "Scores",
         "Cosines of one sentence and others"),
    POST("/rerank", tei_dialect, tei_rerank, "AnyRerankRequest", "AnyRerankResponse",
         "Texts by their relevance to a query; documents in place of texts make it Cohere's and Jina's"),

    POST("/vertex", tei_dialect, tei_vertex, "VertexRequest", "VertexResponse",
         "Several such requests, each as to /embed, /embed_sparse, /rerank or /predict (Vertex AI)"),

    POST("/tokenize", tei_dialect, tei_tokenize, "TokenizeRequest", "TokenizeResponse", "Texts to tokens"),
    POST("/decode", tei_dialect, tei_decode, "DecodeRequest", "Texts", "Token ids to texts"),

    POST("/v1/embeddings", openai_dialect, openai_embeddings, "OpenAIEmbeddingsRequest", "OpenAIEmbeddings",
         "Embeddings"),
    POST("/embeddings", openai_dialect, openai_embeddings, "OpenAIEmbeddingsRequest", "OpenAIEmbeddings",
         "The same, as text-embeddings-inference has it too"),
    GET("/v1/models", openai_dialect, page_openai_models, "OpenAIModels", "The models that are served"),
    GET("/v1/models/{model}", openai_dialect, page_openai_model, "OpenAIModel", "One of them"),

    POST("/v1/rerank", cohere_dialect, cohere_v1_rerank, "RerankRequest", "RerankResponse",
         "Documents by their relevance to a query (Cohere 1, Jina)"),
    POST("/v2/rerank", cohere_dialect, cohere_v2_rerank, "RerankRequest", "RerankResponse",
         "Documents by their relevance to a query (Cohere 2)"),

    GET("/v2", oip_dialect, page_oip_server, "OIPServer", "The server"),
    GET("/v2/health/live", oip_dialect, page_oip_live, "OIPLive", "Whether the process is alive"),
    PROBE("/v2/health/ready", oip_dialect, page_oip_ready, "OIPReady", false,
          "Whether requests are answered"),
    INFER("/v2/models/{model}/versions/{version}/infer", "The same of a version"),
    INFER("/v2/models/{model}/infer", "A tensor of texts to tensors of scores or embeddings"),
    PROBE("/v2/models/{model}/versions/{version}/ready", oip_dialect, page_oip_model_ready, "OIPReady", false,
          "Whether that version of the model is ready"),
    GET("/v2/models/{model}/versions/{version}", oip_dialect, page_oip_model, "OIPModel",
        "That version of the model and its tensors"),
    PROBE("/v2/models/{model}/ready", oip_dialect, page_oip_model_ready, "OIPReady", false,
          "Whether the model is ready"),
    GET("/v2/models/{model}", oip_dialect, page_oip_model, "OIPModel", "The model and its tensors"),

    GET_TYPE("/", page_asset, "text/html", "The page: a playground, and what the server does"),
    GET_TYPE("/ui/app.js", page_asset, "text/javascript", "A file of the page"),
    GET_TYPE("/ui/style.css", page_asset, "text/css", "A file of the page"),
    GET_TYPE("/ui/icon.svg", page_asset, "image/svg+xml", "A file of the page"),
    GET("/info", own_dialect, page_info, "Info", "What is served, and how"),
    PROBE("/health", own_dialect, page_health, "State", true, "Whether requests are answered"),
    PROBE("/ping", own_dialect, page_health, "State", false, "The same"),
    PROBE("/live", own_dialect, page_live, "State", true, "Whether the process is alive"),
    GET_TYPE("/metrics", page_metrics, "text/plain", "Metrics in Prometheus' text format"),
    GET("/openapi.json", own_dialect, page_openapi, "Any", "This table as OpenAPI 3.1"),
    GET("/api-doc/openapi.json", own_dialect, page_openapi, "Any", "The same"),
    GET_TYPE("/docs", page_docs, "text/html", "This table to read"),
    GET_TYPE("/docs/style.css", page_docs_style, "text/css", "What it looks like"),
};

const size_t route_count = sizeof routes / sizeof *routes;

_Static_assert(sizeof routes / sizeof *routes < MAX_ROUTES,
               "route_stats has a place for each, and one for others");

/* --- Finding */

/* What may stand for the parameter at `pattern`: up to the path's end, or to its next slash. */
static size_t longest_value(const char *pattern, const char *path)
{
    return strncmp(pattern, "{model}", strlen("{model}")) == 0 ? strlen(path) : strcspn(path, "/");
}

static bool match(const char *pattern, const char *path, struct parameters *found)
{
    while (*pattern && *pattern != '{')
        if (*pattern++ != *path++)
            return false;
    if (!*pattern || found->count == MAX_PARAMETERS)
        return !*pattern && !*path;
    const char *end = strchr(pattern, '}');
    size_t at = found->count++, longest = longest_value(pattern, path);
    found->of[at].name = pattern + 1;
    found->of[at].name_length = (size_t)(end - pattern) - 1;
    found->of[at].value = path;
    for (size_t length = 1; length <= longest; length++) {
        found->of[at].value_length = length;
        if (match(end + 1, path + length, found))
            return true;
    }
    found->count = at;
    return false;
}

static bool has_path(const struct route *route, const char *path)
{
    struct parameters found = {.count = 0};
    return match(route->path, path, &found);
}

const struct route *route_of_path(const char *path)
{
    for (size_t i = 0; i < route_count; i++)
        if (has_path(&routes[i], path))
            return &routes[i];
    return NULL;
}

const struct route *route_find(const char *method, const char *path)
{
    const struct route *route = route_of_path(path);
    for (size_t i = 0; route && i < route_count; i++)
        if (strcmp(routes[i].path, route->path) == 0 && strcmp(routes[i].method, method) == 0)
            return &routes[i];
    return NULL;
}

const char *route_allow(const struct route *route, char *out, size_t size)
{
    size_t length = 0;
    out[0] = '\0';
    for (size_t i = 0; i < route_count && length < size; i++) {
        if (strcmp(routes[i].path, route->path) != 0)
            continue;
        const char *words = strcmp(routes[i].method, "GET") == 0 ? "GET, HEAD" : routes[i].method;
        length += (size_t)snprintf(out + length, size - length, "%s%s", length ? ", " : "", words);
    }
    return out;
}

size_t route_label(const struct route *route)
{
    size_t index = 0;
    while (index < route_count && (!route || strcmp(routes[index].path, route->path) != 0))
        index++;
    return index;
}

const struct dialect *dialect_of_path(const char *path)
{
    if (strncmp(path, "/v1/", 4) == 0)
        return &openai_dialect;
    return strncmp(path, "/v2/", 4) == 0 ? &oip_dialect : &own_dialect;
}

const char *route_parameter(const struct route *route, const char *path, const char *name, size_t *length)
{
    struct parameters found = {.count = 0};
    if (!match(route->path, path, &found))
        return NULL;
    for (size_t i = 0; i < found.count; i++) {
        if (strlen(name) == found.of[i].name_length && strncmp(name, found.of[i].name, strlen(name)) == 0) {
            *length = found.of[i].value_length;
            return found.of[i].value;
        }
    }
    return NULL;
}
