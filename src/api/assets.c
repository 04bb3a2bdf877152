/* The page at GET / and the files that it is made of. */
#include <string.h>

#include "api/dialects.h"
#include "api/internal.h"

/* The page loads its own files and asks its own server, nothing else. */
static const struct http_response_field fields[] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
     "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"Cache-Control", "no-cache"},
};

void page_asset(struct api *api, struct http_exchange *x)
{
    struct error err;
    for (size_t i = 0; i < api->options.asset_count; i++) {
        const struct api_asset *asset = &api->options.assets[i];
        if (strcmp(asset->path, http_path(x)) != 0)
            continue;
        struct buf body;
        buf_init(&body);
        buf_append(&body, asset->bytes.bytes, asset->bytes.size);
        http_respond(x, 200, asset->type, fields, sizeof fields / sizeof *fields, &body);
        return;
    }
    error_set(&err, ERR_NOT_FOUND,
              "the page is switched off (--no-ui); GET /docs lists the paths of the API");
    answer_error(x, &own_dialect, &err);
}
