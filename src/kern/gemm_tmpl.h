/* The matrix product in any precision. Included once by each instruction-set file, after math_tmpl.h, and
 * after int8_*.h or vec_dot_bf16() where it has them (HAVE_INT8, HAVE_BF16); DEFINE_GEMM then makes the
 * function of one precision.
 *
 * In each precision a product multiplies 32-bit words of x, each broadcast, by vectors of words of w: one
 * float, two bfloat16, two 16-bit or four 8-bit integers. A tile is up to TILE_ROWS rows by TILE_VECTORS
 * vectors of columns, its sums held in registers while k goes up: the one accumulator of each output. Panels
 * of weights are PANEL_VECTORS vectors wide: as wide as a tile, or half as wide where there are registers for
 * tall tiles, of up to TALL_TILE_ROWS rows by one panel. */

#define TILE_ROWS 6
#define TALL_TILE_ROWS 12
#define TILE_COLUMNS (TILE_VECTORS * LANES)
#define PANEL_VECTORS (TILE_VECTORS >= 4 ? TILE_VECTORS / 2 : TILE_VECTORS)

enum { CACHE_LINE = 64 };

/* What `precision` means wherever this is inlined is a constant, and only its case is left. */
ALWAYS_INLINE int word_elements(enum precision precision)
{
#ifdef INT8_GROUP
    if (precision == PRECISION_INT8)
        return INT8_GROUP;
#endif
    return precision == PRECISION_BF16 ? 2 : 1;
}

/* Bytes of a word of w. */
ALWAYS_INLINE size_t word_bytes(enum precision precision)
{
    return precision == PRECISION_INT8 ? (size_t)word_elements(precision) : 4;
}

ALWAYS_INLINE vec load_words(enum precision precision, const unsigned char *w)
{
#ifdef INT8_GROUP
    if (precision == PRECISION_INT8)
        return vec_load_int8(w);
#else
    (void)precision;
#endif
    return vec_load_bytes(w);
}

ALWAYS_INLINE vec multiply_words(enum precision precision, vec sum, vec x, vec w)
{
#ifdef INT8_GROUP
    if (precision == PRECISION_INT8)
        return vec_dot_int8(sum, x, w);
#endif
#ifdef HAVE_BF16
    if (precision == PRECISION_BF16)
        return vec_dot_bf16(sum, x, w);
#endif
    return vec_fma(x, w, sum);
}

/* out[rows][vectors * LANES] = a[rows][words] b[words][vectors * LANES]; a_stride in bytes. b may be so many
 * panels side by side, one after the other in memory. For every line of b it fetches the cache line at
 * `ahead`, then adds ahead_step bytes. */
ALWAYS_INLINE void tile_product(enum precision precision, int rows, int vectors, int panels, float *out,
                                size_t out_stride, const unsigned char *a, size_t a_stride,
                                const unsigned char *b, int words, const char *ahead, size_t ahead_step)
{
    const size_t vector_bytes = LANES * word_bytes(precision);
    const int panel_vectors = vectors / panels;
    const size_t panel_bytes = (size_t)words * (size_t)panel_vectors * vector_bytes;
    vec sum[TALL_TILE_ROWS][TILE_VECTORS];
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < vectors; v++)
            sum[r][v] = vec_set1(0.0f);
    }
    for (int i = 0; i < words; i++) {
        vec column[TILE_VECTORS];
        UNROLL
        for (int v = 0; v < vectors; v++) {
            const unsigned char *panel = b + (size_t)(v / panel_vectors) * panel_bytes;
            column[v] = load_words(precision, panel + (size_t)(v % panel_vectors) * vector_bytes);
            if ((size_t)v * vector_bytes % CACHE_LINE == 0) {
                __builtin_prefetch(ahead, 0, 2);
                ahead += ahead_step;
            }
        }
        UNROLL
        for (int r = 0; r < rows; r++) {
            vec x = vec_set1_word(a + (size_t)r * a_stride + (size_t)i * 4);
            UNROLL
            for (int v = 0; v < vectors; v++)
                sum[r][v] = multiply_words(precision, sum[r][v], x, column[v]);
        }
        b += (size_t)panel_vectors * vector_bytes;
    }
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < vectors; v++)
            vec_store(out + (size_t)r * out_stride + v * LANES, sum[r][v]);
    }
}

