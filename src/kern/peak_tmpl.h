/* The peak loops of one vector type. Included by a file of one instruction set. */
#include "kern/peak_loops.h"
#include "kern/simd.h"

/* Two pipes of latency 4 or 5, three where additions go to a third, need no more; 16 registers hold no more
 * beside the operand and a temporary. */
enum { CHAINS = 12 };

/* `step` is one step of a chain: %0 the accumulator, %1 a temporary, %2 the operand. Assembly, so that no
 * compiler merges steps or moves accumulators out of their registers. */
#define PEAK_LOOP(name, vector, broadcast, operand, step, operations)              \
    uint64_t name(long rounds)                                                     \
    {                                                                              \
        vector sums[CHAINS], x = broadcast(operand), temporary;                    \
        UNROLL                                                                     \
        for (int i = 0; i < CHAINS; i++)                                           \
            sums[i] = broadcast(0);                                                \
        for (long round = 0; round < rounds; round++) {                            \
            UNROLL                                                                 \
            for (int i = 0; i < CHAINS; i++)                                       \
                __asm__ volatile(step : "+v"(sums[i]), "=&v"(temporary) : "v"(x)); \
        }                                                                          \
        return (uint64_t)rounds * CHAINS * (operations);                           \
    }

/* Operands: 0.5 as float32, as two bfloat16, and small integers. */
enum { HALF_F32 = 0x3f000000, HALVES_BF16 = 0x3f003f00, TWO_S16 = 0x00020003, FOUR_BYTES = 0x01020304 };
