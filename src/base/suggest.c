#include "base/suggest.h"

#include <string.h>

enum { MAX_COMPARED = 63 };

static int min3(int a, int b, int c)
{
    int least = a < b ? a : b;
    return least < c ? least : c;
}

/* Wagner & Fischer 1974, one row at a time. */
static int edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    int row[MAX_COMPARED + 1];
    for (size_t j = 0; j <= b_length; j++)
        row[j] = (int)j;
    for (size_t i = 1; i <= a_length; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= b_length; j++) {
            int above = row[j];
            row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[b_length];
}

const char *suggest_nearest(const char *word, const char *const candidates[], size_t count)
{
    const char *nearest = NULL;
    int best = MAX_COMPARED;
    size_t length = strnlen(word, MAX_COMPARED);
    for (size_t i = 0; i < count; i++) {
        size_t other = strnlen(candidates[i], MAX_COMPARED);
        int distance = edit_distance(word, length, candidates[i], other);
        int allowed = (int)((length > other ? length : other) + 2) / 3;
        if (distance <= allowed && distance < best) {
            best = distance;
            nearest = candidates[i];
        }
    }
    return nearest;
}
