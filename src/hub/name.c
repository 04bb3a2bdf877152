#include <stdio.h>
#include <string.h>

#include "hub/hub.h"

/* The rules of huggingface_hub's validate_repo_id(). */
static bool valid_part(const char *part, size_t length)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    if (length == 0 || strspn(part, allowed) < length)
        return false;
    return strchr("-.", part[0]) == NULL && strchr("-.", part[length - 1]) == NULL;
}

static bool valid_repo(const char *repo, size_t length)
{
    const char *slash = memchr(repo, '/', length);
    size_t owner = slash ? (size_t)(slash - repo) : 0;
    const char *name = slash ? slash + 1 : repo;
    size_t name_length = length - (size_t)(name - repo);
    if (length >= HUB_REPO_SIZE || !valid_part(name, name_length) || (slash && !valid_part(repo, owner)))
        return false;
    bool git = name_length >= 4 && memcmp(name + name_length - 4, ".git", 4) == 0;
    return !git && !memmem(repo, length, "--", 2) && !memmem(repo, length, "..", 2);
}

/* It becomes a path under refs/, and a part of an address. */
static bool valid_revision(const char *revision)
{
    size_t length = strlen(revision);
    if (length == 0 || length >= HUB_REVISION_SIZE || revision[0] == '/' || revision[length - 1] == '/' ||
        strstr(revision, "..") || strstr(revision, "//") || strstr(revision, "/.") || revision[0] == '.')
        return false;
    for (const char *c = revision; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7F || strchr("~^:?*[\\", *c)) /* git-check-ref-format(1) */
            return false;
    return true;
}

static size_t repo_length(const char *text)
{
    return strcspn(text, "@");
}

bool hub_is_name(const char *text)
{
    return valid_repo(text, repo_length(text));
}

bool hub_name_parse(const char *text, const char *revision, struct hub_name *out, struct error *err)
{
    size_t length = repo_length(text);
    const char *behind = text[length] == '@' ? text + length + 1 : NULL;
    if (!valid_repo(text, length))
        return error_set(
            err, ERR_USAGE,
            "\"%.200s\" is no model name, want owner/name of letters, digits, \"-\", \"_\" and \".\"", text);
    if (behind && revision)
        return error_set(err, ERR_USAGE, "the revision is given twice: \"%.100s\" and --revision \"%.100s\"",
                         behind, revision);
    if (behind)
        revision = behind;
    if (!revision)
        revision = "main";
    if (!valid_revision(revision))
        return error_set(err, ERR_USAGE, "\"%.200s\" is no revision, want a branch, a tag or a commit",
                         revision);
    snprintf(out->repo, sizeof out->repo, "%.*s", (int)length, text);
    snprintf(out->revision, sizeof out->revision, "%s", revision);
    return true;
}
