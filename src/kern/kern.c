#include "kern/paths.h"

#include <pthread.h>
#include <string.h>

#include "base/host.h"

size_t dtype_size(enum dtype dtype)
{
    return dtype == DTYPE_F32 ? 4 : dtype == DTYPE_I8 ? 1 : 2;
}

const char *dtype_name(enum dtype dtype)
{
    switch (dtype) {
    case DTYPE_F32:
        return "F32";
    case DTYPE_F16:
        return "F16";
    case DTYPE_BF16:
        return "BF16";
    case DTYPE_I8:
        return "I8";
    }
    return "unknown";
}

const char *precision_name(enum precision precision)
{
    static const char *const names[PRECISION_COUNT] = {"fp32", "bf16", "int8"};
    return names[precision];
}

size_t kern_attention_scratch(int length, int head_size, int buckets)
{
    size_t columns = (size_t)kern_round_up(length, KERN_MAX_LANES);
    size_t size = (size_t)kern_round_up(head_size, KERN_MAX_LANES);
    size_t keys = size * columns, values = columns * size;
    size_t reached = (size_t)kern_round_up(buckets < 2 * length ? buckets : 2 * length, KERN_MAX_LANES);
    size_t relative = (size + columns + KERN_ATTENTION_ROWS) * reached;
    return keys + values + KERN_ATTENTION_ROWS * (columns + size) + relative;
}

/* A path's table is filled by the paths it stands on, lowest first: those of its bit in `bases` and below. */
struct path {
    const char *name;
    kern_fill *fill;
    unsigned bases; /* bit i: path i is filled first */
};

#if defined(__x86_64__)
enum { REF, AVX2, AVX_VNNI, AVX512, AVX512_VNNI, AVX512_BF16 };
static const struct path paths[] = {
    [REF] = {"ref", kern_fill_ref, 0},
    [AVX2] = {"avx2", kern_fill_avx2, 1 << REF},
    [AVX_VNNI] = {"avx_vnni", kern_fill_avx_vnni, 1 << REF | 1 << AVX2},
    [AVX512] = {"avx512", kern_fill_avx512, 1 << REF | 1 << AVX2},
    [AVX512_VNNI] = {"avx512_vnni", kern_fill_avx512_vnni, 1 << REF | 1 << AVX2 | 1 << AVX512},
    [AVX512_BF16] = {"avx512_bf16", kern_fill_avx512_bf16,
                     1 << REF | 1 << AVX2 | 1 << AVX512 | 1 << AVX512_VNNI},
};

static bool path_available(int index)
{
    const struct host_isa *isa = host_isa();
    const bool has[] = {[REF] = true,
                        [AVX2] = isa->avx2,
                        [AVX_VNNI] = isa->avx_vnni,
                        [AVX512] = isa->avx512,
                        [AVX512_VNNI] = isa->avx512_vnni,
                        [AVX512_BF16] = isa->avx512_vnni && isa->avx512_bf16};
    return has[index];
}
#else
static const struct path paths[] = {{"ref", kern_fill_ref, 0}};

static bool path_available(int index)
{
    (void)index;
    return true;
}
#endif
enum { PATHS = sizeof paths / sizeof *paths };

static struct kernels tables[PATHS];
static pthread_once_t tables_filled = PTHREAD_ONCE_INIT;

/* Of a path that is not available the name alone: its file may not even run here. */
static void fill_tables(void)
{
    for (int i = 0; i < PATHS; i++) {
        tables[i].name = paths[i].name;
        if (!path_available(i))
            continue;
        for (int base = 0; base < i; base++)
            if (paths[i].bases >> base & 1)
                paths[base].fill(&tables[i]);
        paths[i].fill(&tables[i]);
        tables[i].name = paths[i].name;
    }
}

const struct kernels *kern_path(int index, bool *available)
{
    if (index < 0 || index >= PATHS)
        return NULL;
    pthread_once(&tables_filled, fill_tables);
    *available = path_available(index);
    return &tables[index];
}

static bool unknown_path(const char *cap, struct error *err)
{
    char names[100] = "";
    bool available;
    for (int i = 0; kern_path(i, &available); i++) {
        strncat(names, i ? ", " : "", sizeof names - strlen(names) - 1);
        strncat(names, kern_path(i, &available)->name, sizeof names - strlen(names) - 1);
    }
    return error_set(err, ERR_USAGE, "instruction set \"%s\" is unknown; this build has %s", cap, names);
}

const struct kernels *kern_select(const char *cap, struct error *err)
{
    const struct kernels *best = NULL, *path;
    bool available;
    for (int i = 0; (path = kern_path(i, &available)); i++) {
        if (available)
            best = path;
        if (!cap || strcmp(path->name, cap) != 0)
            continue;
        if (!available) {
            error_set(err, ERR_USAGE, "this processor lacks %s; the highest it has is %s", cap, best->name);
            return NULL;
        }
        return path;
    }
    if (cap) {
        unknown_path(cap, err);
        return NULL;
    }
    return best;
}
