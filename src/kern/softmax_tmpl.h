/* What softmax is made of. Included once by each instruction-set file, after math_tmpl.h. A row's sum has one
 * order that its length decides: lane by lane over its vectors, then over the lanes. */

/* The greatest of x[0..n); any number where one is NaN. */
static float row_max(const float *x, int n)
{
    int i = 0;
    vec max = vec_set1(-INFINITY);
    for (; i + LANES <= n; i += LANES)
        max = vec_max(max, vec_load(x + i));
    if (i < n)
        max = vec_max(max, vec_select_part(vec_load_part(x + i, n - i), max, n - i));
    return vec_max_lane(max);
}

/* x[0..n) = exp(x - max); returns their sum. A NaN or +inf anywhere makes the sum NaN. */
static float exp_row(float *x, int n)
{
    int i = 0;
    vec max = vec_set1(row_max(x, n)), sum = vec_set1(0.0f);
    for (; i + LANES <= n; i += LANES) {
        vec e = vec_exp(vec_sub(vec_load(x + i), max));
        sum = vec_add(sum, e);
        vec_store(x + i, e);
    }
    if (i < n) {
        vec e = vec_exp(vec_sub(vec_load_part(x + i, n - i), max));
        sum = vec_add(sum, vec_select_part(e, vec_set1(0.0f), n - i));
        vec_store_part(x + i, e, n - i);
    }
    return vec_sum(sum);
}

/* y[0..n) = factor x[0..n) */
static void scale_row(float *y, const float *x, int n, float factor)
{
    vec f = vec_set1(factor);
    for (int i = 0; i < n; i += LANES)
        vec_store_first(y + i, vec_mul(vec_load_first(x + i, n - i), f), n - i);
}

/* x[0..n) += y[0..n) */
static void add_row(float *x, const float *y, int n)
{
    for (int i = 0; i < n; i += LANES)
        vec_store_first(x + i, vec_add(vec_load_first(x + i, n - i), vec_load_first(y + i, n - i)), n - i);
}
