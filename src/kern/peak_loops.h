/* The peak loops by instruction. Not for other layers. */
#ifndef LINNET_KERN_PEAK_LOOPS_H
#define LINNET_KERN_PEAK_LOOPS_H

#include "kern/peak.h"

kern_peak_loop kern_peak_fma_ymm, kern_peak_madd_ymm, kern_peak_dpbusd_ymm;
kern_peak_loop kern_peak_fma_zmm, kern_peak_madd_zmm, kern_peak_dpbusd_zmm, kern_peak_dpbf16_zmm;

#endif
