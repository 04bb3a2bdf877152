#include "kern/vec_avx2.h"

#include "fma_peak_tmpl.h"

double fma_peak_avx2(void)
{
    return measure_fma_peak();
}
