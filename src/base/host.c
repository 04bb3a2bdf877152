#include "base/host.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

enum { PATH_SIZE = 4200, MOST_PROCESSORS = 65536 };

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

/* Quota over period in whole cores, rounded up; 0 where there is none. */
static int whole_cores(long long quota, long long period)
{
    return quota > 0 && period > 0 ? (int)((quota + period - 1) / period) : 0;
}

/* Whether a file of a group begins with exactly `count` numbers, 1 or 2. */
static bool read_numbers(const char *group, const char *file_name, int count, long long numbers[2])
{
    char path[PATH_SIZE];
    int length = snprintf(path, sizeof path, "%s/%s", group, file_name);
    FILE *file = length < PATH_SIZE ? fopen(path, "re") : NULL;
    if (!file)
        return false;
    int found = fscanf(file, "%lld %lld", &numbers[0], &numbers[1]);
    fclose(file);
    return found == count;
}

/* "max" in place of the quota is none. */
static int quota_v2(const char *group)
{
    long long numbers[2];
    return read_numbers(group, "cpu.max", 2, numbers) ? whole_cores(numbers[0], numbers[1]) : 0;
}

/* -1 is none. */
static int quota_v1(const char *group)
{
    long long quota[2], period[2];
    bool known = read_numbers(group, "cpu.cfs_quota_us", 1, quota) &&
                 read_numbers(group, "cpu.cfs_period_us", 1, period);
    return known ? whole_cores(quota[0], period[0]) : 0;
}

/* The smallest quota from the group `name` ("/", "/a/b") of a hierarchy up to its root, for each of them
 * holds. In a container the name may be one that only the host sees: then the root is found, which is the
 * container's. */
static int least_quota(const char *hierarchy, char *name, int (*quota_of)(const char *group))
{
    int least = 0;
    for (;;) {
        char group[PATH_SIZE];
        snprintf(group, sizeof group, "%s%s", hierarchy, name);
        int quota = quota_of(group);
        if (quota > 0 && (least == 0 || quota < least))
            least = quota;
        char *slash = strrchr(name, '/');
        if (!slash)
            return least;
        *slash = '\0';
    }
}

/* Whether a line of /proc/self/cgroup, "number:controllers:/group", is that of v1's cpu controller. */
static bool names_cpu(const char *controllers, const char *end)
{
    for (const char *at = controllers; at < end; at += strcspn(at, ",:") + 1)
        if (strcspn(at, ",:") == 3 && strncmp(at, "cpu", 3) == 0)
            return true;
    return false;
}

int host_quota(const char *root)
{
    char path[PATH_SIZE], line[PATH_SIZE];
    int least = 0;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':'), *name = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!name)
            continue;
        bool v2 = name == controllers + 1;
        if (!v2 && !names_cpu(controllers + 1, name))
            continue;
        snprintf(path, sizeof path, "%s/sys/fs/cgroup%s", root, v2 ? "" : "/cpu");
        int quota = least_quota(path, name + 1, v2 ? quota_v2 : quota_v1);
        if (quota > 0 && (least == 0 || quota < least))
            least = quota;
    }
    fclose(file);
    return least;
}

/* The processors that the affinity mask, and so taskset or a cpuset, leaves us. */
static int allowed_processors(void)
{
    for (size_t processors = CPU_SETSIZE; processors <= MOST_PROCESSORS; processors *= 4) {
        cpu_set_t *set = CPU_ALLOC(processors);
        if (!set)
            break;
        bool known = sched_getaffinity(0, CPU_ALLOC_SIZE(processors), set) == 0;
        int count = known ? CPU_COUNT_S(CPU_ALLOC_SIZE(processors), set) : 0;
        CPU_FREE(set);
        if (known)
            return count;
    }
    return 1;
}

int host_cores(void)
{
    int processors = allowed_processors(), quota = host_quota("");
    return quota > 0 && quota < processors ? quota : processors;
}
