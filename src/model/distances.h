/* What attention knows of positions and distances, computed once when a model is loaded.
 *
 * Sources: Su et al. 2021 (rotary position embedding); Raffel et al. 2020 (buckets of distances:
 * transformers' MPNetEncoder.relative_position_bucket); He et al. 2021 (logarithmic buckets: transformers'
 * make_log_bucket_position of DeBERTa-v2). All are rounded to float32 where transformers rounds, for a bucket
 * is a step: one rounding apart is another weight.
 */
#ifndef LINNET_MODEL_DISTANCES_H
#define LINNET_MODEL_DISTANCES_H

#include <stdbool.h>

/* turns[rows][head_size]: of each position the cosines and sines that kern.h's rotate() wants. */
void distances_turns(float *turns, int rows, int head_size, float theta);

/* Buckets of MPNet's relative attention bias, whose number transformers fixes. */
enum { DISTANCES_BIAS_BUCKETS = 32 };

/* Which of them a key has that stands `distance` tokens after the query. */
int distances_bias_bucket(int distance);

/* DeBERTa's relative embeddings: 2 * span rows, of distances from -span to span, exact or with logarithmic
 * buckets, which reach span at max_distance. */
struct distance_buckets {
    int span;
    bool logarithmic;
    int max_distance;
};

/* The embedding's row of a key that stands `distance` tokens after the query. Falls with the distance. */
int distances_embedding_row(const struct distance_buckets *buckets, int distance);

#endif
