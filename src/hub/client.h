/* HTTP requests to the Hub, by libcurl.
 *
 * The token goes to the scheme, host and port of the endpoint only: a redirect to another place, as the Hub
 * makes to its storage, is asked without it. Only http and https are spoken, never http after https;
 * certificates are checked. One thread at a time.
 */
#ifndef LINNET_HUB_CLIENT_H
#define LINNET_HUB_CLIENT_H

#include <stddef.h>

#include "hub/cache.h"
#include "hub/libs.h"

enum { HUB_URL_SIZE = 8192, HUB_MESSAGE_SIZE = 200 };

struct hub_client {
    const struct hub_libs *libs;
    const struct hub_settings *settings;
    struct hub_progress *progress;
    CURL *easy;
    bool reached; /* an answer has come: the network is there */
};

/* ERR_NOT_FOUND: no libcurl on this machine. On success client_close(). */
bool client_open(struct hub_client *client, const struct hub_settings *settings,
                 struct hub_progress *progress, struct error *err);
void client_close(struct hub_client *client);

struct response {
    long status;
    bool foreign;                    /* from another place than the endpoint */
    bool hopeless;                   /* it was refused here, and would be again */
    int64_t length;                  /* Content-Length, or -1 */
    int64_t range_begin, range_size; /* Content-Range: first byte, size of the whole; or -1 */
    int64_t linked_size;             /* X-Linked-Size, or -1 */
    long retry_after_s;              /* Retry-After, or -1 */
    char etag[HUB_ETAG_SIZE];        /* without its quotes; "": none, or none that fits */
    char linked_etag[HUB_ETAG_SIZE]; /* X-Linked-ETag */
    bool weak_etag;
    char commit[HUB_COMMIT_SIZE]; /* X-Repo-Commit, or "" */
    char error_code[40];          /* X-Error-Code, or "" */
    char message[HUB_MESSAGE_SIZE];
};

struct request {
    const char *url;
    bool head;
    int64_t from; /* ask for the bytes from there on; 0: for all */
    const char
        *only_if; /* with `from`: the ETag that they must still have; NULL: not asked. Not for other places */
    long silence_s; /* without a byte for so long it has failed */
    /* Takes a piece of the body of a 200 or 206; false ends the request. */
    bool (*take)(void *context, const struct response *response, const char *bytes, size_t length);
    void *context;
};

/* Sends once, follows redirects, and waits for the answer, of any status. A HEAD stops at a redirect to
 * another place that says itself what it leads to. False where no whole answer came: ERR_IO; take() has then
 * seen a part of the body, perhaps. */
bool client_send(struct hub_client *client, const struct request *request, struct response *response,
                 struct error *err);

/* Whether another try may help, after an answer of that status. */
bool client_is_transient(const struct response *response);

/* Sends up to `tries` times, while the answer is one that may change or none comes. A host that has never
 * answered is asked once. */
bool client_ask(struct hub_client *client, const struct request *request, int tries,
                struct response *response, struct error *err);

/* Waits before try number `failed` + 1, as long as the answer asked for, or twice as long as the last time,
 * and notes it. */
void client_wait(const struct hub_client *client, const char *what, const char *why, int failed,
                 long retry_after_s);

/* Says what an answer of a status other than 200 and 206 means for a person: `file` of `name`, or NULL for
 * the repository. */
bool client_refused(const struct hub_client *client, const struct hub_name *name, const char *file,
                    const struct response *response, struct error *err);

/* Appends `text` to an address, all but unreserved characters and those in `keep` as %XX. Returns the length.
 */
size_t client_quote(char *out, size_t size, const char *text, const char *keep);

#endif
