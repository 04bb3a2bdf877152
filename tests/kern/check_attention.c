/* attention[], at fp32 and at bf16. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static const int head_sizes[] = {8, 24, 32, 40, 64, 80, 96, 128};
enum { HEAD_SIZES = 8, LENGTHS = 73, MAX_LENGTH = 512, GAP = 5 };

static int length_at(int i)
{
    return i < 70 ? i + 1 : i == 70 ? 128 : i == 71 ? 511 : 512;
}

/* Which of the path's functions is checked. */
static enum precision checked;

static void begin(const struct path *path, const char *sentence)
{
    check_begin(checked == PRECISION_BF16 ? "attention bf16" : "attention fp32", path, sentence);
}

/* An operand of the products, as they round it. */
static double operand(float x)
{
    uint32_t bits = (uint32_t)kern_bf16(x) << 16;
    float rounded;
    memcpy(&rounded, &bits, sizeof rounded);
    return checked == PRECISION_BF16 ? (double)rounded : (double)x;
}

/* What scores are made of besides q k^T, and which keys take part. */
struct variant {
    const char *name;
    int window;
    bool bias, relative_keys, relative_queries;
};
static const struct variant variants[] = {
    {"plain", 0, false, false, false},
    {"window of 1", 1, false, false, false},
    {"window of 9", 9, false, false, false},
    {"window of 64", 64, false, false, false},
    {"bias", 0, true, false, false},
    {"relative keys", 0, false, true, false},
    {"relative queries", 0, false, false, true},
    {"relative", 0, false, true, true},
    {"all of them", 30, true, true, true},
};
enum { VARIANTS = 9, PLAIN = 0, WINDOW_OF_9 = 2, EXACT_DISTANCES = 20, UNUSED_BUCKETS = 3 };

/* At bf16 there are no relative scores. */
static bool can_do(const struct variant *variant)
{
    return checked == PRECISION_FP32 || !(variant->relative_keys || variant->relative_queries);
}

/* Distances up to EXACT_DISTANCES have a bucket of their own, farther ones share it with three others. */
static int bucket_of(int distance, int length)
{
    int far = length - 1;
    int most = far <= EXACT_DISTANCES ? far : EXACT_DISTANCES + (far - EXACT_DISTANCES + 3) / 4;
    int size = abs(distance);
    if (size > EXACT_DISTANCES)
        size = EXACT_DISTANCES + (size - EXACT_DISTANCES + 3) / 4;
    return UNUSED_BUCKETS + most + (distance < 0 ? -size : size);
}

static int bucket_count(int length)
{
    return bucket_of(length - 1, length) + 1 + UNUSED_BUCKETS;
}

/* In static memory and guarded slots. */
static const struct relative_scores *make_relative(const struct variant *variant, int length, int head_size)
{
    static struct relative_scores relative;
    size_t buckets = (size_t)bucket_count(length), size = (size_t)head_size;
    int *bucket = (int *)(void *)guard_floats(SLOT_SCALES, 2 * (size_t)length - 1) + (length - 1);
    for (int d = 1 - length; d < length; d++)
        bucket[d] = bucket_of(d, length);
    relative = (struct relative_scores){.bucket = bucket, .stride = size + GAP};
    float *keys = guard_floats(SLOT_W, (buckets - 1) * relative.stride + size);
    float *queries = guard_floats(SLOT_RESIDUAL, (buckets - 1) * relative.stride + size);
    random_fill(keys, buckets, size, relative.stride, 1.0f);
    random_fill(queries, buckets, size, relative.stride, 1.0f);
    relative.keys = variant->relative_keys ? keys : NULL;
    relative.queries = variant->relative_queries ? queries : NULL;
    return &relative;
}

/* q, k and v side by side in each row, as a model keeps them, with a gap after. */
static struct attention make_item(const struct variant *variant, int length, int head_size)
{
    size_t size = (size_t)head_size, stride = 3 * size + GAP;
    random_seed((uint64_t)(length * 256 + head_size));
    float *qkv = guard_floats(SLOT_X, (size_t)(length - 1) * stride + 3 * size);
    random_fill(qkv, (size_t)length, 3 * size, stride, 2.0f);
    float *bias = guard_floats(SLOT_BIAS, 2 * (size_t)length - 1);
    random_fill(bias, 1, 2 * (size_t)length - 1, 0, 2.0f);
    bool relative = variant->relative_keys || variant->relative_queries;
    return (struct attention){.q = qkv,
                              .k = qkv + size,
                              .v = qkv + 2 * size,
                              .qkv_stride = stride,
                              .out_stride = size + GAP,
                              .length = length,
                              .head_size = head_size,
                              .scale = 1.0f / sqrtf((float)head_size),
                              .window = variant->window,
                              .bias = variant->bias ? bias + (length - 1) : NULL,
                              .relative = relative ? make_relative(variant, length, head_size) : NULL};
}

