#include "cli/tei_options.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
    "model-id",
    "revision",
    "tokenization-workers",
    "dtype",
    "pooling",
    "max-concurrent-requests",
    "max-batch-tokens",
    "max-batch-requests",
    "max-client-batch-size",
    "auto-truncate",
    "default-prompt",
    "default-prompt-name",
    "hf-token",
    "hf-api-token",
    "hostname",
    "port",
    "uds-path",
    "huggingface-hub-cache",
    "payload-limit",
    "api-key",
    "json-output",
    "disable-spans",
    "otlp-endpoint",
    "otlp-service-name",
    "prometheus-port",
    "cors-allow-origin",
    "served-model-name",
    "dense-path",
};

static bool is_address(const char *text)
{
    struct in6_addr address;
    return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

/* "max-batch-tokens" to "MAX_BATCH_TOKENS". */
static void name_variable(const char *option, char *out, size_t size)
{
    size_t i = 0;
    for (; option[i] && i + 1 < size; i++)
        out[i] = option[i] == '-' ? '_' : (char)(option[i] - 'a' + 'A');
    out[i] = '\0';
}

bool tei_read_environment(const struct usage *usage, struct error *err)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char variable[40];
        name_variable(names[i], variable, sizeof variable);
        const char *value = getenv(variable);
        if (!value || !*value || (strcmp(names[i], "hostname") == 0 && !is_address(value)))
            continue;
        if (!options_set(usage, names[i], value, err))
            return error_prefix(err, "the environment's %s", variable);
    }
    return true;
}

static bool set_variable(const char *name, const char *value, struct error *err)
{
    return !value || setenv(name, value, 1) == 0 || error_set(err, ERR_NO_MEMORY, "no memory for %s", name);
}

bool tei_settle(const struct tei_options *options, struct error *err)
{
    char workers[16];
    snprintf(workers, sizeof workers, "%d", options->tokenization_workers);
    if (options->default_prompt && options->default_prompt_name)
        return error_set(err, ERR_USAGE, "--default-prompt and --default-prompt-name exclude each other");
    if (options->served_model_name && !*options->served_model_name)
        return error_set(
            err, ERR_USAGE,
            "--served-model-name is empty, want the name that requests call the model by; without "
            "the option it is called as its directory is");
    return set_variable("UV_THREADPOOL_SIZE", options->tokenization_workers ? workers : NULL, err) &&
           set_variable("HF_HUB_CACHE", options->hub_cache, err) &&
           set_variable("HF_TOKEN", options->hub_token, err);
}
