#include "kern/peak.h"

#include <stddef.h>
#include <string.h>

#include "base/stats.h"
#include "kern/peak_loops.h"

enum { TRIES = 5, ROUNDS = 100000 };

#if defined(__x86_64__)
static const struct {
    const char *path, *precision;
    kern_peak_loop *loop;
} loops[] = {
    {"avx2", "fp32", kern_peak_fma_ymm},           {"avx2", "int8", kern_peak_madd_ymm},
    {"avx_vnni", "fp32", kern_peak_fma_ymm},       {"avx_vnni", "int8", kern_peak_dpbusd_ymm},
    {"avx512", "fp32", kern_peak_fma_zmm},         {"avx512", "int8", kern_peak_madd_zmm},
    {"avx512_vnni", "fp32", kern_peak_fma_zmm},    {"avx512_vnni", "int8", kern_peak_dpbusd_zmm},
    {"avx512_bf16", "fp32", kern_peak_fma_zmm},    {"avx512_bf16", "int8", kern_peak_dpbusd_zmm},
    {"avx512_bf16", "bf16", kern_peak_dpbf16_zmm},
};

kern_peak_loop *kern_peak_find(const char *path, const char *precision)
{
    for (size_t i = 0; i < sizeof loops / sizeof *loops; i++)
        if (strcmp(loops[i].path, path) == 0 && strcmp(loops[i].precision, precision) == 0)
            return loops[i].loop;
    return NULL;
}
#else
kern_peak_loop *kern_peak_find(const char *path, const char *precision)
{
    (void)path;
    (void)precision;
    return NULL;
}
#endif

struct peak_job {
    kern_peak_loop *loop;
    uint64_t operations; /* of one part: all do the same */
};

static void peak_part(void *context, int part, int parts)
{
    struct peak_job *job = context;
    uint64_t operations = job->loop(ROUNDS);
    if (part == 0)
        job->operations = operations * (uint64_t)parts;
}

double kern_peak(kern_peak_loop *loop, struct team *team)
{
    struct peak_job job = {.loop = loop};
    double best = 0;
    team_run(team, peak_part, &job); /* wakes the threads and the wide half of the vector unit */
    for (int try = 0; try < TRIES; try++) {
        uint64_t begin = clock_ns();
        team_run(team, peak_part, &job);
        double rate = (double)job.operations / ((double)(clock_ns() - begin) * 1e-9);
        if (rate > best)
            best = rate;
    }
    return best;
}