static size_t out_size(const struct attention *a)
{
    return (size_t)(a->length - 1) * a->out_stride + (size_t)a->head_size;
}

/* Rows begin..end into `out`, with scratch of exactly the promised size. */
static void attend(const struct path *path, struct attention a, int begin, int end, float *out)
{
    a.out = out;
    size_t scratch = kern_attention_scratch(a.length, a.head_size, a.relative ? bucket_count(a.length) : 0);
    path->kernels->attention[checked](&a, begin, end, guard_floats_aligned(SLOT_SCRATCH, scratch));
}

/* A float's product with the scale is rounded before it is an operand, at fp32 within the bound on the score.
 */
static void add_product(const struct attention *a, const float *x, const float *y, double *sum,
                        double *magnitude)
{
    for (int i = 0; i < a->head_size; i++) {
        double term = operand(x[i]) * operand(y[i] * a->scale);
        *sum += term;
        *magnitude += fabs(term);
    }
}

static double exact_score(const struct attention *a, int row, int j, double *magnitude)
{
    const float *q = a->q + (size_t)row * a->qkv_stride, *k = a->k + (size_t)j * a->qkv_stride;
    double bias = a->bias ? (double)a->bias[j - row] : 0, score = bias;
    *magnitude = fabs(bias);
    add_product(a, q, k, &score, magnitude);
    if (a->relative) {
        size_t at = (size_t)a->relative->bucket[j - row] * a->relative->stride;
        if (a->relative->keys)
            add_product(a, q, a->relative->keys + at, &score, magnitude);
        if (a->relative->queries)
            add_product(a, k, a->relative->queries + at, &score, magnitude);
    }
    return score;
}

/* weights[j] = exp(score - max) in double, 0 outside of the window; returns their sum. *bound: how far a
 * float score may be off (Higham, 3.5). */
static double exact_weights(const struct attention *a, int row, double *weights, double *bound)
{
    double max = -INFINITY, sum = 0;
    *bound = 0;
    for (int j = 0; j < a->length; j++) {
        double magnitude;
        bool seen = !a->window || abs(j - row) <= a->window;
        weights[j] = seen ? exact_score(a, row, j, &magnitude) : -INFINITY;
        if (!seen)
            continue;
        max = fmax(max, weights[j]);
        *bound = fmax(*bound, (a->head_size + 6) * 0x1p-24 * magnitude);
    }
    for (int j = 0; j < a->length; j++) {
        weights[j] = exp(weights[j] - max);
        sum += weights[j];
    }
    return sum;
}

static void compare_row(const struct attention *a, int row, const float *out)
{
    double weights[MAX_LENGTH], score_bound, sum = exact_weights(a, row, weights, &score_bound);
    for (int i = 0; i < a->head_size; i++) {
        double exact = 0, magnitude = 0;
        for (int j = 0; j < a->length; j++) {
            double term = weights[j] / sum * operand(a->v[(size_t)j * a->qkv_stride + (size_t)i]);
            exact += term;
            magnitude += fabs(term);
        }
        /* Each weight is off by a score's error, before and after the division, by its own rounding, and by
         * the sum's. */
        double rounding = checked == PRECISION_BF16 ? 0x1p-8 : 0;
        double bound = magnitude * (2.5 * score_bound + rounding + (a->length + 8) * 0x1p-23);
        double got = (double)out[(size_t)row * a->out_stride + (size_t)i];
        if (!(fabs(got - exact) <= bound))
            check_fail("length %d head size %d: out[%d][%d] is %.9g, exactly %.9g, bound %.2g", a->length,
                       a->head_size, row, i, got, exact, bound);
    }
}

