/* Attention of one item and head: attention(). Included once by each instruction-set file that has one, after
 * gemm_tmpl.h, its product (fp32, or bf16 where there is HAVE_BF16) and softmax_tmpl.h.
 *
 * Both products, q k^T and p v, are tiles of gemm_tmpl.h: k^T and v are copied into panels first, the last
 * panel of each only as many vectors wide as it needs. So are the products of relative scores. Operands are
 * in words (gemm_tmpl.h): one float, or two elements that follow each other along the sum, in bfloat16. */

#include <string.h>

/* narrow_tiles[vectors - 1]: those of at most half a panel are taller, so that as many sums are under way. */
struct tile_heights {
    int most;
    tile_function *const *tiles; /* [most] */
};
#if TILE_VECTORS == 2
#define DEFINE_NARROW_TILES(name, precision)                                                              \
    DEFINE_TALL_TILES(name, precision, 1)                                                                 \
    static const struct tile_heights narrow_tiles[TILE_VECTORS] = {{TALL_TILE_ROWS, name##_tall_tiles_1}, \
                                                                   {TILE_ROWS, name##_tiles_2}};
#elif TILE_VECTORS == 4
#define DEFINE_NARROW_TILES(name, precision)                                                              \
    DEFINE_TALL_TILES(name, precision, 1)                                                                 \
    DEFINE_TILES(name, precision, 3)                                                                      \
    DEFINE_TILES(name, precision, 4)                                                                      \
    static const struct tile_heights narrow_tiles[TILE_VECTORS] = {{TALL_TILE_ROWS, name##_tall_tiles_1}, \
                                                                   {TALL_TILE_ROWS, name##_tall_tiles_2}, \
                                                                   {TILE_ROWS, name##_tiles_3},           \
                                                                   {TILE_ROWS, name##_tiles_4}};
#endif

#ifdef HAVE_BF16
DEFINE_NARROW_TILES(bf16, PRECISION_BF16)
enum { GROUP = 2 }; /* elements of a word */

/* LANES words of the row at x, of which `rest` elements are left, each times `factor`. */
ALWAYS_INLINE vec load_row_words(const float *x, int rest, vec factor)
{
    vec low = vec_mul(vec_load_first(x, rest), factor), high = vec_set1(0.0f);
    if (rest > LANES)
        high = vec_mul(vec_load_first(x + LANES, rest - LANES), factor);
    return vec_bf16_words(low, high);
}

/* LANES words down columns that begin at x, with `rows` rows and `rest` columns left. */
ALWAYS_INLINE vec load_column_words(const float *x, size_t stride, int rows, int rest)
{
    vec second = rows > 1 ? vec_load_first(x + stride, rest) : vec_set1(0.0f);
    return vec_interleave_halves(vec_bf16_words(vec_load_first(x, rest), second));
}
#else
DEFINE_NARROW_TILES(fp32, PRECISION_FP32)
enum { GROUP = 1 };

ALWAYS_INLINE vec load_row_words(const float *x, int rest, vec factor)
{
    return vec_mul(vec_load_first(x, rest), factor);
}

ALWAYS_INLINE vec load_column_words(const float *x, size_t stride, int rows, int rest)
{
    (void)stride;
    (void)rows;
    return vec_load_first(x, rest);
}
#endif

static int words_of(int elements)
{
    return (elements + GROUP - 1) / GROUP;
}

/* A matrix of `lines` lines of words in panels. Its columns are whole vectors. */
struct panels {
    float *data;
    int lines, columns;
};

struct range {
    int begin, end;
};

/* out[rows][..] = a[rows][..] b, for those columns of b, from the beginning of a panel on, and those lines of
 * b, of which the first meets a's first element. */
static void multiply(float *out, size_t out_stride, const float *a, size_t a_stride, int rows,
                     const struct panels *b, struct range columns, struct range lines)
{
    for (int column = columns.begin; column < columns.end; column += TILE_COLUMNS) {
        int width = b->columns - column < TILE_COLUMNS ? b->columns - column : TILE_COLUMNS;
        const struct tile_heights *heights = &narrow_tiles[width / LANES - 1];
        int count = (rows + heights->most - 1) / heights->most;
        const float *panel =
            b->data + (size_t)column * (size_t)b->lines + (size_t)lines.begin * (size_t)width;
        for (int t = 0; t < count; t++) {
            int row = kern_part_begin(rows, t, count), height = kern_part_begin(rows, t + 1, count) - row;
            heights->tiles[height - 1](out + (size_t)row * out_stride + (column - columns.begin), out_stride,
                                       (const unsigned char *)(a + (size_t)row * a_stride),
                                       a_stride * sizeof *a, (const unsigned char *)panel,
                                       lines.end - lines.begin, (const char *)panel, 0);
        }
    }
}

/* Rows of x[count][k]. */
struct row_list {
    const float *x;
    size_t stride;
    int count, k;
};

/* LANES rows from `row` on by LANES words from `word` on, scaled, to lines of `width` at `to`. */
static void transpose_block(float *to, int width, const struct row_list *from, float scale, int row, int word)
{
    vec block[LANES], factor = vec_set1(scale);
    const float *x = from->x + (size_t)row * from->stride + (size_t)word * GROUP;
    int rest = from->k - word * GROUP;
    for (int r = 0; r < LANES; r++)
        block[r] = row + r < from->count ? load_row_words(x + (size_t)r * from->stride, rest, factor)
                                         : vec_set1(0.0f);
    vec_transpose(block);
    for (int r = 0; r < LANES && r < words_of(rest); r++)
        vec_store(to + (size_t)r * (size_t)width, block[r]);
}

/* panels = scale from^T: a column a row, zero past the last one. */
static void transpose_rows(struct panels *panels, const struct row_list *from, float scale)
{
    float *to = panels->data;
    panels->lines = words_of(from->k);
    panels->columns = kern_round_up(from->count, LANES);
    for (int column = 0; column < panels->columns; column += TILE_COLUMNS) {
        int width = panels->columns - column < TILE_COLUMNS ? panels->columns - column : TILE_COLUMNS;
        for (int j = 0; j < width; j += LANES)
            for (int i = 0; i < panels->lines; i += LANES)
                transpose_block(to + (size_t)i * (size_t)width + j, width, from, scale, column + j, i);
        to += (size_t)width * (size_t)panels->lines;
    }
}

/* panels = from, zero past its columns. */
static void copy_rows(struct panels *panels, const struct row_list *from)
{
    float *to = panels->data;
    panels->lines = words_of(from->count);
    panels->columns = kern_round_up(from->k, LANES);
    for (int column = 0; column < panels->columns; column += TILE_COLUMNS) {
        int width = panels->columns - column < TILE_COLUMNS ? panels->columns - column : TILE_COLUMNS;
        for (int i = 0; i < from->count; i += GROUP, to += width)
            for (int c = 0; c < width; c += LANES)
                vec_store(to + c, load_column_words(from->x + (size_t)i * from->stride + column + c,
                                                    from->stride, from->count - i, from->k - column - c));
    }
}

/* words = x[0..n), whole vectors of them; both may begin at the same place. */
static void pack_row(float *words, const float *x, int n)
{
    for (int i = 0; i < n; i += GROUP * LANES, words += LANES)
        vec_store(words, load_row_words(x + i, n - i, vec_set1(1.0f)));
}

/* What a stretch of rows is computed with. */
struct stretch {
    const struct attention *a;
    struct range tokens;        /* the keys and values that are packed */
    struct panels keys, values; /* [head_size][tokens], scaled, and [tokens][head_size] */
    float *scores;              /* [KERN_ATTENTION_ROWS][keys.columns]; a row's words end within it, or in the
                                   next one before its keys, or in the products, when queries are used up */
    float *products;            /* [KERN_ATTENTION_ROWS][values.columns]; before, queries in words */

    int first_bucket; /* that the tokens reach */
    struct panels relative;
    float *by_key;   /* [tokens][relative.columns]: key . relative query */
    float *by_query; /* [KERN_ATTENTION_ROWS][relative.columns]: query . relative key */
};

static int position_of(const struct attention *a, int row)
{
    return a->positions ? a->positions[row] : row;
}

/* The keys that queries at positions first..last may see. */
static struct range keys_near(const struct attention *a, int first, int last)
{
    struct range keys = {0, a->length};
    if (a->window && first > a->window)
        keys.begin = first - a->window;
    if (a->window && last < a->length - a->window)
        keys.end = last + a->window + 1;
    return keys;
}

/* The same from a word's beginning on. */
static struct range words_near(const struct attention *a, int first, int last)
{
    struct range keys = keys_near(a, first, last);
    keys.begin -= keys.begin % GROUP;
    return keys;
}

/* The end of the rows that are in the same `grain` of positions as `row`, at most row_end. */
static int grain_end(const struct attention *a, int row, int row_end, int grain)
{
    int end = row + 1;
    while (end < row_end && position_of(a, end) / grain == position_of(a, row) / grain)
        end++;
    return end;
}

/* --- Relative scores */

static void transpose_relative(struct stretch *s, const float *rows, int buckets)
{
    const struct attention *a = s->a;
    struct row_list list = {rows + (size_t)s->first_bucket * a->relative->stride, a->relative->stride,
                            buckets, a->head_size};
    transpose_rows(&s->relative, &list, a->scale);
}

/* The products of all keys with the relative queries; the relative keys are left in s->relative. */
static void prepare_relative(struct stretch *s, int first_position, int last_position)
{
    const struct attention *a = s->a;
    int keys = s->tokens.end - s->tokens.begin;
    s->first_bucket = a->relative->bucket[s->tokens.begin - last_position];
    int buckets = a->relative->bucket[s->tokens.end - 1 - first_position] - s->first_bucket + 1;
    int columns = kern_round_up(buckets, LANES);
    s->relative.data = s->products + (size_t)KERN_ATTENTION_ROWS * (size_t)s->values.columns;
    s->by_query = s->relative.data + (size_t)a->head_size * (size_t)columns;
    s->by_key = s->by_query + (size_t)KERN_ATTENTION_ROWS * (size_t)columns;
    if (a->relative->queries) {
        transpose_relative(s, a->relative->queries, buckets);
        multiply(s->by_key, (size_t)columns, a->k + (size_t)s->tokens.begin * a->qkv_stride, a->qkv_stride,
                 keys, &s->relative, (struct range){0, columns}, (struct range){0, a->head_size});
    }
    if (a->relative->keys)
        transpose_relative(s, a->relative->keys, buckets);
}

/* scores[j] += what the buckets of keys begin..end say, for the query at `position`. */
static void add_relative(const struct stretch *s, float *scores, const float *by_query, int position,
                         int begin, int end)
{
    const int *bucket = s->a->relative->bucket + (begin - position);
    const float *by_key = s->by_key + (size_t)(begin - s->tokens.begin) * (size_t)s->relative.columns;
    if (s->a->relative->keys)
        for (int j = 0; j < end - begin; j++)
            scores[j] += by_query[bucket[j] - s->first_bucket];
    if (s->a->relative->queries)
        for (int j = 0; j < end - begin; j++, by_key += s->relative.columns)
            scores[j] += by_key[bucket[j] - s->first_bucket];
}

/* For rows row..row + rows, of whose scores the first is that of the key near.begin. A few keys at a time:
 * the rows reach into the same cache lines of by_key. */
static void score_relative(const struct stretch *s, float *scores, size_t stride, int row, int rows,
                           struct range near)
{
    enum { KEYS = 64 };
    const struct attention *a = s->a;
    if (a->relative->keys)
        multiply(s->by_query, (size_t)s->relative.columns, a->q + (size_t)row * a->qkv_stride, a->qkv_stride,
                 rows, &s->relative, (struct range){0, s->relative.columns}, (struct range){0, a->head_size});
    for (int begin = near.begin; begin < near.end; begin += KEYS)
        for (int r = 0; r < rows; r++)
            add_relative(s, scores + (size_t)r * stride + (begin - near.begin),
                         s->by_query + (size_t)r * (size_t)s->relative.columns, position_of(a, row + r),
                         begin, begin + KEYS < near.end ? begin + KEYS : near.end);
}

/* --- Rows */

/* scores = exp(scores - max) of one row's own keys, zero for the others of `near`; returns their sum. */
static float weigh_row(const struct attention *a, float *scores, int position, struct range near)
{
    struct range own = keys_near(a, position, position);
    float *x = scores + (own.begin - near.begin);
    if (a->bias)
        add_row(x, a->bias + (own.begin - position), own.end - own.begin);
    if (a->window) {
        memset(scores, 0, (size_t)(own.begin - near.begin) * sizeof *scores);
        memset(x + (own.end - own.begin), 0, (size_t)(near.end - own.end) * sizeof *scores);
    }
    return exp_row(x, own.end - own.begin);
}

/* scores = q k^T for rows row..row + rows. */
static void score_rows(const struct stretch *s, size_t stride, int row, int rows, struct range columns)
{
    const struct attention *a = s->a;
    const float *queries = a->q + (size_t)row * a->qkv_stride;
    const float *q = GROUP > 1 ? s->products : queries;
    size_t q_stride = GROUP > 1 ? (size_t)s->values.columns : a->qkv_stride;
    for (int r = 0; GROUP > 1 && r < rows; r++)
        pack_row(s->products + (size_t)r * q_stride, queries + (size_t)r * a->qkv_stride, a->head_size);
    multiply(s->scores, stride, q, q_stride, rows, &s->keys, columns, (struct range){0, s->keys.lines});
}

/* Rows row..row + rows, all of which are computed with the keys `near`. */
static void attend_rows(const struct stretch *s, int row, int rows, struct range near)
{
    const struct attention *a = s->a;
    float sums[KERN_ATTENTION_ROWS];
    struct range keys = {near.begin - s->tokens.begin, near.end - s->tokens.begin};
    struct range columns = {keys.begin / TILE_COLUMNS * TILE_COLUMNS, kern_round_up(keys.end, TILE_COLUMNS)};
    if (columns.end > s->keys.columns)
        columns.end = s->keys.columns;
    size_t stride = (size_t)(columns.end - columns.begin);
    float *scores = s->scores + (keys.begin - columns.begin);
    score_rows(s, stride, row, rows, columns);
    if (GROUP == 1 && a->relative)
        score_relative(s, scores, stride, row, rows, near);
    for (int r = 0; r < rows; r++) {
        float *weights = scores + (size_t)r * stride;
        sums[r] = weigh_row(a, weights, position_of(a, row + r), near);
        if (GROUP > 1)
            pack_row(weights, weights, keys.end - keys.begin);
    }
    multiply(s->products, (size_t)s->values.columns, scores, stride, rows, &s->values,
             (struct range){0, s->values.columns}, (struct range){keys.begin / GROUP, words_of(keys.end)});
    for (int r = 0; r < rows; r++)
        scale_row(a->out + (size_t)(row + r) * a->out_stride,
                  s->products + (size_t)r * (size_t)s->values.columns, a->head_size, 1.0f / sums[r]);
}

/* Rows row..row_end with their keys and values packed once. With a window rows go by stretches of positions,
 * so that which keys a row is computed with depends on its position alone: for all but what it sees they are
 * times zero, but zero times infinity would show. */
static void attend_stretch(const struct attention *a, int row, int row_end, float *scratch)
{
    int first = position_of(a, row), last = position_of(a, row_end - 1);
    struct stretch s = {.a = a, .keys.data = scratch};
    struct range near = {0, a->length};
    if (a->window)
        s.tokens = words_near(a, first / KERN_ATTENTION_ROWS * KERN_ATTENTION_ROWS,
                              last / KERN_ATTENTION_ROWS * KERN_ATTENTION_ROWS + KERN_ATTENTION_ROWS - 1);
    else
        s.tokens = near;
    int keys = s.tokens.end - s.tokens.begin;
    size_t begin = (size_t)s.tokens.begin * a->qkv_stride;
    transpose_rows(&s.keys, &(struct row_list){a->k + begin, a->qkv_stride, keys, a->head_size}, a->scale);
    s.values.data = scratch + (size_t)s.keys.lines * (size_t)s.keys.columns;
    copy_rows(&s.values, &(struct row_list){a->v + begin, a->qkv_stride, keys, a->head_size});
    s.scores = s.values.data + (size_t)s.values.lines * (size_t)s.values.columns;
    s.products = s.scores + (size_t)KERN_ATTENTION_ROWS * (size_t)s.keys.columns;
    if (GROUP == 1 && a->relative)
        prepare_relative(&s, first, last);
    while (row < row_end) {
        int end = row_end - row < KERN_ATTENTION_ROWS ? row_end : row + KERN_ATTENTION_ROWS;
        if (a->window) {
            int grain = position_of(a, row) / KERN_ATTENTION_ROWS * KERN_ATTENTION_ROWS;
            near = words_near(a, grain, grain + KERN_ATTENTION_ROWS - 1);
            end = grain_end(a, row, row_end, KERN_ATTENTION_ROWS);
        }
        attend_rows(&s, row, end - row, near);
        row = end;
    }
}

static void attention(const struct attention *a, int row_begin, int row_end, float *scratch)
{
    for (int row = row_begin; row < row_end;) {
        int end = a->window ? grain_end(a, row, row_end, KERN_ATTENTION_STRETCH) : row_end;
        attend_stretch(a, row, end, scratch);
        row = end;
    }
}
