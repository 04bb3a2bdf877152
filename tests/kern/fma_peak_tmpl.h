/* What one core can do: enough independent FMA chains to fill two pipes of latency 4 or 5, and nothing else.
 * It takes a fraction of a millisecond, so that it can stand beside each measurement. Included after a
 * vec_*.h. Returns floating-point operations a second. */
#include "check.h"

enum { CHAINS = 12, ROUNDS = 50000 };

static double measure_fma_peak(void)
{
    vec sums[CHAINS], x = vec_set1(0.5f);
    UNROLL
    for (int i = 0; i < CHAINS; i++)
        sums[i] = vec_set1((float)i);
    uint64_t start = thread_ns();
    for (int round = 0; round < ROUNDS; round++) {
        UNROLL
        for (int i = 0; i < CHAINS; i++) {
            sums[i] = vec_fma(sums[i], x, x);
            __asm__ volatile("" : "+x"(sums[i])); /* keeps the chain in its register, and in the loop */
        }
    }
    double seconds = (double)(thread_ns() - start) * 1e-9;
    return 2.0 * LANES * CHAINS * ROUNDS / seconds;
}