static void check_results(const struct path *path, const struct variant *variant, int length, int head_size)
{
    struct attention a = make_item(variant, length, head_size);
    float *out = guard_floats(SLOT_Y, out_size(&a));
    attend(path, a, 0, length, out);
    for (int row = 0; row<length; row += length> 70 ? 37 : 5)
        compare_row(&a, row, out);
    compare_row(&a, length - 1, out);
    if (!guards_intact() || !gaps_intact(out, (size_t)length, (size_t)head_size, a.out_stride))
        check_fail("length %d head size %d: wrote outside its arrays", length, head_size);
}

/* Of the variants but the plain one every third length, and fewer in a quick run. */
static int length_step(int variant)
{
    return variant == PLAIN ? 1 : check_quick ? 11 : 3;
}

static int size_count(int variant)
{
    return entries(HEAD_SIZES, variant == PLAIN ? 5 : 3);
}

static void results_are_within_the_rounding_bound_of_exact_sums(const struct path *path)
{
    for (int v = 0; v < VARIANTS; v++) {
        if (!can_do(&variants[v]))
            continue;
        begin(path, "results_are_within_the_rounding_bound_of_exact_sums");
        check_note("%s", variants[v].name);
        for (int h = 0; h < size_count(v); h++)
            for (int l = v % 3; l < entries(LENGTHS, 40); l += length_step(v))
                check_results(path, &variants[v], length_at(l), head_sizes[h]);
        check_end();
    }
}

static void rows_computed_apart_have_the_same_bits(const struct path *path)
{
    for (int v = 0; v < VARIANTS; v++) {
        if (!can_do(&variants[v]))
            continue;
        begin(path, "rows_computed_apart_have_the_same_bits");
        check_note("%s", variants[v].name);
        for (int h = 0; h < size_count(v); h++)
            for (int l = v % 3; l < entries(LENGTHS - 2, 40); l += length_step(v)) {
                struct attention a = make_item(&variants[v], length_at(l), head_sizes[h]);
                float *all = guard_floats(SLOT_Y, out_size(&a)),
                      *parts = guard_floats(SLOT_OTHER, out_size(&a));
                attend(path, a, 0, a.length, all);
                int step = 1 + (h + l) % 31;
                for (int row = 0; row < a.length; row += step)
                    attend(path, a, row, row + step < a.length ? row + step : a.length, parts);
                if (!same_bits(all, parts, out_size(&a)))
                    check_fail("length %d head size %d: %d rows at a time differ from all at once", a.length,
                               a.head_size, step);
            }
        check_end();
    }
}

/* Every `step`-th query of an item alone, its rows without gaps between them. */
static void check_chosen_rows(const struct path *path, struct attention a, int step)
{
    static float queries[MAX_LENGTH * 24];
    int positions[MAX_LENGTH], rows = 0;
    size_t stride = a.qkv_stride, size = (size_t)a.head_size;
    float *all = guard_floats(SLOT_Y, out_size(&a)), *chosen = guard_floats(SLOT_OTHER, out_size(&a));
    attend(path, a, 0, a.length, all);
    for (int p = step - 1; p < a.length; p += step)
        positions[rows++] = p;
    if (rows == 0)
        return;
    for (int r = 0; r < rows; r++)
        memcpy(queries + (size_t)r * stride, a.q + (size_t)positions[r] * stride, size * sizeof *queries);
    a.q = queries;
    a.positions = positions;
    attend(path, a, 0, rows, chosen);
    for (int r = 0; r < rows; r++)
        if (!same_bits(all + (size_t)positions[r] * a.out_stride, chosen + (size_t)r * a.out_stride, size))
            check_fail("length %d: the query at %d alone differs", a.length, positions[r]);
}

static void chosen_rows_have_the_same_bits(const struct path *path)
{
    enum { HEAD = 5 };
    for (int v = 0; v < VARIANTS; v++) {
        if (!can_do(&variants[v]))
            continue;
        begin(path, "queries_chosen_by_position_have_the_same_bits");
        check_note("%s", variants[v].name);
        for (int l = v % 3; l < entries(LENGTHS, 40); l += length_step(v))
            for (int step = 1; step < 60; step += 19)
                check_chosen_rows(path, make_item(&variants[v], length_at(l), HEAD), step);
        check_end();
    }
}