typedef void tile_function(float *out, size_t out_stride, const unsigned char *a, size_t a_stride,
                           const unsigned char *b, int words, const char *ahead, size_t ahead_step);

/* What follows the product of a tile, for one vector of its columns of which `count` exist: y =
 * activation(sums + bias) gate + residual. What belongs to the columns is read once for all rows. */
ALWAYS_INLINE void finish_column(enum precision precision, enum activation activation, const struct gemm *g,
                                 const struct packed *w, const float *sums, int row, int rows, int column,
                                 int count)
{
    const struct gemm job = *g; /* where no store to y can seem to change it */
    vec bias = job.bias ? vec_load_first(job.bias + column, count) : vec_set1(0.0f);
    size_t line = (size_t)row;
#ifdef INT8_GROUP
    bool whole_sums = precision == PRECISION_INT8;
    vec scales = whole_sums ? vec_load(w->scales + column) : vec_set1(0.0f);
    vec weight_sums = whole_sums ? vec_load_bytes(w->sums + column) : vec_set1(0.0f);
#else
    (void)w;
#endif
    for (int r = 0; r < rows; r++, line++) {
        vec v = vec_load(sums + r * TILE_COLUMNS);
#ifdef INT8_GROUP
        if (whole_sums) {
            struct row_scale x = job.scales[line];
            vec whole = vec_finish_int8(v, vec_set1_int(x.zero), weight_sums);
            v = vec_mul(vec_from_int(whole), vec_mul(vec_set1(x.scale), scales));
        }
#endif
        v = vec_activate(precision, vec_add(v, bias), activation);
        if (job.gate)
            v = vec_mul(v, vec_load_first(job.gate + line * job.gate_stride + column, count));
        if (job.residual)
            v = vec_add(v, vec_load_first(job.residual + line * job.residual_stride + column, count));
        vec_store_first(job.y + line * job.y_stride + column, v, count);
    }
}

ALWAYS_INLINE void finish_tile_with(enum precision precision, enum activation activation,
                                    const struct gemm *g, const struct packed *w, const float *sums, int row,
                                    int rows, int column, int columns)
{
    int c = 0;
    for (; c + LANES <= columns; c += LANES)
        finish_column(precision, activation, g, w, sums + c, row, rows, column + c, LANES);
    if (c < columns)
        finish_column(precision, activation, g, w, sums + c, row, rows, column + c, columns - c);
}

ALWAYS_INLINE void finish_tile(enum precision precision, const struct gemm *g, const struct packed *w,
                               const float *sums, int row, int rows, int column, int columns)
{
    switch (g->activation) {
    case ACT_NONE:
        finish_tile_with(precision, ACT_NONE, g, w, sums, row, rows, column, columns);
        break;
    case ACT_GELU_ERF:
        finish_tile_with(precision, ACT_GELU_ERF, g, w, sums, row, rows, column, columns);
        break;
    case ACT_GELU_TANH:
        finish_tile_with(precision, ACT_GELU_TANH, g, w, sums, row, rows, column, columns);
        break;
    case ACT_RELU:
        finish_tile_with(precision, ACT_RELU, g, w, sums, row, rows, column, columns);
        break;
    case ACT_SILU:
        finish_tile_with(precision, ACT_SILU, g, w, sums, row, rows, column, columns);
        break;
    case ACT_TANH:
        finish_tile_with(precision, ACT_TANH, g, w, sums, row, rows, column, columns);
        break;
    }
}

/* Tiles of 1..rows rows, as wide as so many panels. */
struct tiles {
    int rows, panels;
    tile_function *const *of_rows; /* [rows], from 1 on */
};

