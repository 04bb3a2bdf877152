#include <string.h>

#include "hub/client.h"

/* 401 and 403. Who has no token is told 401 for a model that does not exist too. */
static bool refused_access(const struct hub_client *client, const struct hub_name *name,
                           const struct response *response, struct error *err)
{
    const struct hub_settings *settings = client->settings;
    const char *comma = response->message[0] ? ", " : "";
    bool has_token = settings->token[0] != '\0';
    if (strcmp(response->error_code, "GatedRepo") == 0)
        return error_set(err, ERR_PERMISSION, "%s is gated: accept its conditions at %s/%s, then %s%.100s",
                         name->repo, settings->endpoint, name->repo,
                         has_token ? "use a token of the account that did; the one now is from "
                                   : "set HF_TOKEN to a token of the account that did",
                         settings->token_source);
    if (has_token && strcmp(response->error_code, "RepoNotFound") != 0)
        return error_set(err, ERR_PERMISSION,
                         "%s: the Hub refuses the token from %.100s (%ld%s%s); make one that may read at "
                         "%s/settings/tokens",
                         name->repo, settings->token_source, response->status, comma, response->message,
                         settings->endpoint);
    return error_set(
        err, ERR_PERMISSION,
        "%s: no such directory, and the Hub has no such model or keeps it private (%ld%s%s); check the "
        "name, or set HF_TOKEN to a token that may read it",
        name->repo, response->status, comma, response->message);
}

static bool not_there(const struct hub_client *client, const struct hub_name *name, const char *file,
                      const struct response *response, struct error *err)
{
    const char *endpoint = client->settings->endpoint;
    if (strcmp(response->error_code, "RevisionNotFound") == 0)
        return error_set(err, ERR_NOT_FOUND,
                         "%s has no revision \"%s\"; its branches and tags are listed at %s/%s", name->repo,
                         name->revision, endpoint, name->repo);
    if (file)
        return error_set(err, ERR_NOT_FOUND, "%s has no %s at revision \"%s\", though %s lists it; try again",
                         name->repo, file, name->revision, endpoint);
    return error_set(
        err, ERR_NOT_FOUND,
        "%s: no such directory, and the Hub (%s) has no such model; check the name, or set HF_TOKEN "
        "where the model is private",
        name->repo, endpoint);
}

bool client_refused(const struct hub_client *client, const struct hub_name *name, const char *file,
                    const struct response *response, struct error *err)
{
    const char *endpoint = client->settings->endpoint, *comma = response->message[0] ? ", " : "";
    long status = response->status;
    if (response->foreign)
        return error_set(err, ERR_IO, "%s%s%s: the storage that %s redirects to answers %ld; try again later",
                         name->repo, file ? "/" : "", file ? file : "", endpoint, status);
    if (status == 401 || status == 403)
        return refused_access(client, name, response, err);
    if (status == 404)
        return not_there(client, name, file, response, err);
    if (status == 429)
        return error_set(err, ERR_IO, "%s: the Hub takes no more requests for now (429); try again later%s",
                         name->repo,
                         client->settings->token[0] ? "" : ", or set HF_TOKEN: known users may ask more");
    if (status >= 500)
        return error_set(err, ERR_IO, "%s: the Hub (%s) has a problem of its own (%ld%s%s); try again later",
                         name->repo, endpoint, status, comma, response->message);
    return error_set(err, ERR_IO, "%s%s%s: %s answers %ld%s%s, want 200; is HF_ENDPOINT right?", name->repo,
                     file ? "/" : "", file ? file : "", endpoint, status, comma, response->message);
}
