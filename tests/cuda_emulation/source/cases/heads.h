/* What cases of decoders share: settings rows, maps with ties and values that are no numbers. */
#ifndef SPOT_TESTS_CUDA_EMULATION_CASES_HEADS_H
#define SPOT_TESTS_CUDA_EMULATION_CASES_HEADS_H

#include <math.h>

#include "core/candidates.h"
#include "core/settings.h"
#include "tests/cuda_emulation/source/harness.h"
#include "tests/support/random.h"

/* Rows for pictures of different sizes and thresholds about `confidence`. */
static inline struct spot_tensor make_settings(struct kernel_test *t, int pictures,
                                               float confidence) {
    struct spot_tensor settings = kernel_tensor(t, spot_shape2(pictures, SPOT_SETTINGS));
    float *s = settings.data;
    for (int n = 0; n < pictures; n++, s += SPOT_SETTINGS) {
        s[SPOT_SET_CONFIDENCE] = confidence + 0.05F * (float)n;
        s[SPOT_SET_IOU] = 0.5F;
        s[SPOT_SET_PICTURE_W] = 640 + 31 * (float)n;
        s[SPOT_SET_PICTURE_H] = 480 - 17 * (float)n;
        s[SPOT_SET_RESIZED_W] = 60 - 3 * (float)n;
        s[SPOT_SET_RESIZED_H] = 50 - 2 * (float)n;
        s[SPOT_SET_PAD_X] = (float)n;
        s[SPOT_SET_PAD_Y] = 7 - (float)n;
        s[SPOT_SET_SCALE_X] = 0.5F + 0.125F * (float)n;
        s[SPOT_SET_SCALE_Y] = 0.625F + 0.125F * (float)n;
    }
    return settings;
}

/* Random multiples of a half in -low .. high, so that scores tie, and a few that are no numbers. */
static inline struct spot_tensor make_head(struct kernel_test *t, struct spot_shape shape,
                                           float low, float high) {
    struct spot_tensor head = kernel_tensor(t, shape);
    float *values = head.data;
    size_t count = spot_shape_elements(&shape);
    for (size_t i = 0; i < count; i++)
        values[i] = rintf(2 * test_uniform(&t->random, low, high)) / 2;
    if (count > 40) {
        values[0] = NAN;
        values[count / 3] = INFINITY;
        values[count / 2] = -INFINITY;
        values[count - 5] = NAN;
        values[count - 9] = 60000; /* overflows exp */
    }
    return head;
}

#endif