/* Rows row_begin..row_end of the panels that one tile takes, in tiles of even height: never a 6 and a 1. Each
 * tile fetches its share of the panels after them, so that memory works all the time and not only while a
 * panel is new. */
ALWAYS_INLINE void multiply_panel(enum precision precision, struct tiles tiles, const struct gemm *g,
                                  const struct packed *w, int panel, int row_begin, int row_end)
{
    float sums[TALL_TILE_ROWS * TILE_COLUMNS] __attribute__((aligned(64)));
    const int panel_width = PANEL_VECTORS * LANES, width = tiles.panels * panel_width;
    const size_t step_bytes = (size_t)width * word_bytes(precision);
    int words = (w->k + word_elements(precision) - 1) / word_elements(precision);
    size_t size = (size_t)words * step_bytes, panel_size = size / (size_t)tiles.panels;
    const unsigned char *b = w->data + (size_t)panel * panel_size;
    const unsigned char *next = panel + 2 * tiles.panels <= w->panel_count ? b + size : b;
    int column = panel * panel_width, columns = w->n - column < width ? w->n - column : width;
    int rows = row_end - row_begin, count = (rows + tiles.rows - 1) / tiles.rows;
    size_t fetched = step_bytes < CACHE_LINE ? step_bytes : CACHE_LINE;
    size_t ahead_step = (fetched + (size_t)count - 1) / (size_t)count;
    for (int t = 0; t < count; t++) {
        int row = row_begin + kern_part_begin(rows, t, count);
        int height = row_begin + kern_part_begin(rows, t + 1, count) - row;
        const char *ahead = (const char *)(next + size / (size_t)count * (size_t)t);
        tiles.of_rows[height - 1](sums, TILE_COLUMNS, (const unsigned char *)g->x + (size_t)row * g->x_stride,
                                  g->x_stride, b, words, ahead, ahead_step);
        finish_tile(precision, g, w, sums, row, height, column, columns);
    }
}

/* Each panel is read once for a block of rows, and each block once for all panels: the less of the two stays
 * in a cache. A panel that is left over where tiles take two is one that tall tiles take. */
ALWAYS_INLINE void multiply_panels(enum precision precision, struct tiles tiles, struct tiles tall,
                                   const struct gemm *g, const struct packed *w, int panel_begin,
                                   int panel_end)
{
    int row_bytes = (w->k + word_elements(precision) - 1) / word_elements(precision) * 4;
    int fit = KERN_BLOCK_BYTES / row_bytes;
    int block = fit < 4 * TILE_ROWS ? 4 * TILE_ROWS : fit;
    int count = (g->m + block - 1) / block;
    for (int i = 0; i < count; i++) {
        int begin = kern_part_begin(g->m, i, count), end = kern_part_begin(g->m, i + 1, count);
        int panel = panel_begin;
        for (; panel + tiles.panels <= panel_end; panel += tiles.panels)
            multiply_panel(precision, tiles, g, w, panel, begin, end);
        if (panel < panel_end)
            multiply_panel(precision, tall, g, w, panel, begin, end);
    }
}

/* Whether m rows are better multiplied by tall tiles. Of few rows each weight is used once a tile, and the
 * panel's way from memory and the outer caches bounds the speed: the fewer tiles read it, and the narrower it
 * is, so that a first level cache holds it for the second, the better. Of more rows wide tiles load less. */
ALWAYS_INLINE bool wants_tall_tiles(int m)
{
    return m <= 2 * TALL_TILE_ROWS;
}

/* clang-format off */
#define TILE_OF_PANELS(name, precision, rows, vectors, panels)                                             \
    static void name(float *out, size_t out_stride, const unsigned char *a, size_t a_stride,               \
                     const unsigned char *b, int words, const char *ahead, size_t ahead_step)              \
    {                                                                                                      \
        tile_product(precision, rows, vectors, panels, out, out_stride, a, a_stride, b, words, ahead,      \
                     ahead_step);                                                                          \
    }
