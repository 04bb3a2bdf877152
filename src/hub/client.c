#include "hub/client.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
    MAX_REDIRECTS = 10,
    CONNECT_S = 10,
    MAX_WAIT_S = 60, /* for Retry-After */
    HUB_NOTE_SIZE = 1200,
    HEADER_SIZE = HUB_TOKEN_SIZE + 64,
};

bool client_open(struct hub_client *client, const struct hub_settings *settings,
                 struct hub_progress *progress, struct error *err)
{
    *client = (struct hub_client){.settings = settings, .progress = progress, .libs = hub_libs(err)};
    if (!client->libs)
        return false;
    client->easy = client->libs->p_curl_easy_init();
    return client->easy || error_set(err, ERR_NO_MEMORY, "no memory for a connection to the Hub");
}

void client_close(struct hub_client *client)
{
    if (client->easy)
        client->libs->p_curl_easy_cleanup(client->easy);
    client->easy = NULL;
}

size_t client_quote(char *out, size_t size, const char *text, const char *keep)
{
    size_t length = 0;
    for (; *text && length + 4 <= size; text++) {
        bool plain = (*text >= '0' && *text <= '9') || (*text >= 'a' && *text <= 'z') ||
                     (*text >= 'A' && *text <= 'Z') || strchr("-._~", *text) || strchr(keep, *text);
        if (plain)
            out[length++] = *text;
        else
            length += (size_t)snprintf(out + length, 4, "%%%02X", (unsigned char)*text);
    }
    out[length] = '\0';
    return length;
}

/* --- Headers of an answer */

/* The value of "Name: value" where `line` begins with that name, else NULL. */
static const char *value_of(const char *line, const char *name)
{
    size_t length = strlen(name);
    if (strncasecmp(line, name, length) != 0 || line[length] != ':')
        return NULL;
    line += length + 1;
    return line + strspn(line, " \t");
}

static void copy_value(char *out, size_t size, const char *value)
{
    size_t length = strcspn(value, "\r\n");
    snprintf(out, size, "%.*s", length < size ? (int)length : 0, value);
}

/* Drops the weak mark and the quotes. What cannot name a file in the cache becomes no ETag. */
static bool copy_etag(char out[HUB_ETAG_SIZE], const char *value)
{
    bool weak = strncmp(value, "W/", 2) == 0;
    char text[HUB_ETAG_SIZE + 2];
    copy_value(text, sizeof text, value + (weak ? 2 : 0));
    size_t length = strlen(text);
    bool quoted = length >= 2 && text[0] == '"' && text[length - 1] == '"';
    if (quoted)
        text[length - 1] = '\0';
    out[0] = '\0';
    if (hub_is_etag(text + quoted))
        memcpy(out, text + quoted, strlen(text + quoted) + 1);
    return weak;
}

/* A number of bytes or seconds; -1 where it is none. */
static int64_t number_of(const char *value)
{
    long long number;
    int used = 0;
    if (strspn(value, "0123456789") == 0 || strspn(value, "0123456789") > 15 ||
        sscanf(value, "%lld%n", &number, &used) != 1)
        return -1;
    return number;
}

static void read_range(struct response *response, const char *value)
{
    long long begin, end, size;
    if (sscanf(value, "bytes %15lld-%15lld/%15lld", &begin, &end, &size) == 3 && begin >= 0 && begin <= end &&
        end < size) {
        response->range_begin = begin;
        response->range_size = size;
    }
}

static void read_header(struct response *response, const char *line)
{
    const char *value;
    if ((value = value_of(line, "Content-Length")))
        response->length = number_of(value);
    else if ((value = value_of(line, "Content-Range")))
        read_range(response, value);
    else if ((value = value_of(line, "ETag")))
        response->weak_etag = copy_etag(response->etag, value);
    else if ((value = value_of(line, "X-Linked-ETag")))
        copy_etag(response->linked_etag, value);
    else if ((value = value_of(line, "X-Linked-Size")))
        response->linked_size = number_of(value);
    else if ((value = value_of(line, "Retry-After")))
        response->retry_after_s = (long)number_of(value);
    else if ((value = value_of(line, "X-Error-Code")))
        copy_value(response->error_code, sizeof response->error_code, value);
    else if ((value = value_of(line, "X-Error-Message")))
        copy_value(response->message, sizeof response->message, value);
    else if ((value = value_of(line, "X-Repo-Commit"))) {
        copy_value(response->commit, sizeof response->commit, value);
        if (!hub_is_commit(response->commit))
            response->commit[0] = '\0';
    }
}

/* --- One exchange */

struct exchange {
    const struct request *request;
    struct response *response;
    bool stopped; /* by take() */
};

