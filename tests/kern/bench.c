/* Speed: medians over rounds in which all cases take turns, so that a drift of the machine meets them alike,
 * in the thread's own processor time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "kern/peak.h"

enum { ROUNDS = 15, PEAK_ROUNDS = 50000, SHAPES = 4, ROW_COUNTS = 6, LENGTHS = 7 };

/* DistilBERT's four products: q, k and v together, attention output, and the two of the feed-forward part. */
static const struct {
    int k, n;
    enum activation activation;
} shapes[SHAPES] = {
    {768, 2304, ACT_NONE}, {768, 768, ACT_NONE}, {768, 3072, ACT_GELU_ERF}, {3072, 768, ACT_NONE}};
static const int row_counts[ROW_COUNTS] = {1, 4, 15, 60, 128, 512};
static const int lengths[LENGTHS] = {8, 15, 32, 60, 128, 256, 512};
enum { LONG = 4 }; /* from this length on the other variants are measured too */

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

/* The rounds of one case, each with the peak measured just before it: 0 where the path has none. */
struct rounds {
    double seconds[ROUNDS], share[ROUNDS];
};

static double peak_now(const struct path *path, enum precision precision)
{
    kern_peak_loop *loop = kern_peak_find(path->name, precision_name(precision));
    if (!loop)
        return 0;
    uint64_t start = thread_ns(), operations = loop(PEAK_ROUNDS);
    return (double)operations / ((double)(thread_ns() - start) * 1e-9);
}

static void keep(struct rounds *rounds, int round, uint64_t start, double operations, double peak)
{
    rounds->seconds[round] = (double)(thread_ns() - start) * 1e-9;
    rounds->share[round] = peak > 0 ? operations / rounds->seconds[round] / peak : 0;
}

