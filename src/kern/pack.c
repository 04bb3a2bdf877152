#include "kern/paths.h"

#include <string.h>

enum { BLOCK_COLUMNS = 16, BLOCK_DEPTH = 64 };

/* Transposes w[column..column + columns)[begin..begin + depth) into data[depth][panel]. One block of w is
 * widened at a time, so that both the reads along k and the writes along the panel are contiguous. */
static void pack_block(float *data, int panel, const unsigned char *w, enum dtype dtype, int k, int columns,
                       int depth, void (*widen)(float *y, const void *x, enum dtype dtype, size_t n))
{
    float block[BLOCK_COLUMNS][BLOCK_DEPTH + 1]; /* + 1: columns of the block must not share one cache set */
    for (int j = 0; j < columns; j++)
        widen(block[j], w + (size_t)j * (size_t)k * dtype_size(dtype), dtype, (size_t)depth);
    for (int i = 0; i < depth; i++)
        for (int j = 0; j < columns; j++)
            data[(size_t)i * (size_t)panel + (size_t)j] = block[j][i];
}

static int at_most(int value, int limit)
{
    return value < limit ? value : limit;
}

void kern_pack(float *data, const void *w, enum dtype dtype, int n, int k, int panel, int panel_begin,
               int panel_end, void (*widen)(float *y, const void *x, enum dtype dtype, size_t n))
{
    const unsigned char *bytes = w;
    for (int p = panel_begin; p < panel_end; p++) {
        float *to = data + (size_t)p * (size_t)k * (size_t)panel;
        int columns = at_most(panel, n - p * panel);
        if (columns < panel)
            memset(to, 0, (size_t)k * (size_t)panel * sizeof *to);
        for (int i = 0; i < k; i += BLOCK_DEPTH)
            for (int j = 0; j < columns; j += BLOCK_COLUMNS) {
                size_t first = (size_t)(p * panel + j) * (size_t)k + (size_t)i;
                pack_block(to + (size_t)i * (size_t)panel + j, panel, bytes + first * dtype_size(dtype),
                           dtype, k, at_most(BLOCK_COLUMNS, columns - j), at_most(BLOCK_DEPTH, k - i), widen);
            }
    }
}
