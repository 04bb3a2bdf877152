/* Rows of x quantised for int8 products. Included once by each instruction-set file that has them, after
 * math_tmpl.h and int8_*.h. */

/* Two passes over a row: its range, then its q. The range is sought among the bits of the floats: as signed
 * integers those above zero are in order and below are less; as unsigned ones those below zero are the
 * greatest, the lowest of them first. A NaN is past the infinities either way, and x - x is 0 or, where x is
 * not finite, NaN. */
static struct row_scale convert_row_int8(unsigned char *y, const float *x, int k)
{
    const vec none = vec_set1(0.0f);
    vec high = none, low = none;
    for (int i = 0; i < k; i += LANES) {
        vec v = vec_load_first(x + i, k - i);
        high = vec_max_int(high, v);
        low = vec_max_uint(low, v);
    }
    vec finite = vec_add(vec_sub(high, high), vec_sub(low, low));
    low = vec_max(none, vec_sub(none, low)); /* where no lane was below zero it holds another */
    float step;
    struct row_scale scale =
        kern_row_scale(vec_max_lane(low), vec_max_lane(high), vec_sum(finite) == 0.0f, &step);
    vec factor = vec_set1(step), zero = vec_set1_int(scale.zero);
    for (int i = 0; i < k; i += LANES) {
        vec steps = vec_to_int(vec_mul(vec_load_first(x + i, k - i), factor));
        vec_store_row_int8(y, i, vec_add_int(steps, zero), zero);
    }
    return scale;
}

static void convert_int8(void *y, size_t y_stride, struct row_scale *scales, const float *x, size_t x_stride,
                         int rows, int k)
{
    for (int r = 0; r < rows; r++)
        scales[r] = convert_row_int8((unsigned char *)y + (size_t)r * y_stride, x + (size_t)r * x_stride, k);
}
