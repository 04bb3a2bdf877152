/* Counters and histograms that many threads add to and one renders. Lock-free; each number is exact, a set of
 * them is not a snapshot of one instant. */
#ifndef LINNET_BASE_STATS_H
#define LINNET_BASE_STATS_H

#include <stdatomic.h>
#include <stdint.h>

enum { HISTOGRAM_MAX_BOUNDS = 20 };

/* counts[i] holds values <= bounds[i] and above bounds[i - 1]; counts[bound_count] the rest. */
struct histogram {
    const double *bounds; /* ascending, static */
    int bound_count;
    atomic_ullong counts[HISTOGRAM_MAX_BOUNDS + 1];
    atomic_ullong sum; /* in `unit`s */
    double unit;       /* size of one unit of sum: 1e-9 for seconds kept as nanoseconds, 1 for counts */
};

/* Buckets from 0.1 ms to 30 s, in seconds. */
void histogram_init_seconds(struct histogram *histogram);
/* Buckets of powers of two, 1 to 65,536. */
void histogram_init_counts(struct histogram *histogram);

void histogram_add_ns(struct histogram *histogram, uint64_t ns);
void histogram_add_count(struct histogram *histogram, uint64_t count);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t clock_ns(void);

#endif
