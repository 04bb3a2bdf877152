/* What this machine can do at best: the yardstick of `linnet bench` and of checkkern --bench.
 *
 * A peak loop is nothing but the instruction that a path's product is made of, on enough independent
 * accumulators to hide its latency: no loads, no stores. A product can come near its rate, never above it.
 *
 * | path        | fp32        | int8                   | bf16           |
 * |-------------|-------------|------------------------|----------------|
 * | ref         | none        | none                   | none           |
 * | avx2        | vfmadd, ymm | vpmaddwd + vpaddd, ymm | none           |
 * | avx_vnni    | vfmadd, ymm | vpdpbusd, ymm          | none           |
 * | avx512      | vfmadd, zmm | vpmaddwd + vpaddd, zmm | none           |
 * | avx512_vnni | vfmadd, zmm | vpdpbusd, zmm          | none           |
 * | avx512_bf16 | vfmadd, zmm | vpdpbusd, zmm          | vdpbf16ps, zmm |
 */
#ifndef LINNET_KERN_PEAK_H
#define LINNET_KERN_PEAK_H

#include <stdint.h>

#include "base/team.h"

/* Runs `rounds` of the loop; returns how many multiplications and additions these were. Only on a processor
 * that has the path. */
typedef uint64_t kern_peak_loop(long rounds);

/* The loop of a path (struct kernels' name) and a precision ("fp32", "int8", "bf16"), or NULL where the table
 * above has none. */
kern_peak_loop *kern_peak_find(const char *path, const char *precision);

/* Operations a second of all threads of `team` together, in wall-clock time: the best of a few tries of less
 * than a millisecond each, for a disturbance only ever slows. */
double kern_peak(kern_peak_loop *loop, struct team *team);

#endif
