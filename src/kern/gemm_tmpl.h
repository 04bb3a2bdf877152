/* The matrix product. Included once by each instruction-set file, after math_tmpl.h.
 *
 * A tile is up to TILE_ROWS rows by TILE_VECTORS vectors of columns, its sums held in registers while k goes
 * up: the one accumulator of each output. Panels are TILE_VECTORS vectors wide. */

#define TILE_ROWS 6
#define PANEL (TILE_VECTORS * LANES)

/* out[rows][vectors * LANES] = a[rows][k] b[k][vectors * LANES]. rows and vectors are constants wherever this
 * is inlined. For every 16 floats of b it fetches the cache line at `ahead`, then adds ahead_step bytes. */
ALWAYS_INLINE void tile_product(int rows, int vectors, float *out, size_t out_stride, const float *a,
                                size_t a_stride, const float *b, int k, const char *ahead, size_t ahead_step)
{
    vec sum[TILE_ROWS][TILE_VECTORS];
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < vectors; v++)
            sum[r][v] = vec_set1(0.0f);
    }
    for (int i = 0; i < k; i++) {
        vec column[TILE_VECTORS];
        UNROLL
        for (int v = 0; v < vectors; v++) {
            column[v] = vec_load(b + v * LANES);
            if (v * LANES % 16 == 0) {
                __builtin_prefetch(ahead, 0, 2);
                ahead += ahead_step;
            }
        }
        UNROLL
        for (int r = 0; r < rows; r++) {
            vec x = vec_set1(a[(size_t)r * a_stride + (size_t)i]);
            UNROLL
            for (int v = 0; v < vectors; v++)
                sum[r][v] = vec_fma(x, column[v], sum[r][v]);
        }
        b += vectors * LANES;
    }
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < vectors; v++)
            vec_store(out + (size_t)r * out_stride + v * LANES, sum[r][v]);
    }
}

typedef void tile_function(float *out, size_t out_stride, const float *a, size_t a_stride, const float *b,
                           int k, const char *ahead, size_t ahead_step);

#define TILE(rows, vectors)                                                                                \
    static void tile_##rows##_by_##vectors(float *out, size_t out_stride, const float *a, size_t a_stride, \
                                           const float *b, int k, const char *ahead, size_t ahead_step)    \
    {                                                                                                      \
        tile_product(rows, vectors, out, out_stride, a, a_stride, b, k, ahead, ahead_step);                \
    }
/* clang-format off */
#define TILES(vectors) \
    TILE(1, vectors) TILE(2, vectors) TILE(3, vectors) TILE(4, vectors) TILE(5, vectors) TILE(6, vectors)
#define TILE_NAMES(vectors) \
    {tile_1_by_##vectors, tile_2_by_##vectors, tile_3_by_##vectors, \
     tile_4_by_##vectors, tile_5_by_##vectors, tile_6_by_##vectors}
/* clang-format on */

/* tiles[vectors - 1][rows - 1] */
#if TILE_VECTORS == 2
TILES(1)
TILES(2)
static tile_function *const tiles[2][TILE_ROWS] = {TILE_NAMES(1), TILE_NAMES(2)};
#elif TILE_VECTORS == 4
TILES(1)
TILES(2)
TILES(3)
TILES(4)
static tile_function *const tiles[4][TILE_ROWS] = {TILE_NAMES(1), TILE_NAMES(2), TILE_NAMES(3),
                                                   TILE_NAMES(4)};
#endif

/* What follows the product of a tile: y = activation(sums + bias) + residual, for rows x columns from (row,
 * column) on. */
ALWAYS_INLINE void finish_tile_with(enum activation activation, const struct gemm_f32 *g, const float *sums,
                                    int row, int rows, int column, int columns)
{
    for (int r = 0; r < rows; r++) {
        size_t line = (size_t)row + (size_t)r;
        float *y = g->y + line * g->y_stride + column;
        const float *residual = g->residual ? g->residual + line * g->residual_stride + column : NULL;
        for (int c = 0; c < columns; c += LANES) {
            vec v = vec_load(sums + r * PANEL + c);
            if (g->bias)
                v = vec_add(v, vec_load_first(g->bias + column + c, columns - c));
            v = vec_activate(v, activation);
            if (residual)
                v = vec_add(v, vec_load_first(residual + c, columns - c));
            vec_store_first(y + c, v, columns - c);
        }
    }
}

static void finish_tile(const struct gemm_f32 *g, const float *sums, int row, int rows, int column,
                        int columns)
{
    switch (g->activation) {
    case ACT_NONE:
        finish_tile_with(ACT_NONE, g, sums, row, rows, column, columns);
        break;
    case ACT_GELU_ERF:
        finish_tile_with(ACT_GELU_ERF, g, sums, row, rows, column, columns);
        break;
    case ACT_GELU_TANH:
        finish_tile_with(ACT_GELU_TANH, g, sums, row, rows, column, columns);
        break;
    case ACT_RELU:
        finish_tile_with(ACT_RELU, g, sums, row, rows, column, columns);
        break;
    case ACT_SILU:
        finish_tile_with(ACT_SILU, g, sums, row, rows, column, columns);
        break;
    case ACT_TANH:
        finish_tile_with(ACT_TANH, g, sums, row, rows, column, columns);
        break;
    }
}

/* Rows row_begin..row_end of one panel, in tiles of even height: never a 6 and a 1. Each tile fetches its
 * share of the next panel, so that memory works all the time and not only while a panel is new. */
static void gemm_panel(const struct gemm_f32 *g, const struct packed_f32 *w, int panel, int row_begin,
                       int row_end)
{
    float sums[TILE_ROWS * PANEL] __attribute__((aligned(64)));
    size_t size = (size_t)w->k * PANEL;
    const float *b = w->data + (size_t)panel * size;
    const float *next = panel + 1 < w->panel_count ? b + size : b;
    int column = panel * PANEL, columns = w->n - column < PANEL ? w->n - column : PANEL;
    int rows = row_end - row_begin, count = (rows + TILE_ROWS - 1) / TILE_ROWS;
    size_t step = (size_t)(64 + count - 1) / (size_t)count;
    for (int t = 0; t < count; t++) {
        int row = row_begin + kern_part_begin(rows, t, count);
        int height = row_begin + kern_part_begin(rows, t + 1, count) - row;
        const char *ahead = (const char *)(next + size / (size_t)count * (size_t)t);
        tiles[TILE_VECTORS - 1][height - 1](sums, PANEL, g->x + (size_t)row * g->x_stride, g->x_stride, b,
                                            w->k, ahead, step);
        finish_tile(g, sums, row, height, column, columns);
    }
}

/* Each panel is read once for a block of rows, and each block once for all panels: the less of the two stays
 * in a cache. */
static void gemm_f32(const struct gemm_f32 *g, const struct packed_f32 *w, int panel_begin, int panel_end)
{
    int fit = KERN_BLOCK_BYTES / ((int)sizeof(float) * w->k);
    int block = fit < 4 * TILE_ROWS ? 4 * TILE_ROWS : fit;
    int count = (g->m + block - 1) / block;
    for (int i = 0; i < count; i++)
        for (int panel = panel_begin; panel < panel_end; panel++)
            gemm_panel(g, w, panel, kern_part_begin(g->m, i, count), kern_part_begin(g->m, i + 1, count));
}
