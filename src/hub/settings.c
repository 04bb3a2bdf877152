#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "hub/hub.h"

/* Where models come from if HF_ENDPOINT names no other place. */
static const char default_endpoint[] = "https://huggingface.co";

enum { DEFAULT_TIMEOUT_S = 10, MAX_TIMEOUT_S = 86400 };

/* A variable that is there and not empty, else NULL. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static bool is_true(const char *value)
{
    static const char *const words[] = {"1", "on", "yes", "true"};
    for (size_t i = 0; value && i < sizeof words / sizeof *words; i++)
        if (strcasecmp(value, words[i]) == 0)
            return true;
    return false;
}

/* <base>/<rest>, with the home directory for a "~" at its front. */
static bool set_path(char out[HUB_PATH_SIZE], const char *base, const char *rest, struct error *err)
{
    const char *home = "";
    if (base[0] == '~' && (base[1] == '/' || base[1] == '\0')) {
        home = variable("HOME");
        if (!home)
            return error_set(err, ERR_USAGE,
                             "neither HOME nor HF_HOME is set: set HF_HOME to a directory for models");
        base++;
    }
    int length = snprintf(out, HUB_PATH_SIZE, "%s%s%s", home, base, rest);
    /* Room for what comes below: the repository, snapshots/, a commit and a file. */
    return length < HUB_PATH_SIZE - 700 ||
           error_set(err, ERR_USAGE, "%.200s...: the path of the model cache is too long", out);
}

static bool read_home(char home[HUB_PATH_SIZE], struct error *err)
{
    if (variable("HF_HOME"))
        return set_path(home, variable("HF_HOME"), "", err);
    if (variable("XDG_CACHE_HOME"))
        return set_path(home, variable("XDG_CACHE_HOME"), "/huggingface", err);
    return set_path(home, "~/.cache", "/huggingface", err);
}

static bool read_cache(const char *home, struct hub_settings *out, struct error *err)
{
    const char *cache = variable("HF_HUB_CACHE");
    if (!cache)
        cache = variable("HUGGINGFACE_HUB_CACHE"); /* its name before version 0.18 */
    return cache ? set_path(out->cache, cache, "", err) : set_path(out->cache, home, "/hub", err);
}

/* Drops white space at both ends. What is left must be fit for a header. */
static bool set_token(struct hub_settings *out, const char *text, size_t length, const char *source,
                      struct error *err)
{
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        length--;
    while (length > 0 && isspace((unsigned char)*text))
        text++, length--;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] >= 0x7F)
            return error_set(err, ERR_USAGE,
                             "the token in %.300s has a character that no token has, at byte %zu", source,
                             i + 1);
    if (length >= sizeof out->token)
        return error_set(err, ERR_USAGE, "the token in %.300s has %zu bytes, at most %zu are taken", source,
                         length, sizeof out->token - 1);
    memcpy(out->token, text, length);
    out->token[length] = '\0';
    if (length)
        snprintf(out->token_source, sizeof out->token_source, "%s", source);
    return true;
}

/* A file that is not there, or not to be read, is no token. */
static bool read_token_file(const char *path, struct hub_settings *out, struct error *err)
{
    char text[HUB_TOKEN_SIZE + 16];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return true;
    ssize_t length = read(fd, text, sizeof text);
    close(fd);
    return length <= 0 || set_token(out, text, (size_t)length, path, err);
}

static bool read_token(const char *home, struct hub_settings *out, struct error *err)
{
    static const char *const names[] = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"};
    if (is_true(variable("HF_HUB_DISABLE_IMPLICIT_TOKEN")))
        return true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *token = variable(names[i]);
        if (token && !set_token(out, token, strlen(token), names[i], err))
            return false;
        if (out->token[0])
            return true;
    }
    char path[HUB_PATH_SIZE];
    const char *file = variable("HF_TOKEN_PATH");
    if (!(file ? set_path(path, file, "", err) : set_path(path, home, "/token", err)))
        return false;
    return read_token_file(path, out, err);
}

static bool read_endpoint(struct hub_settings *out, struct error *err)
{
    const char *endpoint = variable("HF_ENDPOINT");
    if (!endpoint)
        endpoint = default_endpoint;
    size_t length = strlen(endpoint);
    while (length > 0 && endpoint[length - 1] == '/')
        length--;
    size_t scheme = strncasecmp(endpoint, "https://", 8) == 0  ? 8
                    : strncasecmp(endpoint, "http://", 7) == 0 ? 7
                                                               : 0;
    if (!scheme || length <= scheme || length >= sizeof out->endpoint ||
        strcspn(endpoint, " \t\r\n@?#") < length)
        return error_set(err, ERR_USAGE, "HF_ENDPOINT is \"%.200s\", want http:// or https:// and a host",
                         endpoint);
    memcpy(out->endpoint, endpoint, length);
    out->endpoint[length] = '\0';
    return true;
}

/* As OpenSSL, requests and curl name them. */
static bool read_certificates(struct hub_settings *out, struct error *err)
{
    static const char *const names[] = {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (variable(names[i]))
            return set_path(out->certificates, variable(names[i]), "", err);
    return true;
}

static bool read_seconds(const char *name, long *out, struct error *err)
{
    const char *text = variable(name);
    char *end;
    *out = DEFAULT_TIMEOUT_S;
    if (!text)
        return true;
    errno = 0;
    *out = strtol(text, &end, 10);
    return (*end == '\0' && errno == 0 && *out > 0 && *out <= MAX_TIMEOUT_S) ||
           error_set(err, ERR_USAGE, "%s is \"%.40s\", want seconds from 1 to %d", name, text, MAX_TIMEOUT_S);
}

bool hub_settings_read(const char *user_agent, struct hub_settings *out, struct error *err)
{
    char home[HUB_PATH_SIZE] = "";
    const char *offline = variable("HF_HUB_OFFLINE") ? "HF_HUB_OFFLINE" : "TRANSFORMERS_OFFLINE";
    *out = (struct hub_settings){.user_agent = user_agent};
    out->offline = is_true(variable(offline)) ? offline : NULL;
    return read_home(home, err) && read_cache(home, out, err) && read_endpoint(out, err) &&
           read_token(home, out, err) && read_certificates(out, err) &&
           read_seconds("HF_HUB_ETAG_TIMEOUT", &out->metadata_s, err) &&
           read_seconds("HF_HUB_DOWNLOAD_TIMEOUT", &out->download_s, err);
}
