/* The kernels for AVX2: tiles of 6 rows by 16 columns, 12 of the 16 vector registers.
 * The order of the includes matters: each template uses what those above it define. */
#include "kern/vec_avx2.h"

#include "kern/int8_pairs.h"

#define TILE_VECTORS 2

#include "kern/math_tmpl.h"

#include "kern/gemm_tmpl.h"

DEFINE_GEMM(fp32, PRECISION_FP32, 2)
DEFINE_GEMM(int8, PRECISION_INT8, 2)

#include "kern/softmax_tmpl.h"

#include "kern/rows_tmpl.h"

#include "kern/quantise_tmpl.h"

#include "kern/attention_tmpl.h"

void kern_fill_avx2(struct kernels *table)
{
    table->panel = PANEL_VECTORS * LANES;
    table->int8_group = INT8_GROUP;
    table->gemm[PRECISION_FP32] = gemm_fp32;
    table->gemm[PRECISION_BF16] = NULL; /* emulated it would be slower than fp32 */
    table->gemm[PRECISION_INT8] = gemm_int8;
    table->convert[PRECISION_BF16] = NULL;
    table->convert[PRECISION_INT8] = convert_int8;
    table->attention[PRECISION_FP32] = attention;
    table->rotate = rotate;
    table->layer_norm = layer_norm;
    table->softmax = softmax;
    table->widen = widen;
    table->add_widened = add_widened;
}
