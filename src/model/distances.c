#include "model/distances.h"

#include <math.h>
#include <stdlib.h>

void distances_turns(float *turns, int rows, int head_size, float theta)
{
    int half = head_size / 2;
    for (int i = 0; i < half; i++) {
        float power = (float)pow((double)theta, (double)((float)(2 * i) / (float)head_size));
        float frequency = 1.0f / power;
        for (int row = 0; row < rows; row++) {
            float *turn = turns + (size_t)row * (size_t)head_size;
            double angle = (double)((float)row * frequency);
            turn[i] = (float)cos(angle);
            turn[half + i] = (float)sin(angle);
        }
    }
}

static float log_of(float x)
{
    return (float)log((double)x);
}

int distances_bias_bucket(int distance)
{
    enum { HALF = DISTANCES_BIAS_BUCKETS / 2, EXACT = HALF / 2, FARTHEST = 128 };
    int size = abs(distance), bucket = size;
    if (size >= EXACT) {
        float share = log_of((float)size / EXACT) / (float)log((double)FARTHEST / EXACT);
        bucket = EXACT + (int)(share * (HALF - EXACT));
        if (bucket > HALF - 1)
            bucket = HALF - 1;
    }
    return distance > 0 ? HALF + bucket : bucket;
}

/* Of the query less the key. */
static int log_bucket(const struct distance_buckets *buckets, int distance)
{
    int middle = buckets->span / 2, size = abs(distance);
    if (size <= middle)
        return distance;
    float farthest = log_of((float)((double)(buckets->max_distance - 1) / middle));
    float share = log_of((float)size / (float)middle) / farthest;
    int bucket = (int)ceilf(share * (float)(middle - 1)) + middle;
    return distance < 0 ? -bucket : bucket;
}

int distances_embedding_row(const struct distance_buckets *buckets, int distance)
{
    int row = buckets->span + (buckets->logarithmic ? log_bucket(buckets, -distance) : -distance);
    int last = 2 * buckets->span - 1;
    return row < 0 ? 0 : row > last ? last : row;
}
