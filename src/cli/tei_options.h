/* The flags and environment names of text-embeddings-inference 1.9 for `linnet serve`: each is in force, or
 * refused with a word on why.
 *
 * Source: its router/src/main.rs. An environment name is the flag's in capitals, and a flag given on the
 * command line counts before it. HOSTNAME counts only where it is an address, for shells and containers set
 * it to the machine's name.
 */
#ifndef LINNET_CLI_TEI_OPTIONS_H
#define LINNET_CLI_TEI_OPTIONS_H

#include "cli/options.h"

struct tei_options {
    const char *model_id, *served_model_name;
    const char *api_key, *api_key_file;
    const char *default_prompt, *default_prompt_name;
    const char *hub_cache, *hub_token;
    size_t batch_requests;    /* 0: no limit */
    int tokenization_workers; /* 0: libuv's own number */
    int prometheus_port;      /* 0: that of all paths */
    bool json_output, disable_spans;
};

/* Rows for serve's table; `host` and `batch_tokens` are where serve has these two. */
#define TEI_ROWS(tei, host, batch_tokens)                                                                      \
    {OPTION_GROUP, NULL, NULL, "As text-embeddings-inference has them, also by environment (MODEL_ID, ...)",   \
     NULL,         0,    0},                                                                                   \
        {OPTION_STRING, "model-id", "MODEL", "the same as MODEL", &(tei).model_id, 0, 0},                      \
        {OPTION_STRING, "hostname", "ADDRESS", "the same as --host", &(host), 0, 0},                           \
        {OPTION_SIZE, "max-batch-tokens", "N", "the same as --batch-tokens", &(batch_tokens), 1, 65536},       \
        {OPTION_SIZE,                                                                                          \
         "max-batch-requests",                                                                                 \
         "N",                                                                                                  \
         "texts computed together (default: as many as fit)",                                                  \
         &(tei).batch_requests,                                                                                \
         1,                                                                                                    \
         4096},                                                                                                \
        {OPTION_INT,                                                                                           \
         "tokenization-workers",                                                                               \
         "N",                                                                                                  \
         "threads that tokenize long texts (default 4)",                                                       \
         &(tei).tokenization_workers,                                                                          \
         1,                                                                                                    \
         1024},                                                                                                \
        {OPTION_STRING,                                                                                        \
         "served-model-name",                                                                                  \
         "NAME",                                                                                               \
         "what clients call the model (default: what it is)",                                                  \
         &(tei).served_model_name,                                                                             \
         0,                                                                                                    \
         0},                                                                                                   \
        {OPTION_STRING,                                                                                        \
         "default-prompt",                                                                                     \
         "TEXT",                                                                                               \
         "put before each text that is embedded",                                                              \
         &(tei).default_prompt,                                                                                \
         0,                                                                                                    \
         0},                                                                                                   \
        {OPTION_STRING,                                                                                        \
         "default-prompt-name",                                                                                \
         "NAME",                                                                                               \
         "the same, by the name of one that the model has",                                                    \
         &(tei).default_prompt_name,                                                                           \
         0,                                                                                                    \
         0},                                                                                                   \
        {OPTION_STRING,                                                                                        \
         "huggingface-hub-cache",                                                                              \
         "DIR",                                                                                                \
         "where models of the Hub are kept (HF_HUB_CACHE)",                                                    \
         &(tei).hub_cache,                                                                                     \
         0,                                                                                                    \
         0},                                                                                                   \
        {OPTION_STRING,    "hf-token", "TOKEN", "for private models of the Hub (HF_TOKEN)",                    \
         &(tei).hub_token, 0,          0},                                                                     \
        {OPTION_STRING, "hf-api-token", "TOKEN", "the same", &(tei).hub_token, 0, 0},                          \
        {OPTION_FLAG, "json-output", NULL, "the same as --log-format json", &(tei).json_output, 0, 0},         \
        {OPTION_FLAG,                                                                                          \
         "disable-spans",                                                                                      \
         NULL,                                                                                                 \
         "no spans in the log: there are none",                                                                \
         &(tei).disable_spans,                                                                                 \
         0,                                                                                                    \
         0},                                                                                                   \
        {OPTION_INT,                                                                                           \
         "prometheus-port",                                                                                    \
         "N",                                                                                                  \
         "a port that has /metrics alone, without an API key",                                                 \
         &(tei).prometheus_port,                                                                               \
         1,                                                                                                    \
         65535},                                                                                               \
        {OPTION_REFUSED, "uds-path", "PATH", "there is no backend to talk to: the model runs in this process", \
         NULL,           0,          0},                                                                       \
        {OPTION_REFUSED,                                                                                       \
         "otlp-endpoint",                                                                                      \
         "URL",                                                                                                \
         "traces are not sent anywhere: see /metrics and --access-log",                                        \
         NULL,                                                                                                 \
         0,                                                                                                    \
         0},                                                                                                   \
        {OPTION_REFUSED, "otlp-service-name", "NAME", "traces are not sent anywhere", NULL, 0, 0},             \
    {                                                                                                          \
        OPTION_REFUSED, "dense-path", "PATH", "the model's modules.json says where its Dense layers are",      \
            NULL, 0, 0                                                                                         \
    }

#define KEY_ROWS(tei)                                                                                      \
    {OPTION_STRING,  "api-key", "KEY", "requests must show it: Authorization: Bearer KEY (also API_KEY)",  \
     &(tei).api_key, 0,         0},                                                                        \
    {                                                                                                      \
        OPTION_STRING, "api-key-file", "FILE", "any of its keys will do, one a line", &(tei).api_key_file, \
            0, 0                                                                                           \
    }

/* Before the command line is parsed: sets what the environment names. ERR_USAGE as options_set(). */
bool tei_read_environment(const struct usage *usage, struct error *err);

/* After it, before other threads: what the Hub's client and libuv read from the environment. ERR_USAGE where
 * options contradict each other, ERR_NO_MEMORY. */
bool tei_settle(const struct tei_options *options, struct error *err);

#endif
