/* The machine: what the processor can do and how much of it is ours. Any thread. */
#ifndef LINNET_BASE_HOST_H
#define LINNET_BASE_HOST_H

#include <stdbool.h>

/* Instruction sets that both the processor and the operating system offer (CPUID leaves 1 and 7, XCR0). */
struct host_isa {
    bool avx2;        /* AVX2 + FMA + F16C */
    bool avx_vnni;    /* with avx2 */
    bool avx512;      /* F, BW, DQ, VL */
    bool avx512_vnni; /* with avx512 */
    bool avx512_bf16; /* with avx512 */
};

const struct host_isa *host_isa(void);

/* The processor's own name, such as "AMD EPYC 7763". Never NULL. */
const char *host_cpu_name(void);

/* Cores this process may keep busy: the smaller of its affinity mask and its CPU quota, at least 1. Read anew
 * at each call. */
int host_cores(void);

/* The smallest CPU quota of this process's cgroup and those above it (v2: cpu.max, v1: cpu.cfs_quota_us and
 * cpu.cfs_period_us; both are looked at, for a system may have both), in cores, rounded up; 0 where there is
 * none. `root` is where /proc and /sys are: "" but in tests. */
int host_quota(const char *root);

#endif
