/* What the checks of the kernels share: the paths under test, guarded buffers, numbers, verdicts. */
#ifndef LINNET_TESTS_KERN_CHECK_H
#define LINNET_TESTS_KERN_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kern/kern.h"

struct path {
    const char *name;
    const struct kernels *kernels;
    const struct path *below; /* the path checked before this one, or NULL */
};

/* Whether the path has that product and no path below it has the same function. */
bool adds_gemm(const struct path *path, enum precision precision);
bool adds_attention(const struct path *path, enum precision precision);
/* The same for everything else. */
bool adds_rows(const struct path *path);

/* Set before any check. check_quick leaves out the larger shapes, for runs under an emulator or a sanitizer.
 * check_traps makes the page behind each buffer trap; without it that page holds a pattern, for QEMU 7.2
 * reads the lanes that vmaskmovps masks out. */
extern bool check_quick, check_traps;

/* `count` of a table's entries, or the first `few` of them in a quick run. */
static inline int entries(int count, int few)
{
    return check_quick ? few : count;
}

/* A check runs one property over all shapes, calls check_fail() for each shape that breaks it, and
 * returns. */
void check_begin(const char *kernel, const struct path *path, const char *sentence);
void check_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void check_note(const char *format, ...) __attribute__((format(printf, 1, 2))); /* shown beside the verdict */
void check_end(void);

extern int checks_passed, checks_failed;

/* Guarded memory: `count` floats (or bytes) that end `slack` bytes (less than 64, as alignment asks) before a
 * page that traps on any access, with a known pattern on both sides. A buffer is reused by the next guard_*()
 * of the same slot. The floats start out as a NaN of known bits, which poisons any sum that reads one too
 * many. */
enum slot {
    SLOT_X,
    SLOT_Y,
    SLOT_W,
    SLOT_PACKED,
    SLOT_BIAS,
    SLOT_RESIDUAL,
    SLOT_SCRATCH,
    SLOT_OTHER,
    SLOT_FORM,
    SLOT_SCALES,
    SLOT_COUNT
};
float *guard_floats(enum slot slot, size_t count);
float *guard_floats_aligned(enum slot slot, size_t count); /* 64 bytes */
unsigned char *guard_bytes(enum slot slot, size_t count);
const float *guard_at(enum slot slot); /* the floats that the slot holds now */
bool guards_intact(void);

/* Whether elements columns..stride of each row but the last still hold the NaN they started with. */
bool gaps_intact(const float *rows, size_t row_count, size_t columns, size_t stride);

void random_seed(uint64_t seed);
float random_float(void); /* uniform in -1..1, from a fixed sequence */
void random_fill(float *x, size_t rows, size_t columns, size_t stride, float scale);

double activation_exact(double x, enum activation activation);
/* How far activation(x) after a product of that precision may be from exact, relative to max(1, |x|). */
double activation_bound(enum precision precision, enum activation activation);
const char *activation_name(enum activation activation);

bool same_bits(const float *a, const float *b, size_t count);

void check_gemm(const struct path *path);
void check_convert(const struct path *path);
void check_pack(const struct path *path);
void check_activations(const struct path *path);
void check_attention(const struct path *path);
void check_rows(const struct path *path);
void check_widen(const struct path *path);

void check_select(void);

void bench_gemm(const struct path *path);
void bench_attention(const struct path *path);

/* This thread's processor time: other programs on the machine do not count. */
uint64_t thread_ns(void);

#endif
