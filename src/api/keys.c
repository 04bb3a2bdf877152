#include "api/keys.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/file.h"

enum { MAX_CREDENTIALS = 4096 };

struct keys {
    struct buf text; /* the keys, each with a NUL behind it */
};

/* Visible ASCII: what a field can hold and no white space ends. */
static bool is_sound(const char *key, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (key[i] <= ' ' || key[i] >= 0x7f)
            return false;
    return length > 0;
}

static void add(struct keys *keys, const char *key, size_t length)
{
    buf_append(&keys->text, key, length);
    buf_append(&keys->text, "", 1);
}

static bool add_line(struct keys *keys, const char *path, int number, const char *line, size_t length,
                     struct error *err)
{
    while (length > 0 && strchr(" \t\r", line[0])) {
        line++;
        length--;
    }
    while (length > 0 && strchr(" \t\r", line[length - 1]))
        length--;
    if (length == 0 || line[0] == '#')
        return true;
    if (!is_sound(line, length))
        return error_set(
            err, ERR_USAGE,
            "%.200s line %d: a key is of letters, digits and other visible ASCII, without spaces", path,
            number);
    add(keys, line, length);
    return true;
}

static bool add_file(struct keys *keys, const char *path, struct error *err)
{
    struct blob file;
    if (!file_map(path, &file, err))
        return false;
    const char *at = (const char *)file.bytes, *end = at + file.size;
    bool sound = true;
    for (int number = 1; sound && at < end; number++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((newline ? newline : end) - at);
        sound = add_line(keys, path, number, at, length, err);
        at += length + 1;
    }
    file_unmap(&file);
    if (sound && keys->text.length == 0)
        return error_set(err, ERR_USAGE, "%.300s has no key: one a line is wanted", path);
    return sound;
}

bool keys_open(const char *key, const char *path, struct keys **out, struct error *err)
{
    *out = NULL;
    if (!key && !path)
        return true;
    if (key && !is_sound(key, strlen(key)))
        return error_set(
            err, ERR_USAGE,
            "the API key is %s: it is of letters, digits and other visible ASCII, without spaces",
            *key ? "malformed" : "empty");
    struct keys *keys = calloc(1, sizeof *keys);
    if (!keys)
        return error_set(err, ERR_NO_MEMORY, "no memory for API keys");
    if (path && !add_file(keys, path, err)) {
        keys_close(keys);
        return false;
    }
    if (key)
        add(keys, key, strlen(key));
    if (!buf_ok(&keys->text)) {
        keys_close(keys);
        return error_set(err, ERR_NO_MEMORY, "no memory for API keys");
    }
    *out = keys;
    return true;
}

void keys_close(struct keys *keys)
{
    if (!keys)
        return;
    buf_free(&keys->text);
    free(keys);
}

/* Goes through all of `key`, whatever it finds. The shown one is read in a circle where it is shorter. */
static bool is_same(const char *key, size_t length, const char *shown, size_t shown_length)
{
    unsigned differences = length != shown_length;
    for (size_t i = 0; i < length; i++)
        differences |= (unsigned char)key[i] ^ (unsigned char)shown[shown_length ? i % shown_length : 0];
    return differences == 0;
}

/* What follows a scheme's name, in any case; NULL where another scheme is used. */
static const char *after_scheme(const char *authorization, const char *scheme)
{
    size_t length = strlen(scheme);
    if (strncasecmp(authorization, scheme, length) != 0 || authorization[length] != ' ')
        return NULL;
    return authorization + length + strspn(authorization + length, " ");
}

/* The password of RFC 7617, 2: base64 of name:password. NULL: there is none. */
static const char *password_of(const char *credentials, char *out, size_t size)
{
    size_t length;
    if (!base64_read(credentials, strlen(credentials), out, size - 1, &length))
        return NULL;
    out[length] = '\0';
    const char *colon = memchr(out, ':', length);
    return colon && strlen(out) == length ? colon + 1 : NULL;
}

bool keys_allow(const struct keys *keys, const char *authorization)
{
    char decoded[MAX_CREDENTIALS];
    if (!keys)
        return true;
    const char *shown = authorization ? after_scheme(authorization, "Bearer") : NULL;
    const char *basic = authorization ? after_scheme(authorization, "Basic") : NULL;
    if (basic)
        shown = password_of(basic, decoded, sizeof decoded);
    if (!shown)
        return false;
    size_t shown_length = strlen(shown);
    bool allowed = false;
    for (size_t at = 0; at < keys->text.length;) {
        size_t length = strlen(keys->text.bytes + at);
        bool same = is_same(keys->text.bytes + at, length, shown, shown_length);
        allowed = allowed | same;
        at += length + 1;
    }
    return allowed;
}

bool keys_sent_by_browser(const char *authorization)
{
    return authorization && after_scheme(authorization, "Basic");
}
