/* Where the time of a forward pass goes, by kind of stage, and how much is computed: for `linnet bench`.
 *
 * A stage is one team_run() of the encoder's walk. Its time is wall-clock time on the calling thread, from
 * before the team starts until all of it is done; what lies between stages is counted nowhere.
 */
#ifndef LINNET_MODEL_STAGES_H
#define LINNET_MODEL_STAGES_H

#include <stdint.h>

enum stage {
    STAGE_GEMM,      /* products with weight matrices, and what is fused into them */
    STAGE_ATTENTION, /* scores, softmax and weighted sums, item by item */
    STAGE_ROWS,      /* row by row: embeddings, norms, quantising */
    STAGE_COUNT
};

/* Sums since the caller zeroed them. Threads: written by model_run() only, on its caller's thread. */
struct stage_times {
    uint64_t ns[STAGE_COUNT];
    uint64_t operations[STAGE_COUNT]; /* multiplications and additions of the products; none of STAGE_ROWS */
};

#endif
