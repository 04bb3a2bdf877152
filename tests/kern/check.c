#include "check.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, GUARD = 256, PATTERN = 0xa5 };
static const uint32_t GAP_BITS = 0x7fc5a5a5; /* a quiet NaN */

struct guarded {
    unsigned char *map; /* `room` bytes, then a page without access */
    size_t room;
    unsigned char *data; /* NULL: not in use */
    size_t size;
};

bool check_quick, check_traps = true;
static struct guarded buffers[SLOT_COUNT];

bool adds_gemm(const struct path *path, enum precision precision)
{
    if (!path->kernels->gemm[precision])
        return false;
    for (const struct path *below = path->below; below; below = below->below)
        if (below->kernels->gemm[precision] == path->kernels->gemm[precision])
            return false;
    return true;
}

bool adds_attention(const struct path *path, enum precision precision)
{
    for (const struct path *below = path->below; below; below = below->below)
        if (below->kernels->attention[precision] == path->kernels->attention[precision])
            return false;
    return path->kernels->attention[precision] != NULL;
}

bool adds_rows(const struct path *path)
{
    for (const struct path *below = path->below; below; below = below->below)
        if (below->kernels->layer_norm == path->kernels->layer_norm)
            return false;
    return true;
}

static void map_room(struct guarded *g, size_t room)
{
    if (g->map)
        munmap(g->map, g->room + PAGE);
    room = (room + PAGE - 1) / PAGE * PAGE;
    g->map = mmap(NULL, room + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g->map == MAP_FAILED || (check_traps && mprotect(g->map + room, PAGE, PROT_NONE) != 0)) {
        perror("checkkern: no memory for guarded buffers");
        exit(2);
    }
    if (!check_traps)
        memset(g->map + room, PATTERN, PAGE);
    g->room = room;
}

static unsigned char *guard(enum slot slot, size_t size, size_t align)
{
    struct guarded *g = &buffers[slot];
    size_t back = (size + align - 1) / align * align;
    if (!g->map || g->room < back + GUARD)
        map_room(g, back + GUARD);
    g->data = g->map + g->room - back;
    g->size = size;
    memset(g->data - GUARD, PATTERN, GUARD);
    memset(g->data + size, PATTERN, back - size);
    return g->data;
}

const float *guard_at(enum slot slot)
{
    return (const float *)(const void *)buffers[slot].data;
}

static bool all_pattern(const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != PATTERN)
            return false;
    return true;
}

bool guards_intact(void)
{
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        const struct guarded *g = &buffers[slot];
        if (!g->data)
            continue;
        const unsigned char *end = g->data + g->size;
        if (!all_pattern(g->data - GUARD, GUARD) ||
            !all_pattern(end, (size_t)(g->map + g->room + (check_traps ? 0 : PAGE) - end)))
            return false;
    }
    return true;
}

static float *fill_gaps(unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        memcpy(bytes + i * sizeof GAP_BITS, &GAP_BITS, sizeof GAP_BITS);
    return (float *)(void *)bytes;
}

float *guard_floats(enum slot slot, size_t count)
{
    return fill_gaps(guard(slot, count * sizeof(float), sizeof(float)), count);
}

float *guard_floats_aligned(enum slot slot, size_t count)
{
    return fill_gaps(guard(slot, count * sizeof(float), 64), count);
}

unsigned char *guard_bytes(enum slot slot, size_t count)
{
    return guard(slot, count, 1);
}

bool gaps_intact(const float *rows, size_t row_count, size_t columns, size_t stride)
{
    for (size_t r = 0; r + 1 < row_count; r++)
        for (size_t c = columns; c < stride; c++)
            if (memcmp(&rows[r * stride + c], &GAP_BITS, sizeof GAP_BITS) != 0)
                return false;
    return true;
}

static uint64_t random_state;

void random_seed(uint64_t seed)
{
    random_state = seed;
}

/* The 64-bit linear congruential generator with Knuth's multiplier (MMIX); the upper bits are the good
 * ones. */
float random_float(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (float)((int32_t)(random_state >> 40) - (1 << 23)) * 0x1p-23f;
}

void random_fill(float *x, size_t rows, size_t columns, size_t stride, float scale)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            x[r * stride + c] = scale * random_float();
}

bool same_bits(const float *a, const float *b, size_t count)
{
    return memcmp(a, b, count * sizeof *a) == 0;
}

double activation_exact(double x, enum activation activation)
{
    switch (activation) {
    case ACT_NONE:
        return x;
    case ACT_GELU_ERF:
        return x * 0.5 * erfc(-x * M_SQRT1_2);
    case ACT_GELU_TANH:
        return x / (1 + exp(-2 * sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case ACT_RELU:
        return x < 0 ? 0 : x;
    case ACT_SILU:
        return x / (1 + exp(-x));
    case ACT_TANH:
        return tanh(x);
    }
    return x;
}

double activation_bound(enum precision precision, enum activation activation)
{
    bool gelu = activation == ACT_GELU_ERF || activation == ACT_GELU_TANH;
    if (gelu && precision != PRECISION_FP32)
        return 1.2e-5;
    return activation == ACT_NONE || activation == ACT_RELU ? 0 : 1.2e-7;
}

const char *activation_name(enum activation activation)
{
    static const char *const names[] = {"none", "gelu_erf", "gelu_tanh", "relu", "silu", "tanh"};
    return names[activation];
}

static char check_name[200], check_remark[100];
static int failures_here;
int checks_passed, checks_failed;

void check_begin(const char *kernel, const struct path *path, const char *sentence)
{
    snprintf(check_name, sizeof check_name, "%s, %s: %s", kernel, path->name, sentence);
    check_remark[0] = '\0';
    failures_here = 0;
}

void check_note(const char *format, ...)
{
    va_list arguments;
    size_t length = (size_t)snprintf(check_remark, sizeof check_remark, ": ");
    va_start(arguments, format);
    vsnprintf(check_remark + length, sizeof check_remark - length, format, arguments);
    va_end(arguments);
}

void check_fail(const char *format, ...)
{
    if (failures_here++ >= 3) /* the first few shapes tell enough */
        return;
    va_list arguments;
    printf("FAILED %s: ", check_name);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
}

void check_end(void)
{
    if (!guards_intact())
        check_fail("wrote outside its arrays");
    if (failures_here == 0) {
        printf("passed %s%s\n", check_name, check_remark);
        checks_passed++;
    } else {
        checks_failed++;
    }
    fflush(stdout);
}