#define TILE(name, precision, rows, vectors)                                                               \
    TILE_OF_PANELS(name##_##rows##_by_##vectors, precision, rows, vectors, 1)
#define TILES_OF_1_TO_6(name, precision, vectors)                                                          \
    TILE(name, precision, 1, vectors) TILE(name, precision, 2, vectors) TILE(name, precision, 3, vectors)  \
    TILE(name, precision, 4, vectors) TILE(name, precision, 5, vectors) TILE(name, precision, 6, vectors)
#define NAMES_OF_1_TO_6(name, vectors)                                                                     \
    name##_1_by_##vectors, name##_2_by_##vectors, name##_3_by_##vectors, name##_4_by_##vectors,            \
        name##_5_by_##vectors, name##_6_by_##vectors
/* Tiles of 1..6 rows: an array of them, named name_tiles_VECTORS. */
#define DEFINE_TILES(name, precision, vectors)                                                             \
    TILES_OF_1_TO_6(name, precision, vectors)                                                              \
    static tile_function *const name##_tiles_##vectors[TILE_ROWS] = {NAMES_OF_1_TO_6(name, vectors)};
/* Of 1..12 rows, at most half as wide as the widest: name_tall_tiles_VECTORS. */
#define DEFINE_TALL_TILES(name, precision, vectors)                                                        \
    TILES_OF_1_TO_6(name, precision, vectors)                                                              \
    TILE(name, precision, 7, vectors) TILE(name, precision, 8, vectors) TILE(name, precision, 9, vectors)  \
    TILE(name, precision, 10, vectors) TILE(name, precision, 11, vectors)                                  \
    TILE(name, precision, 12, vectors)                                                                     \
    static tile_function *const name##_tall_tiles_##vectors[TALL_TILE_ROWS] = {                            \
        NAMES_OF_1_TO_6(name, vectors),                                                                    \
        name##_7_by_##vectors,                                                                             \
        name##_8_by_##vectors,                                                                             \
        name##_9_by_##vectors,                                                                             \
        name##_10_by_##vectors,                                                                            \
        name##_11_by_##vectors,                                                                            \
        name##_12_by_##vectors};
/* gemm_NAME() of a precision, with tiles of one panel. */
#define DEFINE_GEMM(name, precision, vectors)                                                              \
    DEFINE_TILES(name, precision, vectors)                                                                 \
    static void gemm_##name(const struct gemm *g, const struct packed *w, int panel_begin, int panel_end)  \
    {                                                                                                      \
        static const struct tiles tiles = {TILE_ROWS, 1, name##_tiles_##vectors};                          \
        multiply_panels(precision, tiles, tiles, g, w, panel_begin, panel_end);                            \
    }
/* The same with tiles of two panels, and tall ones of one. */
#define PAIR(name, precision, rows)                                                                        \
    TILE_OF_PANELS(name##_##rows##_by_pair, precision, rows, 2 * PANEL_VECTORS, 2)
#define DEFINE_PAIRED_GEMM(name, precision, vectors)                                                       \
    DEFINE_TALL_TILES(name, precision, vectors)                                                            \
    PAIR(name, precision, 1) PAIR(name, precision, 2) PAIR(name, precision, 3)                             \
    PAIR(name, precision, 4) PAIR(name, precision, 5) PAIR(name, precision, 6)                             \
    static tile_function *const name##_pair_tiles[TILE_ROWS] = {                                           \
        name##_1_by_pair, name##_2_by_pair, name##_3_by_pair,                                              \
        name##_4_by_pair, name##_5_by_pair, name##_6_by_pair};                                             \
    static void gemm_##name(const struct gemm *g, const struct packed *w, int panel_begin, int panel_end)  \
    {                                                                                                      \
        static const struct tiles pairs = {TILE_ROWS, 2, name##_pair_tiles};                               \
        static const struct tiles tall = {TALL_TILE_ROWS, 1, name##_tall_tiles_##vectors};            \
        multiply_panels(precision, wants_tall_tiles(g->m) ? tall : pairs, tall, g, w, panel_begin,         \
                        panel_end);                                                                        \
    }
/* clang-format on */
