/* Checks every kernel on every path that this processor has: against exact formulas, bit for bit against
 * itself however the work is split, with memory guards and with NaN and infinity. With --bench it measures
 * instead. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#ifdef HAVE_EMULATED_AVX512
extern const struct kernels kern_avx512_emulated;
#endif

struct group {
    const char *name;
    void (*run)(const struct path *path);
};

static const struct group checks[] = {
    {"gemm", check_gemm},           {"activation", check_activations},
    {"attention", check_attention}, {"layer_norm softmax", check_rows},
    {"widen", check_widen},
};
static const struct group benches[] = {{"gemm", bench_gemm}, {"attention", bench_attention}};

enum { MAX_PATHS = 8 };

/* The AVX-512 path by emulation, unless the processor is emulated itself. */
static int add_emulated_path(struct path *paths, int count)
{
#ifdef HAVE_EMULATED_AVX512
    struct error err;
    if (check_traps && kern_select("avx2", &err))
        paths[count++] = (struct path){"avx512 (emulated)", &kern_avx512_emulated, NULL};
    else
        printf("skipped avx512 (emulated): %s\n",
               check_traps ? err.message : "the processor is emulated too");
#else
    (void)paths;
#endif
    return count;
}

/* The paths that can run here; names those that cannot. */
static int find_paths(struct path *paths)
{
    const struct kernels *kernels;
    bool available;
    int count = 0;
    for (int i = 0; (kernels = kern_path(i, &available)); i++) {
        if (available)
            paths[count++] = (struct path){kernels->name, kernels, find_fma_peak(kernels->name)};
        else
            printf("skipped %s: this processor lacks it\n", kernels->name);
    }
    return count;
}

static void run_groups(const struct group *groups, size_t group_count, const struct path *paths,
                       int path_count, const char *filter, const char *isa)
{
    for (int p = 0; p < path_count; p++)
        for (size_t g = 0; g < group_count; g++)
            if ((!isa || !strcmp(isa, paths[p].name)) && (!filter || strstr(groups[g].name, filter)))
                groups[g].run(&paths[p]);
}

static int usage(const char *wrong)
{
    fprintf(stderr,
            "checkkern: unexpected \"%s\"\nusage: checkkern [--isa NAME] [--bench] [--quick] [--no-traps] "
            "[KERNEL]\n",
            wrong);
    return 2;
}

int main(int argc, char **argv)
{
    const char *isa = NULL, *filter = NULL;
    bool bench = false;
    struct path paths[MAX_PATHS];
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--isa") && i + 1 < argc)
            isa = argv[++i];
        else if (!strcmp(argv[i], "--bench"))
            bench = true;
        else if (!strcmp(argv[i], "--quick"))
            check_quick = true;
        else if (!strcmp(argv[i], "--no-traps"))
            check_traps = false;
        else if (argv[i][0] != '-' && !filter)
            filter = argv[i];
        else
            return usage(argv[i]);
    }
    int count = find_paths(paths);
    if (bench) {
        run_groups(benches, sizeof benches / sizeof *benches, paths, count, filter, isa);
        return 0;
    }
    count = add_emulated_path(paths, count);
    if (!filter && !isa)
        check_select();
    run_groups(checks, sizeof checks / sizeof *checks, paths, count, filter, isa);
    if (checks_passed + checks_failed == 0) {
        printf("skipped: no path that can run here and no kernel has such a name\n");
        return 77; /* Meson's mark of a skipped test */
    }
    printf("%d passed, %d failed\n", checks_passed, checks_failed);
    return checks_failed > 0;
}
