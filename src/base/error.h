/* Errors: what a fallible function leaves behind when it returns false or NULL.
 *
 * A fallible function takes `struct error *err` last, never NULL. After a failure err->kind is not ERR_NONE
 * and err->message is one line of UTF-8 for a person: what was wrong, with which value, and what would be
 * right. After success *err is untouched. A struct error owns nothing: copy it freely. Any thread.
 */
#ifndef LINNET_BASE_ERROR_H
#define LINNET_BASE_ERROR_H

#include <stdbool.h>

/* kind, name (stable: logs, metrics and tests use it), what it means. Each dialect maps kinds to its own
 * statuses. */
#define ERROR_KINDS(X)                                                                                     \
    X(NONE, "none", "no error")                                                                            \
    X(USAGE, "usage", "the command line is wrong")                                                         \
    X(NOT_FOUND, "not_found", "a file, directory or address does not exist")                               \
    X(PERMISSION, "permission", "the system refuses access")                                               \
    X(ADDRESS_IN_USE, "address_in_use", "another program listens there")                                   \
    X(IO, "io", "reading, writing or the network failed")                                                  \
    X(BAD_JSON, "bad_json", "the text is not JSON")                                                        \
    X(BAD_INPUT, "bad_input", "a request field is missing, unknown or of the wrong type")                  \
    X(EMPTY_INPUT, "empty_input", "a list of inputs is empty")                                             \
    X(TOO_MANY, "too_many", "more inputs than the limit in one request")                                   \
    X(TOO_LONG, "too_long", "a text has more tokens than the model takes")                                 \
    X(TOO_LARGE, "too_large", "a request that needs, or asks for, more memory than one may have")          \
    X(BAD_MODEL, "bad_model", "a model file is damaged or contradicts another")                            \
    X(UNSUPPORTED_MODEL, "unsupported_model", "the model is sound but needs something linnet does not do") \
    X(OVERLOADED, "overloaded", "the queue is full: try again in retry_ms")                                \
    X(LOADING, "loading", "the model is not loaded yet: try again in retry_ms")                            \
    X(SHUTTING_DOWN, "shutting_down", "the server takes no new work")                                      \
    X(DEADLINE, "deadline", "the work was not done in time")                                               \
    X(CANCELLED, "cancelled", "the client has left")                                                       \
    X(NON_FINITE, "non_finite", "the model computed NaN or infinity for this item")                        \
    X(PYTHON, "python", "Python raised an exception")                                                      \
    X(WORKER, "worker", "the Python worker crashed, hung or cannot be started")                            \
    X(NO_MEMORY, "no_memory", "no memory, or a fixed ceiling was reached")                                 \
    X(INTERNAL, "internal", "a defect in linnet")

enum error_kind {
#define X(kind, name, words) ERR_##kind,
    ERROR_KINDS(X)
#undef X
};

struct error {
    enum error_kind kind;
    unsigned retry_ms; /* ERR_OVERLOADED, ERR_LOADING: when to try again; else 0 */
    char message[500];
};

/* Fills *err and returns false, so that a function can `return error_set(...)`. A message too long for its
 * array is cut; control characters and broken UTF-8 in what it quotes are replaced. */
bool error_set(struct error *err, enum error_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Prepends "context: " to the message of a failure on its way up. Returns false. */
bool error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* error_set() with the kind and the words of errno; `format` says what was being done to what. */
bool error_set_errno(struct error *err, int number, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

const char *error_kind_name(enum error_kind kind);
const char *error_kind_words(enum error_kind kind);

#endif