static void response_clear(struct response *response)
{
    *response = (struct response){
        .length = -1, .range_begin = -1, .range_size = -1, .linked_size = -1, .retry_after_s = -1};
}

static size_t on_header(char *bytes, size_t size, size_t count, void *context)
{
    struct exchange *exchange = context;
    char line[HUB_URL_SIZE] = "";
    size_t length = size * count, kept = length < sizeof line ? length : 0;
    memcpy(line, bytes, kept);
    line[kept] = '\0';
    if (strncmp(line, "HTTP/", 5) == 0) { /* of a proxy first, perhaps, or 100 */
        long status = 0;
        sscanf(line, "HTTP/%*s %3ld", &status);
        response_clear(exchange->response);
        exchange->response->status = status;
    } else {
        read_header(exchange->response, line);
    }
    return length;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct exchange *exchange = context;
    const struct response *response = exchange->response;
    size_t length = size * count;
    if ((response->status != 200 && response->status != 206) || !exchange->request->take)
        return length;
    if (exchange->request->take(exchange->request->context, response, bytes, length))
        return length;
    exchange->stopped = true;
    return 0;
}

/* Length of "scheme://host:port". */
static size_t origin_length(const char *url)
{
    const char *host = strstr(url, "://");
    return host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/?#\\") : strlen(url);
}

static bool same_origin(const char *a, const char *b)
{
    size_t length = origin_length(a);
    return length == origin_length(b) && strncasecmp(a, b, length) == 0;
}

static bool add_line(const struct hub_libs *libs, struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = libs->p_curl_slist_append(*list, line);
    if (longer)
        *list = longer;
    return longer != NULL;
}

static bool make_headers(const struct hub_client *client, const struct request *request, bool foreign,
                         struct curl_slist **list)
{
    char line[HEADER_SIZE];
    const char *token = client->settings->token;
    /* The bytes as they are stored: a compressed answer has another length, and no ranges. */
    if (!add_line(client->libs, list, "Accept-Encoding: identity"))
        return false;
    if (token[0] && !foreign) {
        snprintf(line, sizeof line, "Authorization: Bearer %s", token);
        if (!add_line(client->libs, list, line))
            return false;
    }
    if (request->from) {
        snprintf(line, sizeof line, "Range: bytes=%lld-", (long long)request->from);
        if (!add_line(client->libs, list, line))
            return false;
    }
    if (request->from && request->only_if && !foreign) {
        snprintf(line, sizeof line, "If-Range: \"%s\"", request->only_if);
        if (!add_line(client->libs, list, line))
            return false;
    }
    return true;
}

static void set_options(const struct hub_client *client, const char *url, struct exchange *exchange,
                        struct curl_slist *headers, char problem[CURL_ERROR_SIZE])
{
    const struct hub_libs *libs = client->libs;
    CURL *easy = client->easy;
    libs->p_curl_easy_reset(easy); /* connections stay */
    libs->p_curl_easy_setopt(easy, CURLOPT_URL, url);
#if LIBCURL_VERSION_NUM >= 0x075500
    libs->p_curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    libs->p_curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    libs->p_curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    libs->p_curl_easy_setopt(easy, CURLOPT_NOBODY, exchange->request->head ? 1L : 0L);
    libs->p_curl_easy_setopt(easy, CURLOPT_USERAGENT, client->settings->user_agent);
    libs->p_curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    libs->p_curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    libs->p_curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    libs->p_curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, exchange->request->silence_s);
    libs->p_curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, problem);
    libs->p_curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    libs->p_curl_easy_setopt(easy, CURLOPT_HEADERDATA, exchange);
    libs->p_curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    libs->p_curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
    if (client->settings->certificates[0])
        libs->p_curl_easy_setopt(easy, CURLOPT_CAINFO, client->settings->certificates);
}

static bool transport_failed(const struct hub_client *client, const char *url, CURLcode code,
                             const char *problem, struct error *err)
{
    const char *words = problem[0] ? problem : client->libs->p_curl_easy_strerror(code);
    const char *hint = "check the network, or set https_proxy where there is a proxy";
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
        hint = "set SSL_CERT_FILE to the authorities that your network uses";
    else if (code == CURLE_OPERATION_TIMEDOUT || code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR)
        hint = "what has come is kept for another try";
    return error_set(err, ERR_IO, "%.*s: %.200s; %s", (int)origin_length(url), url, words, hint);
}