static double print_case(const char *what, struct rounds *rounds, double operations)
{
    double seconds = median(rounds->seconds, ROUNDS), share = median(rounds->share, ROUNDS);
    printf("  %s %10.2f us %7.1f Gop/s", what, seconds * 1e6, operations / seconds * 1e-9);
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

static struct packed random_weights(const struct kernels *kernels, enum precision precision, int n, int k)
{
    size_t size = kern_packed_size(kernels, precision, n, k);
    float *w = allocate((size_t)n * (size_t)k);
    struct packed packed = kern_packed_place(kernels, precision, n, k, allocate(size / sizeof(float)));
    kern_pack(kernels, &packed, &(struct stored_weights){w, DTYPE_F32, NULL}, 0, packed.panel_count);
    free(w);
    return packed;
}

static double shape_operations(int s, int r)
{
    return 2.0 * row_counts[r] * shapes[s].n * shapes[s].k;
}

static void print_gemm(const struct path *path, enum precision precision,
                       struct rounds cases[SHAPES][ROW_COUNTS])
{
    printf("gemm %s, %s, 1 thread; %% of the peak of its instruction\n", precision_name(precision),
           path->name);
    for (int r = 0; r < ROW_COUNTS; r++) {
        double seconds = 0, operations = 0;
        for (int s = 0; s < SHAPES; s++) {
            char what[100];
            snprintf(what, sizeof what, "m %3d  %4d x %4d", row_counts[r], shapes[s].k, shapes[s].n);
            seconds += print_case(what, &cases[s][r], shape_operations(s, r));
            operations += shape_operations(s, r);
        }
        printf("  m %3d  all four    %10.2f us %7.1f Gop/s\n", row_counts[r], seconds * 1e6,
               operations / seconds * 1e-9);
    }
}

/* What the products of one precision read and write. */
struct operands {
    const struct kernels *kernels;
    enum precision precision;
    struct packed packed[SHAPES];
    float *x, *y, *bias;
    void *form[SHAPES];
    struct row_scale *scales;
};

static void make_operands(struct operands *o, const struct kernels *kernels, enum precision precision)
{
    *o = (struct operands){.kernels = kernels, .precision = precision};
    o->x = allocate(512 * 3072);
    o->y = allocate(512 * 3072);
    o->bias = allocate(3072);
    o->scales = (struct row_scale *)(void *)allocate(512 * 2);
    for (int s = 0; s < SHAPES; s++) {
        int k = shapes[s].k;
        size_t row = kern_row_size(kernels, precision, k);
        o->packed[s] = random_weights(kernels, precision, shapes[s].n, k);
        o->form[s] = allocate(512 * row / sizeof(float));
        if (precision != PRECISION_FP32)
            kernels->convert[precision](o->form[s], row, o->scales, o->x, (size_t)k, 512, k);
    }
}

static void free_operands(struct operands *o)
{
    for (int s = 0; s < SHAPES; s++) {
        free(o->packed[s].data);
        free(o->form[s]);
    }
    free(o->x);
    free(o->y);
    free(o->bias);
    free(o->scales);
}

static void multiply(const struct operands *o, int s, int m)
{
    struct gemm g = {.x = o->form[s],
                     .x_stride = kern_row_size(o->kernels, o->precision, shapes[s].k),
                     .scales = o->scales,
                     .y = o->y,
                     .y_stride = (size_t)shapes[s].n,
                     .bias = o->bias,
                     .m = m,
                     .activation = shapes[s].activation};
    o->kernels->gemm[o->precision](&g, &o->packed[s], 0, o->packed[s].panel_count);
}

static void bench_precision(const struct path *path, enum precision precision)
{
    static struct rounds cases[SHAPES][ROW_COUNTS];
    struct operands o;
    make_operands(&o, path->kernels, precision);
    for (int round = 0; round < ROUNDS; round++)
        for (int r = 0; r < ROW_COUNTS; r++)
            for (int s = 0; s < SHAPES; s++) {
                double peak = peak_now(path, precision);
                uint64_t start = thread_ns();
                multiply(&o, s, row_counts[r]);
                keep(&cases[s][r], round, start, shape_operations(s, r), peak);
            }
    print_gemm(path, precision, cases);
    free_operands(&o);
}

void bench_gemm(const struct path *path)
{
    for (int i = 0; i < PRECISION_COUNT; i++)
        if (adds_gemm(path, (enum precision)i))
            bench_precision(path, (enum precision)i);
}

enum { HEAD = 64, HEADS = 12, STRIDE = 3 * HEAD * HEADS, WINDOW = 64, BUCKETS = 512, TOKENS = 512 };

/* What the scores are made of, as in BERT, MPNet, ModernBERT's local layers and DeBERTa. */
enum { PLAIN, BIAS, WITHIN_WINDOW, RELATIVE, VARIANTS };
static const char *const variants[VARIANTS] = {"plain", "bias", "window", "relative"};

struct attention_case {
    const float *qkv, *bias;
    struct relative_scores relative;
    float *out, *scratch;
};

static void make_attention(struct attention_case *c)
{
    static int bucket[2 * 512];
    for (int i = 0; i < 2 * 512; i++)
        bucket[i] = i / 2;
    const float *rows = allocate(2 * BUCKETS * HEAD * HEADS);
    *c = (struct attention_case){
        .qkv = allocate(512 * STRIDE),
        .bias = allocate(2 * 512),
        .relative = {bucket + 511, rows, rows + (size_t)BUCKETS * HEAD * HEADS, HEAD * HEADS},
        .out = allocate(512 * HEAD * HEADS),
        .scratch = allocate(kern_attention_scratch(512, HEAD, BUCKETS)),
    };
}

static void free_attention(const struct attention_case *c)
{
    free((void *)(uintptr_t)c->qkv);
    free((void *)(uintptr_t)c->bias);
    free((void *)(uintptr_t)c->relative.keys);
    free(c->out);
    free(c->scratch);
}

static void attend_all_heads(const struct path *path, enum precision precision,
                             const struct attention_case *c, int variant, int first, int length)
{
    for (size_t head = 0; head < HEADS; head++) {
        const float *q = c->qkv + (size_t)first * STRIDE + head * HEAD;
        struct attention a = {.q = q,
                              .k = q + HEADS * HEAD,
                              .v = q + 2 * HEADS * HEAD,
                              .qkv_stride = STRIDE,
                              .out = c->out + ((size_t)first * HEADS + head) * HEAD,
                              .out_stride = HEADS * HEAD,
                              .length = length,
                              .head_size = HEAD,
                              .scale = 0.125f,
                              .bias = variant == BIAS ? c->bias + 511 : NULL,
                              .window = variant == WITHIN_WINDOW ? WINDOW : 0,
                              .relative = variant == RELATIVE ? &c->relative : NULL};
        path->kernels->attention[precision](&a, 0, length, c->scratch);
    }
}

/* As many items as TOKENS hold, as a batch has them. */
static double time_items(const struct path *path, enum precision precision, const struct attention_case *c,
                         int variant, int length, struct rounds *rounds, int round)
{
    double peak = peak_now(path, PRECISION_FP32);
    uint64_t start = thread_ns();
    for (int first = 0; first + length <= TOKENS; first += length)
        attend_all_heads(path, precision, c, variant, first, length);
    double operations = 4.0 * (TOKENS / length) * length * length * HEAD * HEADS;
    keep(rounds, round, start, operations, peak);
    return operations;
}

static void print_attention(struct rounds *rounds, int length, const char *variant, double operations)
{
    char what[100];
    snprintf(what, sizeof what, "length %3d %-8s", length, variant);
    double seconds = print_case(what, rounds, operations);
    printf("              %.2f us a token\n", seconds * 1e6 / (TOKENS / length * length));
}

static void bench_attention_at(const struct path *path, enum precision precision)
{
    static struct rounds cases[VARIANTS][LENGTHS];
    double operations[LENGTHS];
    int count = precision == PRECISION_FP32 ? VARIANTS : RELATIVE;
    struct attention_case c;
    make_attention(&c);
    for (int round = 0; round < ROUNDS; round++)
        for (int v = 0; v < count; v++)
            for (int l = v == PLAIN ? 0 : LONG; l < LENGTHS; l++)
                operations[l] = time_items(path, precision, &c, v, lengths[l], &cases[v][l], round);
    printf("attention, %s, %s, 12 heads of 64, items of 512 tokens together, 1 thread; %% of the FMA peak; "
           "Gop/s as if plain\n",
           precision_name(precision), path->name);
    for (int v = 0; v < count; v++)
        for (int l = v == PLAIN ? 0 : LONG; l < LENGTHS; l++)
            print_attention(&cases[v][l], lengths[l], variants[v], operations[l]);
    free_attention(&c);
}

void bench_attention(const struct path *path)
{
    for (int i = 0; i < PRECISION_COUNT; i++)
        if (adds_attention(path, (enum precision)i))
            bench_attention_at(path, (enum precision)i);
}
