/* The dialects and what each can do: one file each. routes.c says on which paths. */
#ifndef LINNET_API_DIALECTS_H
#define LINNET_API_DIALECTS_H

#include "api/call.h"

extern const struct dialect own_dialect; /* linnet's own pages */

/* Hugging Face. age_operation is hf_operation without embeddings and rankings, of several models for a
 * classifier before others, and of Python's tasks for text classification alone; hf_hosted_operation answers
 * in the form of the hosted inference API, which huggingface_hub.InferenceClient expects: the labels of each
 * text are a list, within a list. */
extern const struct dialect hf_dialect;
extern const struct operation hf_operation, age_operation, hf_hosted_operation;

/* text-embeddings-inference 1.9. */
extern const struct dialect tei_dialect;
extern const struct operation tei_predict, tei_embed, tei_embed_all, tei_embed_sparse, tei_similarity,
    tei_rerank, tei_tokenize, tei_decode, tei_vertex;

/* OpenAI. */
extern const struct dialect openai_dialect;
extern const struct operation openai_embeddings;
void page_openai_models(struct api *api, struct http_exchange *x);
void page_openai_model(struct api *api, struct http_exchange *x);

/* Cohere, and Jina, whose requests and answers are alike. */
extern const struct dialect cohere_dialect;
extern const struct operation cohere_v1_rerank, cohere_v2_rerank;

/* The Open Inference Protocol, version 2, over HTTP. */
extern const struct dialect oip_dialect;
extern const struct operation oip_infer;
/* Whether the path's model and, where it has one, its version (always 1) are there: ERR_NOT_FOUND,
 * ERR_LOADING. */
bool oip_check_model(const struct api *api, struct http_exchange *x, struct error *err);
void page_oip_server(struct api *api, struct http_exchange *x);
void page_oip_live(struct api *api, struct http_exchange *x);
bool health_is_ready(const struct api *api, const struct http_exchange *x); /* /health would say 200 */
void page_oip_ready(struct api *api, struct http_exchange *x);
void page_oip_model(struct api *api, struct http_exchange *x);
void page_oip_model_ready(struct api *api, struct http_exchange *x);

#endif
