/* What the operators share that decode the head maps of one-stage detectors. */
#ifndef SPOT_CORE_OPS_HEAD_H
#define SPOT_CORE_OPS_HEAD_H

#include <math.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

static inline float spot_sigmoid(float x) {
    return 1 / (1 + expf(-x));
}

/* The class with the highest logit, the lowest on a tie; the logits lie `step` floats apart. */
static inline int spot_best_class(const float *logits, size_t step, int classes) {
    int best = 0;
    for (int c = 1; c < classes; c++)
        if (logits[(size_t)c * step] > logits[(size_t)best * step])
            best = c;
    return best;
}

#ifdef __cplusplus
}
#endif
#endif
