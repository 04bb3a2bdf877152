#include "base/host.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#if defined(__x86_64__)
static unsigned long long enabled_state(void)
{
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (unsigned long long)high << 32 | low;
}

/* Intel SDM vol. 1, 14.3 and 15.2: an instruction set is usable where CPUID lists it and XCR0 says that the
 * system saves its registers. */
static struct host_isa detect(void)
{
    struct host_isa isa = {0};
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
        return isa;
    bool fma = c & bit_FMA, f16c = c & bit_F16C;
    unsigned long long state = enabled_state();
    bool ymm = (state & 0x06) == 0x06, zmm = (state & 0xE6) == 0xE6;
    unsigned a1, b1, c1, d1;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return isa;
    if (!__get_cpuid_count(7, 1, &a1, &b1, &c1, &d1))
        a1 = 0;
    isa.avx2 = ymm && (b & bit_AVX2) && fma && f16c;
    isa.avx_vnni = isa.avx2 && (a1 & 1u << 4);
    isa.avx512 = isa.avx2 && zmm && (b & bit_AVX512F) && (b & bit_AVX512BW) && (b & bit_AVX512DQ) &&
                 (b & bit_AVX512VL);
    isa.avx512_vnni = isa.avx512 && (c & bit_AVX512VNNI);
    isa.avx512_bf16 = isa.avx512 && (a1 & 1u << 5);
    return isa;
}
#else
static struct host_isa detect(void)
{
    return (struct host_isa){0};
}
#endif

const struct host_isa *host_isa(void)
{
    static _Thread_local struct host_isa isa;
    static _Thread_local bool known;
    if (!known) {
        isa = detect();
        known = true;
    }
    return &isa;
}

const char *host_cpu_name(void)
{
    static _Thread_local char name[64];
    if (name[0])
        return name;
#if defined(__x86_64__)
    unsigned words[12];
    for (unsigned leaf = 0; leaf < 3; leaf++)
        if (!__get_cpuid(0x80000002u + leaf, &words[leaf * 4], &words[leaf * 4 + 1], &words[leaf * 4 + 2],
                         &words[leaf * 4 + 3]))
            words[0] = 0;
    char raw[sizeof words + 1] = {0};
    memcpy(raw, words, sizeof words);
    const char *start = raw + strspn(raw, " ");
    size_t length = strlen(start);
    while (length && start[length - 1] == ' ')
        length--;
    snprintf(name, sizeof name, "%.*s", (int)length, start);
#endif
    if (!name[0])
        snprintf(name, sizeof name, "unknown processor");
    return name;
}

/* Quota over period of one cpu.max in whole cores, rounded up; 0 where there is none. */
static int quota_of(const char *path)
{
    char quota[32];
    long long period = 0, limit = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    int fields = fscanf(file, "%31s %lld", quota, &period);
    fclose(file);
    if (fields != 2 || period <= 0 || sscanf(quota, "%lld", &limit) != 1 || limit <= 0)
        return 0;
    return (int)((limit + period - 1) / period);
}

/* The smallest quota on the way from our group up to the root, for each of them holds. */
static int quota_v2(void)
{
    char group[1024] = "", path[1100];
    int least = 0;
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (!file)
        return 0;
    while (fgets(group, sizeof group, file) && strncmp(group, "0::/", 4) != 0)
        group[0] = '\0';
    fclose(file);
    char *name = strncmp(group, "0::/", 4) == 0 ? group + 3 : group;
    name[strcspn(name, "\n")] = '\0';
    for (;;) {
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", strcmp(name, "/") == 0 ? "" : name);
        int quota = quota_of(path);
        if (quota > 0 && (least == 0 || quota < least))
            least = quota;
        char *slash = strrchr(name, '/');
        if (!slash)
            return least;
        *slash = '\0';
    }
}

static long long read_number(const char *path)
{
    long long number = -1;
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    if (fscanf(file, "%lld", &number) != 1)
        number = -1;
    fclose(file);
    return number;
}

static int quota_v1(void)
{
    long long limit = read_number("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
    long long period = read_number("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
    return limit > 0 && period > 0 ? (int)((limit + period - 1) / period) : 0;
}

int host_cores(void)
{
    cpu_set_t set;
    int cores = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        cores = CPU_COUNT(&set);
    int quota = quota_v2();
    if (quota == 0)
        quota = quota_v1();
    return quota > 0 && quota < cores ? quota : cores;
}
