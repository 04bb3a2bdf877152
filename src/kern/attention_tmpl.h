/* Attention of one item and head. Included once by each instruction-set file, after gemm_tmpl.h and
 * rows_tmpl.h.
 *
 * Both products, q k^T and p v, are tiles of gemm_tmpl.h: k^T and v are copied into panels first, the last
 * panel of each only as many vectors wide as it needs. */

/* out[rows][columns] = a[rows][k] b, for b in panels and columns of whole vectors. */
static void multiply(float *out, size_t out_stride, const float *a, size_t a_stride, int rows, const float *b,
                     int columns, int k)
{
    int count = (rows + TILE_ROWS - 1) / TILE_ROWS;
    for (int column = 0; column < columns; column += PANEL) {
        int vectors = columns - column < PANEL ? (columns - column) / LANES : TILE_VECTORS;
        for (int t = 0; t < count; t++) {
            int row = kern_part_begin(rows, t, count), height = kern_part_begin(rows, t + 1, count) - row;
            tiles[vectors - 1][height - 1](out + (size_t)row * out_stride + column, out_stride,
                                           a + (size_t)row * a_stride, a_stride,
                                           b + (size_t)column * (size_t)k, k, (const char *)b, 0);
        }
    }
}

/* keys = scale k^T in panels: columns are tokens, zero past the last one. */
static void pack_keys(float *keys, const struct attention_f32 *a, int columns)
{
    for (int column = 0; column < columns; column += PANEL) {
        int width = columns - column < PANEL ? columns - column : PANEL;
        for (int j = 0; j < width; j++) {
            bool real = column + j < a->length;
            const float *key = a->k + (size_t)(real ? column + j : 0) * a->qkv_stride;
            for (int i = 0; i < a->head_size; i++)
                keys[(size_t)i * (size_t)width + (size_t)j] = real ? key[i] * a->scale : 0.0f;
        }
        keys += (size_t)width * (size_t)a->head_size;
    }
}

/* values = v in panels, zero past head_size. */
static void pack_values(float *values, const struct attention_f32 *a, int size)
{
    for (int column = 0; column < size; column += PANEL) {
        int width = size - column < PANEL ? size - column : PANEL;
        for (int i = 0; i < a->length; i++, values += width)
            for (int c = 0; c < width; c += LANES) {
                const float *from = a->v + (size_t)i * a->qkv_stride + column + c;
                vec_store(values + c, vec_load_first(from, a->head_size - column - c));
            }
    }
}

static void attention_f32(const struct attention_f32 *a, int row_begin, int row_end, float *scratch)
{
    int columns = kern_round_up(a->length, LANES), size = kern_round_up(a->head_size, LANES);
    float *keys = scratch;
    float *values = keys + (size_t)a->head_size * (size_t)columns;
    float *scores = values + (size_t)a->length * (size_t)size;
    float *products = scores + (size_t)KERN_ATTENTION_ROWS * (size_t)columns;
    pack_keys(keys, a, columns);
    pack_values(values, a, size);
    int blocks = (row_end - row_begin + KERN_ATTENTION_ROWS - 1) / KERN_ATTENTION_ROWS;
    for (int block = 0; block < blocks; block++) {
        int row = row_begin + kern_part_begin(row_end - row_begin, block, blocks);
        int rows = row_begin + kern_part_begin(row_end - row_begin, block + 1, blocks) - row;
        float sums[KERN_ATTENTION_ROWS];
        multiply(scores, (size_t)columns, a->q + (size_t)row * a->qkv_stride, a->qkv_stride, rows, keys,
                 columns, a->head_size);
        for (int r = 0; r < rows; r++)
            sums[r] = exp_row(scores + (size_t)r * (size_t)columns, a->length);
        multiply(products, (size_t)size, scores, (size_t)columns, rows, values, size, a->length);
        for (int r = 0; r < rows; r++)
            divide_row(a->out + (size_t)(row + r) * a->out_stride, products + (size_t)r * (size_t)size,
                       a->head_size, sums[r]);
    }
}
