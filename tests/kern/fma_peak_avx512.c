#include "kern/vec_avx512.h"

#include "fma_peak_tmpl.h"

double fma_peak_avx512(void)
{
    return measure_fma_peak();
}
