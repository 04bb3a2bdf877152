#include "hub/digest.h"

#include <stdio.h>
#include <string.h>

enum { SHA1_DIGITS = 40, SHA256_DIGITS = 64 };

static bool is_hex(const char *text, size_t length)
{
    return strlen(text) == length && strspn(text, "0123456789abcdef") == length;
}

static bool hash(const struct hub_libs *libs, EVP_MD_CTX *context, const EVP_MD *kind, const char *prefix,
                 size_t prefix_length, struct blob bytes, char text[SHA256_DIGITS + 1])
{
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (libs->p_EVP_DigestInit_ex(context, kind, NULL) != 1 ||
        libs->p_EVP_DigestUpdate(context, prefix, prefix_length) != 1 ||
        libs->p_EVP_DigestUpdate(context, bytes.bytes, bytes.size) != 1 ||
        libs->p_EVP_DigestFinal_ex(context, out, &length) != 1)
        return false;
    for (unsigned i = 0; i < length && i < SHA256_DIGITS / 2; i++)
        snprintf(text + 2 * i, 3, "%02x", out[i]);
    return true;
}

bool digest_check(const struct hub_libs *libs, const char *etag, struct blob bytes, struct error *err)
{
    bool sha256 = is_hex(etag, SHA256_DIGITS), git = is_hex(etag, SHA1_DIGITS);
    char text[SHA256_DIGITS + 1] = "", prefix[32] = "";
    size_t prefix_length = 0;
    if (!sha256 && !git)
        return true;
    if (git) /* git hashes "blob SIZE", a NUL and the bytes: gitformat-loose(5) */
        prefix_length = (size_t)snprintf(prefix, sizeof prefix, "blob %zu", bytes.size) + 1;
    EVP_MD_CTX *context = libs->p_EVP_MD_CTX_new();
    if (!context)
        return error_set(err, ERR_NO_MEMORY, "no memory to check a download");
    bool hashed = hash(libs, context, sha256 ? libs->p_EVP_sha256() : libs->p_EVP_sha1(), prefix,
                       prefix_length, bytes, text);
    libs->p_EVP_MD_CTX_free(context);
    if (!hashed)
        return error_set(err, ERR_INTERNAL, "OpenSSL does not compute the hash %s", etag);
    return strcmp(text, etag) == 0 || error_set(err, ERR_IO, "its hash is %s, want %s", text, etag);
}
