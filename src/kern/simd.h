/* The vector intrinsics of the instruction-set files. A test may name another header that emulates them. */
#ifndef LINNET_KERN_SIMD_H
#define LINNET_KERN_SIMD_H

#ifdef KERN_SIMD_HEADER
#include KERN_SIMD_HEADER
#else
#include <immintrin.h>
#endif

/* Before a loop over an array that must live in registers: at -O2 GCC would keep the loop and the array in
 * memory. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline))

#endif
