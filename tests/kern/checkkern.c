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

/* All paths that can run here; names those that cannot. */
static int find_paths(struct path *paths, bool bench)
{
    const struct kernels *kernels;
    bool available;
    int count = 0;
    for (int i = 0; (kernels = kern_path(i, &available)); i++) {
        if (!available) {
            printf("skipped %s: this processor lacks it\n", kernels->name);
            continue;
        }
        paths[count++] = (struct path){kernels->name, kernels, find_fma_peak(kernels->name)};
    }
#ifdef HAVE_EMULATED_AVX512
    struct error err;
    if (!bench && kern_select("avx2", &err))
        paths[count++] = (struct path){"avx512 (emulated)", &kern_avx512_emulated, NULL};
    else if (!bench)
        printf("skipped avx512 (emulated): %s\n", err.message);
#endif
    return count;
}

static void run_groups(const struct group *groups, size_t group_count, const char *filter, const char *isa,
                       bool bench)
{
    struct path paths[MAX_PATHS];
    int count = find_paths(paths, bench);
    for (int p = 0; p < count; p++)
        for (size_t g = 0; g < group_count; g++)
            if ((!isa || !strcmp(isa, paths[p].name)) && (!filter || strstr(groups[g].name, filter)))
                groups[g].run(&paths[p]);
}

static int usage(const char *wrong)
{
    fprintf(stderr, "checkkern: unexpected \"%s\"\nusage: checkkern [--isa NAME] [--bench] [KERNEL]\n",
            wrong);
    return 2;
}

int main(int argc, char **argv)
{
    const char *isa = NULL, *filter = NULL;
    bool bench = false;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--isa") && i + 1 < argc)
            isa = argv[++i];
        else if (!strcmp(argv[i], "--bench"))
            bench = true;
        else if (argv[i][0] != '-' && !filter)
            filter = argv[i];
        else
            return usage(argv[i]);
    }
    if (bench) {
        run_groups(benches, sizeof benches / sizeof *benches, filter, isa, true);
        return 0;
    }
    if (!filter && !isa)
        check_select();
    run_groups(checks, sizeof checks / sizeof *checks, filter, isa, false);
    printf("%d passed, %d failed\n", checks_passed, checks_failed);
    return checks_failed > 0;
}
