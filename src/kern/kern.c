#include "kern/paths.h"

#include <string.h>

#include "base/host.h"

size_t dtype_size(enum dtype dtype)
{
    return dtype == DTYPE_F32 ? 4 : 2;
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
    }
    return "unknown";
}

size_t kern_attention_scratch(int length, int head_size)
{
    size_t columns = (size_t)kern_round_up(length, KERN_MAX_LANES);
    size_t size = (size_t)kern_round_up(head_size, KERN_MAX_LANES);
    size_t keys = size * columns, values = columns * size;
    return keys + values + KERN_ATTENTION_ROWS * (columns + size);
}

size_t kern_packed_size(const struct kernels *kernels, int n, int k)
{
    return (size_t)kern_round_up(n, kernels->panel) * (size_t)k;
}

const struct kernels *kern_path(int index, bool *available)
{
#if defined(__x86_64__)
    const struct kernels *const paths[] = {&kern_ref, &kern_avx2, &kern_avx512};
    const bool has[] = {true, host_isa()->avx2, host_isa()->avx512};
#else
    const struct kernels *const paths[] = {&kern_ref};
    const bool has[] = {true};
#endif
    if (index < 0 || index >= (int)(sizeof paths / sizeof *paths))
        return NULL;
    *available = has[index];
    return paths[index];
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
