/* Speed: medians over rounds in which all cases take turns, so that a drift of the machine meets them alike,
 * in the thread's own processor time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"

enum { ROUNDS = 15, SHAPES = 4, ROW_COUNTS = 6, LENGTHS = 6 };

/* DistilBERT's four products: q, k and v together, attention output, and the two of the feed-forward part. */
static const struct {
    int k, n;
    enum activation activation;
} shapes[SHAPES] = {
    {768, 2304, ACT_NONE}, {768, 768, ACT_NONE}, {768, 3072, ACT_GELU_ERF}, {3072, 768, ACT_NONE}};
static const int row_counts[ROW_COUNTS] = {1, 4, 15, 60, 128, 512};
static const int lengths[LENGTHS] = {8, 15, 32, 60, 128, 512};

double (*find_fma_peak(const char *name))(void)
{
#if defined(__x86_64__)
    if (!strcmp(name, "avx2"))
        return fma_peak_avx2;
    if (!strcmp(name, "avx512"))
        return fma_peak_avx512;
#endif
    return NULL;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return values[count / 2];
}

uint64_t thread_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The rounds of one case, each with the FMA peak measured just before it: 0 where the path has none. */
struct rounds {
    double seconds[ROUNDS], share[ROUNDS];
};

static double peak_now(const struct path *path)
{
    return path->fma_peak ? path->fma_peak() : 0;
}

static void keep(struct rounds *rounds, int round, uint64_t start, double operations, double peak)
{
    rounds->seconds[round] = (double)(thread_ns() - start) * 1e-9;
    rounds->share[round] = peak > 0 ? operations / rounds->seconds[round] / peak : 0;
}

static double print_case(const char *what, struct rounds *rounds, double operations)
{
    double seconds = median(rounds->seconds, ROUNDS), share = median(rounds->share, ROUNDS);
    printf("  %s %10.2f us %7.1f GFLOP/s", what, seconds * 1e6, operations / seconds * 1e-9);
    if (share > 0)
        printf(" %3.0f %%", 100 * share);
    printf("\n");
    fflush(stdout);
    return seconds;
}

static void *allocate(size_t floats)
{
    float *p = aligned_alloc(64, (floats * sizeof(float) + 63) / 64 * 64);
    if (!p) {
        perror("checkkern: no memory for the benchmark");
        exit(2);
    }
    random_fill(p, 1, floats, floats, 1.0f);
    return p;
}

static struct packed_f32 random_weights(const struct kernels *kernels, int n, int k)
{
    int panels = (n + kernels->panel - 1) / kernels->panel;
    float *w = allocate((size_t)n * (size_t)k), *data = allocate(kern_packed_size(kernels, n, k));
    kernels->pack_f32(data, w, DTYPE_F32, n, k, 0, panels);
    free(w);
    return (struct packed_f32){.n = n, .k = k, .panel = kernels->panel, .panel_count = panels, .data = data};
}

static double shape_operations(int s, int r)
{
    return 2.0 * row_counts[r] * shapes[s].n * shapes[s].k;
}

static void print_gemm(const struct path *path, struct rounds cases[SHAPES][ROW_COUNTS])
{
    printf("gemm_f32, %s, 1 thread; %% of the FMA peak\n", path->name);
    for (int r = 0; r < ROW_COUNTS; r++) {
        double seconds = 0, operations = 0;
        for (int s = 0; s < SHAPES; s++) {
            char what[100];
            snprintf(what, sizeof what, "m %3d  %4d x %4d", row_counts[r], shapes[s].k, shapes[s].n);
            seconds += print_case(what, &cases[s][r], shape_operations(s, r));
            operations += shape_operations(s, r);
        }
        printf("  m %3d  all four    %10.2f us %7.1f GFLOP/s\n", row_counts[r], seconds * 1e6,
               operations / seconds * 1e-9);
    }
}

void bench_gemm(const struct path *path)
{
    static struct rounds cases[SHAPES][ROW_COUNTS];
    struct packed_f32 packed[SHAPES];
    float *x = allocate(512 * 3072), *y = allocate(512 * 3072), *bias = allocate(3072);
    for (int s = 0; s < SHAPES; s++)
        packed[s] = random_weights(path->kernels, shapes[s].n, shapes[s].k);
    for (int round = 0; round < ROUNDS; round++)
        for (int r = 0; r < ROW_COUNTS; r++)
            for (int s = 0; s < SHAPES; s++) {
                struct gemm_f32 g = {.x = x,
                                     .x_stride = (size_t)shapes[s].k,
                                     .y = y,
                                     .y_stride = (size_t)shapes[s].n,
                                     .bias = bias,
                                     .m = row_counts[r],
                                     .activation = shapes[s].activation};
                double peak = peak_now(path);
                uint64_t start = thread_ns();
                path->kernels->gemm_f32(&g, &packed[s], 0, packed[s].panel_count);
                keep(&cases[s][r], round, start, shape_operations(s, r), peak);
            }
    print_gemm(path, cases);
    for (int s = 0; s < SHAPES; s++)
        free((void *)(uintptr_t)packed[s].data);
    free(x);
    free(y);
    free(bias);
}

enum { HEAD = 64, HEADS = 12, STRIDE = 3 * HEAD * HEADS };

static void attend_all_heads(const struct path *path, const float *qkv, float *out, int length,
                             float *scratch)
{
    for (size_t head = 0; head < HEADS; head++) {
        const float *q = qkv + head * HEAD;
        struct attention_f32 a = {.q = q,
                                  .k = q + HEADS * HEAD,
                                  .v = q + 2 * HEADS * HEAD,
                                  .qkv_stride = STRIDE,
                                  .out = out + head * HEAD,
                                  .out_stride = HEADS * HEAD,
                                  .length = length,
                                  .head_size = HEAD,
                                  .scale = 0.125f};
        path->kernels->attention_f32(&a, 0, length, scratch);
    }
}

void bench_attention(const struct path *path)
{
    static struct rounds cases[LENGTHS];
    float *qkv = allocate(512 * STRIDE), *out = allocate(512 * HEAD * HEADS);
    float *scratch = allocate(kern_attention_scratch(512, HEAD));
    for (int round = 0; round < ROUNDS; round++)
        for (int l = 0; l < LENGTHS; l++) {
            double peak = peak_now(path);
            uint64_t start = thread_ns();
            attend_all_heads(path, qkv, out, lengths[l], scratch);
            keep(&cases[l], round, start, 4.0 * lengths[l] * lengths[l] * HEAD * HEADS, peak);
        }
    printf("attention_f32, %s, 12 heads of 64, 1 thread; %% of the FMA peak\n", path->name);
    for (int l = 0; l < LENGTHS; l++) {
        char what[100];
        snprintf(what, sizeof what, "length %3d", lengths[l]);
        double seconds = print_case(what, &cases[l], 4.0 * lengths[l] * lengths[l] * HEAD * HEADS);
        printf("              %.2f us a token\n", seconds * 1e6 / lengths[l]);
    }
    free(qkv);
    free(out);
    free(scratch);
}
