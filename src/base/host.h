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

/* Cores this process may keep busy: the smaller of its affinity mask and the CPU quota of its cgroup and of
 * those above it (v2 cpu.max; v1 cpu.cfs_quota_us of the mounted root), rounded up, at least 1. Read anew at
 * each call. */
int host_cores(void);

#endif
