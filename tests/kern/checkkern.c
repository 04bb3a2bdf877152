/* Checks every kernel on every path that this processor has: against exact formulas, bit for bit against
 * itself however the work is split, with memory guards and with NaN and infinity. With --bench it measures
 * instead. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/host.h"
#include "check.h"
#include "kern/paths.h"

struct group {
    const char *name;
    void (*run)(const struct path *path);
    bool by_precision; /* the group looks itself for what a path adds */
};

static const struct group checks[] = {
    {"pack", check_pack, true},           {"convert", check_convert, true},
    {"gemm", check_gemm, true},           {"activation", check_activations, true},
    {"attention", check_attention, true}, {"layer_norm softmax rotate", check_rows, false},
    {"widen", check_widen, false},
};
static const struct group benches[] = {{"gemm", bench_gemm, true}, {"attention", bench_attention, true}};

/* Builds of the instruction-set files for tests alone: with the newer instructions in portable C, or encoded
 * another way. */
extern kern_fill kern_fill_avx_vnni_evex, kern_fill_avx_vnni_emulated, kern_fill_avx512_emulated,
    kern_fill_avx512_vnni_emulated, kern_fill_avx512_bf16_emulated;

enum { MAX_PATHS = 16, MAX_FILLS = 5 };

struct paths {
    struct path list[MAX_PATHS];
    struct kernels tables[MAX_PATHS];
    int count;
};

static void add_path(struct paths *paths, const char *name, const struct kernels *kernels)
{
    struct path *path = &paths->list[paths->count];
    *path = (struct path){name, kernels, paths->count ? path - 1 : NULL};
    paths->count++;
}

/* The paths that this processor can run; names those that it cannot. */
static void find_paths(struct paths *paths)
{
    const struct kernels *kernels;
    bool available;
    for (int i = 0; (kernels = kern_path(i, &available)); i++) {
        if (available)
            add_path(paths, kernels->name, kernels);
        else
            printf("skipped %s: this processor lacks it\n", kernels->name);
    }
}

#if defined(__x86_64__)
struct build {
    const char *name;
    kern_fill *fills[MAX_FILLS];
    bool available;
    const char *lacks;
};

/* Paths by emulation, unless the processor is emulated itself, and by the other encoding. */
static void add_builds(struct paths *paths)
{
    bool emulate = host_isa()->avx2 && check_traps, evex = host_isa()->avx512_vnni;
    const char *no_emulation = check_traps ? "this processor lacks avx2" : "the processor is emulated too";
    const struct build builds[] = {
        {"avx_vnni (EVEX)",
         {kern_fill_ref, kern_fill_avx2, kern_fill_avx_vnni_evex},
         evex,
         "this processor lacks avx512_vnni"},
        {"avx_vnni (emulated)",
         {kern_fill_ref, kern_fill_avx2, kern_fill_avx_vnni_emulated},
         emulate,
         no_emulation},
#ifdef HAVE_SIMDE
        {"avx512 (emulated)", {kern_fill_ref, kern_fill_avx512_emulated}, emulate, no_emulation},
        {"avx512_vnni (emulated)",
         {kern_fill_ref, kern_fill_avx512_emulated, kern_fill_avx512_vnni_emulated},
         emulate,
         no_emulation},
        {"avx512_bf16 (emulated)",
         {kern_fill_ref, kern_fill_avx512_emulated, kern_fill_avx512_vnni_emulated,
          kern_fill_avx512_bf16_emulated},
         emulate,
         no_emulation},
#endif
    };
    for (size_t i = 0; i < sizeof builds / sizeof *builds; i++) {
        if (!builds[i].available) {
            printf("skipped %s: %s\n", builds[i].name, builds[i].lacks);
            continue;
        }
        struct kernels *table = &paths->tables[paths->count];
        for (int fill = 0; fill < MAX_FILLS && builds[i].fills[fill]; fill++)
            builds[i].fills[fill](table);
        table->name = builds[i].name;
        add_path(paths, builds[i].name, table);
    }
}
#else
static void add_builds(struct paths *paths)
{
    (void)paths;
}
#endif

static void run_groups(const struct group *groups, size_t group_count, const struct paths *paths,
                       const char *filter, const char *isa)
{
    for (int p = 0; p < paths->count; p++)
        for (size_t g = 0; g < group_count; g++) {
            const struct path *path = &paths->list[p];
            bool wanted = (!isa || !strcmp(isa, path->name)) && (!filter || strstr(groups[g].name, filter));
            if (wanted && (groups[g].by_precision || adds_rows(path)))
                groups[g].run(path);
        }
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
    static struct paths paths;
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
    find_paths(&paths);
    if (bench) {
        run_groups(benches, sizeof benches / sizeof *benches, &paths, filter, isa);
        return 0;
    }
    add_builds(&paths);
    if (!filter && !isa)
        check_select();
    run_groups(checks, sizeof checks / sizeof *checks, &paths, filter, isa);
    if (checks_passed + checks_failed == 0) {
        printf("skipped: no path that can run here and no kernel has such a name\n");
        return 77; /* Meson's mark of a skipped test */
    }
    printf("%d passed, %d failed\n", checks_passed, checks_failed);
    return checks_failed > 0;
}
