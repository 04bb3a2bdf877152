/* The metrics of several models as one text: a name's samples must stand together under one head. */
#include <string.h>

#include "api/metrics.h"

static const char help[] = "# HELP ";

/* The end of the family that begins at `family`: its head and samples. */
static const char *family_end(const char *family)
{
    const char *next = strstr(family + 1, "\n# HELP ");
    return next ? next + 1 : family + strlen(family);
}

static size_t name_length(const char *family)
{
    return strcspn(family + strlen(help), " ");
}

/* The family of the same name in another part's text, or NULL. */
static const char *find_family(const char *text, const char *family)
{
    size_t length = name_length(family);
    for (const char *at = text; *at; at = family_end(at))
        if (name_length(at) == length && memcmp(at + strlen(help), family + strlen(help), length) == 0)
            return at;
    return NULL;
}

/* A sample's line with the model's label, unless it has one. */
static void put_sample(struct buf *out, const char *line, size_t length, const char *model)
{
    static const char labelled[] = "{model=";
    size_t name = strcspn(line, "{ ");
    if (strncmp(line + name, labelled, strlen(labelled)) == 0) {
        buf_append(out, line, length);
        return;
    }
    buf_append(out, line, name);
    buf_puts(out, labelled);
    metrics_put_label_value(out, model);
    if (line[name] == '{') {
        buf_putc(out, ',');
        buf_append(out, line + name + 1, length - name - 1);
    } else {
        buf_putc(out, '}');
        buf_append(out, line + name, length - name);
    }
}

/* Of a family: its comment lines, or its samples. */
static void put_lines(struct buf *out, const char *family, bool comments, const char *model)
{
    const char *end = family_end(family);
    for (const char *line = family; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t length = newline ? (size_t)(newline - line) + 1 : (size_t)(end - line);
        if (comments && *line == '#')
            buf_append(out, line, length);
        else if (!comments && *line != '#')
            put_sample(out, line, length, model);
        line += length;
    }
}

static bool was_put(const struct metrics_part parts[], int before, const char *family)
{
    for (int i = 0; i < before; i++)
        if (find_family(parts[i].text, family))
            return true;
    return false;
}

void metrics_merge(const struct metrics_part parts[], int count, struct buf *out)
{
    for (int first = 0; first < count; first++) {
        for (const char *family = parts[first].text; *family; family = family_end(family)) {
            if (was_put(parts, first, family))
                continue;
            put_lines(out, family, true, NULL);
            for (int i = first; i < count; i++) {
                const char *own = find_family(parts[i].text, family);
                if (own)
                    put_lines(out, own, false, parts[i].name);
            }
        }
    }
}