/* Part 0, 1, 2 of a row: its query, key, value. */
static void nan_reaches_what_depends_on_it_and_nothing_else(const struct path *path)
{
    begin(path, "nan_and_infinity_reach_what_depends_on_them_and_nothing_else");
    enum { HEAD = 24, TOKEN = 16, ELEMENT = 3 };
    for (int part = 0; part < 3; part++)
        for (int infinite = 0; infinite < 2; infinite++)
            for (int length = 17; length < 40; length++) {
                struct attention a = make_item(&variants[PLAIN], length, HEAD);
                float *qkv = (float *)(uintptr_t)a.q;
                qkv[(size_t)TOKEN * a.qkv_stride + (size_t)(part * HEAD + ELEMENT)] =
                    infinite ? INFINITY : NAN;
                float *out = guard_floats(SLOT_Y, out_size(&a));
                attend(path, a, 0, length, out);
                for (int row = 0; row < length; row++)
                    for (int i = 0; i < HEAD; i++) {
                        bool hit = part == 0 ? row == TOKEN : part == 1 || i == ELEMENT;
                        float got = out[(size_t)row * a.out_stride + (size_t)i];
                        /* q_i < 0 turns an infinite key into a score of -inf: that token gets no weight, the
                         * others theirs */
                        if (part == 1 && infinite && a.q[(size_t)row * a.qkv_stride + ELEMENT] < 0)
                            hit = false;
                        bool right = !hit                    ? isfinite(got)
                                     : part == 2 && infinite ? got == INFINITY
                                                             : isnan(got);
                        if (!right)
                            check_fail("length %d: out[%d][%d] is %g with %s in part %d of token %d", length,
                                       row, i, (double)got, infinite ? "inf" : "NaN", part, TOKEN);
                    }
            }
    check_end();
}

/* Keys show only in their window; values may a little outside, and never far from it. */
static void a_window_keeps_nan_from_what_is_far_away(const struct path *path)
{
    begin(path, "a_window_keeps_nan_from_what_is_far_away");
    enum { HEAD = 24, LENGTH = 300, TOKEN = 150, FAR = 40 };
    for (int part = 1; part < 3; part++) {
        struct attention a = make_item(&variants[WINDOW_OF_9], LENGTH, HEAD);
        float *qkv = (float *)(uintptr_t)a.q, *out = guard_floats(SLOT_Y, out_size(&a));
        qkv[(size_t)TOKEN * a.qkv_stride + (size_t)(part * HEAD)] = NAN;
        attend(path, a, 0, LENGTH, out);
        for (int row = 0; row < LENGTH; row++) {
            int distance = abs(row - TOKEN);
            float got = out[(size_t)row * a.out_stride];
            if (distance <= a.window ? !isnan(got) : (part == 1 || distance > FAR) && isnan(got))
                check_fail("out[%d] is %g with NaN in part %d of token %d", row, (double)got, part, TOKEN);
        }
    }
    check_end();
}

static void far_scores_neither_overflow_nor_vanish(const struct path *path)
{
    begin(path, "far_apart_scores_give_the_value_of_the_greatest");
    struct attention a = make_item(&variants[PLAIN], 20, 32);
    float *qkv = (float *)(uintptr_t)a.q, *out = guard_floats(SLOT_Y, out_size(&a));
    for (size_t row = 0; row < 20; row++)
        for (size_t i = 0; i < 32; i++) {
            qkv[row * a.qkv_stride + i] = 100.0f;
            qkv[row * a.qkv_stride + 32 + i] = row == 7 ? 100.0f : -100.0f;
        }
    attend(path, a, 0, 20, out);
    for (size_t i = 0; i < 20 * 32; i++)
        if ((double)out[i / 32 * a.out_stride + i % 32] != operand(a.v[7 * a.qkv_stride + i % 32]))
            check_fail("out[%zu][%zu] is not the value of token 7", i / 32, i % 32);
    check_end();
}

static void check_precision(const struct path *path)
{
    results_are_within_the_rounding_bound_of_exact_sums(path);
    rows_computed_apart_have_the_same_bits(path);
    chosen_rows_have_the_same_bits(path);
    nan_reaches_what_depends_on_it_and_nothing_else(path);
    a_window_keeps_nan_from_what_is_far_away(path);
    far_scores_neither_overflow_nor_vanish(path);
}

void check_attention(const struct path *path)
{
    for (int i = 0; i < PRECISION_COUNT; i++) {
        checked = (enum precision)i;
        if (adds_attention(path, checked))
            check_precision(path);
    }
}