/* One request and its answer; *next is the address it redirects to, or "". */
static bool perform(struct hub_client *client, const char *url, const struct request *request,
                    struct response *response, char next[HUB_URL_SIZE], struct error *err)
{
    bool foreign = !same_origin(url, client->settings->endpoint);
    struct exchange exchange = {.request = request, .response = response};
    struct curl_slist *headers = NULL;
    char problem[CURL_ERROR_SIZE] = "", *target = NULL;
    CURLcode code = CURLE_OUT_OF_MEMORY;
    response_clear(response);
    if (make_headers(client, request, foreign, &headers)) {
        set_options(client, url, &exchange, headers, problem);
        code = client->libs->p_curl_easy_perform(client->easy);
    }
    client->libs->p_curl_slist_free_all(headers);
    response->foreign = foreign;
    client->reached |= response->status != 0;
    next[0] = '\0';
    response->hopeless = exchange.stopped;
    if (exchange.stopped)
        return error_set(err, ERR_IO, "the answer of %.*s is not as announced", (int)origin_length(url), url);
    if (code != CURLE_OK)
        return transport_failed(client, url, code, problem, err);
    client->libs->p_curl_easy_getinfo(client->easy, CURLINFO_REDIRECT_URL, &target);
    if (!target)
        return true;
    if (strlen(target) >= HUB_URL_SIZE)
        return error_set(err, ERR_IO, "%.*s redirects to an address of %zu bytes", (int)origin_length(url),
                         url, strlen(target));
    strcpy(next, target); // NOLINT(clang-analyzer-security.insecureAPI.strcpy): its length was checked
    return true;
}

/* Whether the answer to a HEAD has all that is asked for. */
static bool describes_file(const struct response *response)
{
    return response->commit[0] && (response->linked_etag[0] || response->etag[0]);
}

static bool may_redirect(const char *from, const char *to, struct error *err)
{
    bool http = strncasecmp(to, "http://", 7) == 0, https = strncasecmp(to, "https://", 8) == 0;
    if (https || (http && strncasecmp(from, "https://", 8) != 0))
        return true;
    return error_set(err, ERR_IO, "%.*s redirects to %.*s, which linnet does not follow",
                     (int)origin_length(from), from, (int)(origin_length(to) < 200 ? origin_length(to) : 200),
                     to);
}

bool client_send(struct hub_client *client, const struct request *request, struct response *response,
                 struct error *err)
{
    char url[HUB_URL_SIZE], next[HUB_URL_SIZE], commit[HUB_COMMIT_SIZE] = "";
    snprintf(url, sizeof url, "%s", request->url);
    for (int i = 0; i <= MAX_REDIRECTS; i++) {
        if (!perform(client, url, request, response, next, err))
            return false;
        if (!response->commit[0]) /* one that an earlier hop named */
            memcpy(response->commit, commit, sizeof commit);
        memcpy(commit, response->commit, sizeof commit);
        if (response->status < 300 || response->status >= 400 || !next[0])
            return true;
        if (!may_redirect(url, next, err)) {
            response->hopeless = true;
            return false;
        }
        if (request->head && !same_origin(next, url) && describes_file(response))
            return true;
        memcpy(url, next, sizeof url);
    }
    response->hopeless = true;
    return error_set(err, ERR_IO, "%.*s redirects more than %d times", (int)origin_length(url), url,
                     MAX_REDIRECTS);
}

/* --- Again */

bool client_is_transient(const struct response *response)
{
    switch (response->status) {
    case 408:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
        return true;
    case 403: /* of the storage: a signed address that has run out */
        return response->foreign;
    default:
        return false;
    }
}

void client_wait(const struct hub_client *client, const char *what, const char *why, int failed,
                 long retry_after_s)
{
    double seconds = 0.5;
    for (int i = 1; i < failed && seconds < 8; i++)
        seconds *= 2;
    if (retry_after_s >= 0)
        seconds = retry_after_s < MAX_WAIT_S ? (double)retry_after_s : MAX_WAIT_S;
    char line[HUB_NOTE_SIZE];
    snprintf(line, sizeof line, "%s: %s; trying again in %.3g s", what, why, seconds);
    client->progress->note(client->progress, line);
    struct timespec time = {.tv_sec = (time_t)seconds,
                            .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&time, NULL);
}

bool client_ask(struct hub_client *client, const struct request *request, int tries,
                struct response *response, struct error *err)
{
    for (int failed = 0;; failed++) {
        bool answered = client_send(client, request, response, err);
        bool again = answered ? client_is_transient(response) : client->reached && !response->hopeless;
        if (!again || failed + 1 >= tries)
            return answered;
        char why[40];
        snprintf(why, sizeof why, "status %ld", response->status);
        client_wait(client, client->settings->endpoint, answered ? why : err->message, failed + 1,
                    response->retry_after_s);
    }
}
