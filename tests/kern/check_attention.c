/* attention_f32. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"

static const int head_sizes[] = {8, 24, 32, 40, 64, 80, 96, 128};
enum { HEAD_SIZES = 8, LENGTHS = 73, MAX_LENGTH = 512, GAP = 5 };

static int length_at(int i)
{
    return i < 70 ? i + 1 : i == 70 ? 128 : i == 71 ? 511 : 512;
}

/* q, k and v side by side in each row, as a model keeps them, with a gap after. */
static struct attention_f32 make_item(int length, int head_size)
{
    size_t size = (size_t)head_size, stride = 3 * size + GAP;
    random_seed((uint64_t)(length * 256 + head_size));
    float *qkv = guard_floats(SLOT_X, (size_t)(length - 1) * stride + 3 * size);
    random_fill(qkv, (size_t)length, 3 * size, stride, 2.0f);
    return (struct attention_f32){.q = qkv,
                                  .k = qkv + size,
                                  .v = qkv + 2 * size,
                                  .qkv_stride = stride,
                                  .out_stride = size + GAP,
                                  .length = length,
                                  .head_size = head_size,
                                  .scale = 1.0f / sqrtf((float)head_size)};
}

static size_t out_size(const struct attention_f32 *a)
{
    return (size_t)(a->length - 1) * a->out_stride + (size_t)a->head_size;
}

/* Rows begin..end into `out`, with scratch of exactly the promised size. */
static void attend(const struct path *path, struct attention_f32 a, int begin, int end, float *out)
{
    a.out = out;
    path->kernels->attention_f32(
        &a, begin, end, guard_floats_aligned(SLOT_SCRATCH, kern_attention_scratch(a.length, a.head_size)));
}

/* scores[j] = exp(score - max) in double; returns their sum. *bound: how far a float score may be off
 * (Higham, 3.5). */
static double exact_weights(const struct attention_f32 *a, int row, double *weights, double *bound)
{
    double max = -INFINITY, sum = 0;
    *bound = 0;
    for (int j = 0; j < a->length; j++) {
        double score = 0, magnitude = 0;
        for (int i = 0; i < a->head_size; i++) {
            double term = (double)a->q[(size_t)row * a->qkv_stride + (size_t)i] *
                          (double)a->k[(size_t)j * a->qkv_stride + (size_t)i] * (double)a->scale;
            score += term;
            magnitude += fabs(term);
        }
        weights[j] = score;
        max = fmax(max, score);
        *bound = fmax(*bound, (a->head_size + 3) * 0x1p-24 * magnitude);
    }
    for (int j = 0; j < a->length; j++) {
        weights[j] = exp(weights[j] - max);
        sum += weights[j];
    }
    return sum;
}

static void compare_row(const struct attention_f32 *a, int row, const float *out)
{
    double weights[MAX_LENGTH], score_bound, sum = exact_weights(a, row, weights, &score_bound);
    for (int i = 0; i < a->head_size; i++) {
        double exact = 0, magnitude = 0;
        for (int j = 0; j < a->length; j++) {
            double term = weights[j] / sum * (double)a->v[(size_t)j * a->qkv_stride + (size_t)i];
            exact += term;
            magnitude += fabs(term);
        }
        /* Each weight is off by a score's error, before and after the division, and by the sum's rounding. */
        double bound = magnitude * (2.5 * score_bound + (a->length + 8) * 0x1p-23);
        double got = (double)out[(size_t)row * a->out_stride + (size_t)i];
        if (!(fabs(got - exact) <= bound))
            check_fail("length %d head size %d: out[%d][%d] is %.9g, exactly %.9g, bound %.2g", a->length,
                       a->head_size, row, i, got, exact, bound);
    }
}

static void results_are_within_the_rounding_bound_of_exact_sums(const struct path *path)
{
    check_begin("attention_f32", path, "results_are_within_the_rounding_bound_of_exact_sums");
    for (int h = 0; h < entries(HEAD_SIZES, 5); h++)
        for (int l = 0; l < entries(LENGTHS, 40); l++) {
            struct attention_f32 a = make_item(length_at(l), head_sizes[h]);
            float *out = guard_floats(SLOT_Y, out_size(&a));
            attend(path, a, 0, a.length, out);
            for (int row = 0; row<a.length; row += a.length> 70 ? 37 : 5)
                compare_row(&a, row, out);
            compare_row(&a, a.length - 1, out);
            if (!guards_intact() || !gaps_intact(out, (size_t)a.length, (size_t)a.head_size, a.out_stride))
                check_fail("length %d head size %d: wrote outside its arrays", a.length, a.head_size);
        }
    check_end();
}

static void rows_computed_apart_have_the_same_bits(const struct path *path)
{
    check_begin("attention_f32", path, "rows_computed_apart_have_the_same_bits");
    for (int h = 0; h < entries(HEAD_SIZES, 5); h++)
        for (int l = 0; l < entries(LENGTHS - 2, 40); l++) {
            struct attention_f32 a = make_item(length_at(l), head_sizes[h]);
            float *all = guard_floats(SLOT_Y, out_size(&a)), *parts = guard_floats(SLOT_OTHER, out_size(&a));
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

/* Part 0, 1, 2 of a row: its query, key, value. */
static void nan_reaches_what_depends_on_it_and_nothing_else(const struct path *path)
{
    check_begin("attention_f32", path, "nan_and_infinity_reach_what_depends_on_them_and_nothing_else");
    enum { HEAD = 24, TOKEN = 16, ELEMENT = 3 };
    for (int part = 0; part < 3; part++)
        for (int infinite = 0; infinite < 2; infinite++)
            for (int length = 17; length < 40; length++) {
                struct attention_f32 a = make_item(length, HEAD);
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

static void far_scores_neither_overflow_nor_vanish(const struct path *path)
{
    check_begin("attention_f32", path, "far_apart_scores_give_the_value_of_the_greatest");
    struct attention_f32 a = make_item(20, 32);
    float *qkv = (float *)(uintptr_t)a.q, *out = guard_floats(SLOT_Y, out_size(&a));
    for (size_t row = 0; row < 20; row++)
        for (size_t i = 0; i < 32; i++) {
            qkv[row * a.qkv_stride + i] = 100.0f;
            qkv[row * a.qkv_stride + 32 + i] = row == 7 ? 100.0f : -100.0f;
        }
    attend(path, a, 0, 20, out);
    for (size_t i = 0; i < 20 * 32; i++)
        if (out[i / 32 * a.out_stride + i % 32] != a.v[7 * a.qkv_stride + i % 32])
            check_fail("out[%zu][%zu] is not the value of token 7", i / 32, i % 32);
    check_end();
}

void check_attention(const struct path *path)
{
    results_are_within_the_rounding_bound_of_exact_sums(path);
    rows_computed_apart_have_the_same_bits(path);
    nan_reaches_what_depends_on_it_and_nothing_else(path);
    far_scores_neither_overflow_nor_vanish(path);
}
