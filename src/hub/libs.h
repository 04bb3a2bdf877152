/* libcurl and libcrypto, opened when the first download needs them: linked, they and the 30 libraries behind
 * them would cost every start 10 ms and 6 MB. */
#ifndef LINNET_HUB_LIBS_H
#define LINNET_HUB_LIBS_H

#define CURL_DISABLE_TYPECHECK /* its macros would stand in the way of the pointers' types */
#include <curl/curl.h>
#include <openssl/evp.h>

#include "base/error.h"

/* Each pointer has the type of the function whose name it bears. */
#define CURL_FUNCTIONS(X) \
    X(curl_global_init)   \
    X(curl_easy_init)     \
    X(curl_easy_cleanup)  \
    X(curl_easy_reset)    \
    X(curl_easy_setopt)   \
    X(curl_easy_getinfo)  \
    X(curl_easy_perform)  \
    X(curl_easy_strerror) \
    X(curl_slist_append)  \
    X(curl_slist_free_all)

#define CRYPTO_FUNCTIONS(X) \
    X(EVP_MD_CTX_new)       \
    X(EVP_MD_CTX_free)      \
    X(EVP_DigestInit_ex)    \
    X(EVP_DigestUpdate)     \
    X(EVP_DigestFinal_ex)   \
    X(EVP_sha1)             \
    X(EVP_sha256)

struct hub_libs {
#define X(function) __typeof__(function) *p_##function;
    CURL_FUNCTIONS(X)
    CRYPTO_FUNCTIONS(X)
#undef X
};

/* Opens both, once a process; they are never closed. NULL: ERR_NOT_FOUND says what to install. Any thread. */
const struct hub_libs *hub_libs(struct error *err);

#endif
