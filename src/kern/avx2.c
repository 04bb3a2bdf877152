/* The kernels for AVX2: tiles of 6 rows by 16 columns, 12 of the 16 vector registers.
 * The order of the includes matters: each template uses what those above it define. */
#include "kern/vec_avx2.h"

#define TILE_VECTORS 2

#include "kern/math_tmpl.h"

#include "kern/gemm_tmpl.h"

#include "kern/rows_tmpl.h"

#include "kern/attention_tmpl.h"

static void pack_f32(float *data, const void *w, enum dtype dtype, int n, int k, int panel_begin,
                     int panel_end)
{
    kern_pack(data, w, dtype, n, k, PANEL, panel_begin, panel_end, widen);
}

const struct kernels kern_avx2 = {
    .name = "avx2",
    .panel = PANEL,
    .pack_f32 = pack_f32,
    .gemm_f32 = gemm_f32,
    .attention_f32 = attention_f32,
    .layer_norm = layer_norm,
    .softmax = softmax,
    .widen = widen,
    .add_widened = add_widened,
};
