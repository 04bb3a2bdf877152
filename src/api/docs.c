/* GET /docs: the table of routes to read, with a request of each to copy. One page and its style, no script,
 * nothing from elsewhere. */
#include <string.h>

#include "api/internal.h"
#include "api/openapi.h"
#include "api/schemas.h"

static const char style[] =
    ":root{color-scheme:light dark}\n"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem}\n"
    "h2{margin-top:2.5rem}\n"
    "section>div{border-top:1px solid #8886;padding:.75rem 0}\n"
    "h3{font:600 1rem/1.5 ui-monospace,monospace;margin:0;overflow-wrap:anywhere}\n"
    "p{margin:.25rem 0}\n"
    "pre{overflow-x:auto;padding:.5rem;background:#8882;border-radius:.25rem}\n"
    "nav a{margin-right:1rem}\n";

static const struct http_response_field security[] = {
    {"Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
                                "frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
};

static void put_escaped(struct buf *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '<')
            buf_puts(out, "&lt;");
        else if (text[i] == '&')
            buf_puts(out, "&amp;");
        else if (text[i] == '"')
            buf_puts(out, "&quot;");
        else
            buf_putc(out, text[i]);
    }
}

static void put_text(struct buf *out, const char *text)
{
    put_escaped(out, text, strlen(text));
}

/* Where the paths of one of several models are. */
static void put_place(const struct described *described, struct buf *out)
{
    if (described->count > 1 || described->models[0]->root->model_count == 1)
        return;
    buf_puts(out, "/models/");
    put_text(out, api_model_name(described->models[0]));
}

/* The request for the shell: its address is the one that the client used. */
static void put_example(const struct described *described, struct http_exchange *x, const struct route *route,
                        struct buf *out)
{
    const char *host = http_field(x, "host");
    const char *name = request_schema(described, route);
    const struct api *model = described_model(described, route);
    const struct schema *request = name ? schema_find(name) : NULL;
    struct buf json;
    if (!request || !request->example)
        return;
    buf_init(&json);
    put_schema_text(described, request->example, &json);
    buf_puts(out, "<pre><code>curl http://");
    put_text(out, host ? host : "localhost");
    put_place(described, out);
    for (const char *at = route->path; *at; at++) {
        if (*at != '{') {
            buf_putc(out, *at);
            continue;
        }
        put_text(out,
                 strncmp(at, "{model}", 7) == 0 ? api_model_name(model ? model : described->models[0]) : "1");
        at += strcspn(at, "}");
    }
    buf_puts(out, " -H 'Content-Type: application/json' -d '");
    if (buf_ok(&json))
        put_escaped(out, json.bytes, json.length);
    else
        out->failed = true;
    buf_puts(out, "'</code></pre>\n");
    buf_free(&json);
}

static void put_route(const struct described *described, struct http_exchange *x, const struct route *route,
                      struct buf *out)
{
    buf_printf(out, "<div><h3>%s ", route->method);
    put_place(described, out);
    buf_printf(out, "%s</h3>\n<p>", route->path);
    put_text(out, route->summary);
    buf_puts(out, ".</p>\n");
    put_example(described, x, route, out);
    buf_puts(out, "</div>\n");
}

/* The routes of one dialect, which is that of routes[first]; nothing where an earlier route has it. */
static void put_section(const struct described *described, struct http_exchange *x, size_t first,
                        struct buf *out)
{
    const struct dialect *dialect = routes[first].dialect;
    for (size_t i = 0; i < first; i++)
        if (routes[i].dialect == dialect)
            return;
    buf_printf(out, "<section><h2>%s</h2>\n", dialect->name);
    for (size_t i = first; i < route_count; i++)
        if (routes[i].dialect == dialect)
            put_route(described, x, &routes[i], out);
    buf_puts(out, "</section>\n");
}

/* What is served here, and of several models where each one's own page is. */
static void put_models(const struct described *described, struct buf *out)
{
    buf_puts(out, "<p>");
    if (described->count == 1) {
        const struct api *api = described->models[0];
        put_text(out, api->sched      ? api_model_name(api)
                      : *api->failure ? api->failure
                                      : "The model is loading");
        buf_puts(out, api->sched ? " is served on these paths.</p>\n" : ".</p>\n");
        return;
    }
    buf_puts(out,
             "The first model that a path is for answers it, or the one that a field \"model\" names. Each "
             "one&#39;s own paths:</p>\n<ul>\n");
    for (int i = 0; i < described->count; i++) {
        const char *name = api_model_name(described->models[i]);
        const struct api *api = described->models[i];
        buf_puts(out, "<li><a href=\"models/");
        put_text(out, name);
        buf_puts(out, "/docs\">/models/");
        put_text(out, name);
        buf_puts(out, "</a> ");
        put_text(out, api->sched      ? sched_engine(api->sched)->desc.task_name
                      : *api->failure ? "not there"
                                      : "loading");
        buf_puts(out, "</li>\n");
    }
    buf_puts(out, "</ul>\n");
}

void page_docs(struct api *api, struct http_exchange *x)
{
    const struct described described = described_by(api, x);
    struct buf body;
    buf_init(&body);
    buf_puts(&body,
             "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
             "<title>linnet: paths</title>\n<link rel=\"stylesheet\" href=\"docs/style.css\">\n</head>\n"
             "<body>\n<main>\n<h1>linnet ");
    put_text(&body, api->options.version);
    buf_puts(&body, "</h1>\n");
    put_models(&described, &body);
    buf_puts(&body, "<nav><a href=\"openapi.json\">openapi.json</a><a href=\"info\">info</a>"
                    "<a href=\"metrics\">metrics</a></nav>\n");
    for (size_t i = 0; i < route_count; i++)
        put_section(&described, x, i, &body);
    buf_puts(&body, "</main>\n</body>\n</html>\n");
    http_respond(x, 200, "text/html; charset=utf-8", security, sizeof security / sizeof *security, &body);
}

void page_docs_style(struct api *api, struct http_exchange *x)
{
    struct buf body;
    (void)api;
    buf_init(&body);
    buf_puts(&body, style);
    http_respond(x, 200, "text/css; charset=utf-8", security, sizeof security / sizeof *security, &body);
}
