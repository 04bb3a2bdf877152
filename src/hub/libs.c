#include "hub/libs.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

#define TEXT(number) #number
#define LIBRARY(base, number) base TEXT(number)
#define CRYPTO_FILE LIBRARY("libcrypto.so.", OPENSSL_SHLIB_VERSION)

static struct hub_libs libs;
static char problem[300]; /* "": both are open */
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Finds a function; the first that is missing is kept as the problem. */
static void *find(void *library, const char *function)
{
    void *found = library ? dlsym(library, function) : NULL;
    if (!found && !problem[0])
        snprintf(problem, sizeof problem, "%s", dlerror());
    return found;
}

static void open_libraries(void)
{
    void *curl = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!curl)
        snprintf(problem, sizeof problem, "%s", dlerror());
#define X(function) *(void **)&libs.p_##function = find(curl, #function);
    CURL_FUNCTIONS(X)
#undef X
    void *crypto = problem[0] ? NULL : dlopen(CRYPTO_FILE, RTLD_NOW | RTLD_LOCAL);
    if (!crypto && !problem[0])
        snprintf(problem, sizeof problem, "%s", dlerror());
#define X(function) *(void **)&libs.p_##function = find(crypto, #function);
    CRYPTO_FUNCTIONS(X)
#undef X
    if (!problem[0] && libs.p_curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        snprintf(problem, sizeof problem, "libcurl does not start");
}

const struct hub_libs *hub_libs(struct error *err)
{
    pthread_once(&once, open_libraries);
    if (!problem[0])
        return &libs;
    error_set(err, ERR_NOT_FOUND,
              "downloading needs libcurl and OpenSSL (%.200s): apt-get install libcurl4 libssl%d", problem,
              OPENSSL_SHLIB_VERSION);
    return NULL;
}
