#include "base/stats.h"

#include <time.h>

static void init(struct histogram *histogram, const double *bounds, int count, double unit)
{
    histogram->bounds = bounds;
    histogram->bound_count = count;
    histogram->unit = unit;
    for (int i = 0; i <= count; i++)
        atomic_init(&histogram->counts[i], 0);
    atomic_init(&histogram->sum, 0);
}

void histogram_init_seconds(struct histogram *histogram)
{
    static const double bounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                    0.1,    0.25,    0.5,    1,     2.5,    5,     10,   30};
    init(histogram, bounds, sizeof bounds / sizeof *bounds, 1e-9);
}

void histogram_init_counts(struct histogram *histogram)
{
    static const double bounds[] = {1,   2,    4,    8,    16,   32,    64,    128,  256,
                                    512, 1024, 2048, 4096, 8192, 16384, 32768, 65536};
    init(histogram, bounds, sizeof bounds / sizeof *bounds, 1);
}

static void add(struct histogram *histogram, double value, uint64_t units)
{
    int bucket = 0;
    while (bucket < histogram->bound_count && value > histogram->bounds[bucket])
        bucket++;
    atomic_fetch_add_explicit(&histogram->counts[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum, units, memory_order_relaxed);
}

void histogram_add_ns(struct histogram *histogram, uint64_t ns)
{
    add(histogram, (double)ns * 1e-9, ns);
}

void histogram_add_count(struct histogram *histogram, uint64_t count)
{
    add(histogram, (double)count, count);
}

uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
