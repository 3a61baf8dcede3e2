/* Regions of every kind, for the two kernels that read them. */
#ifndef SPOT_TESTS_CUDA_EMULATION_CASES_ROIS_H
#define SPOT_TESTS_CUDA_EMULATION_CASES_ROIS_H

#include <math.h>

#include "core/roi.h"
#include "tests/cuda_emulation/source/harness.h"
#include "tests/support/random.h"

enum { ROIS_SPECIAL = 14 };

/*
 * Rows of which the first ROIS_SPECIAL are no regions, inverted, empty or outside, the rest random
 * about a picture of `side` network pixels; dtype-independent.
 */
static inline struct spot_tensor make_rois(struct kernel_test *t, int count, int images,
                                           float side) {
    static const float special[ROIS_SPECIAL][SPOT_ROI_FIELDS] = {
        {-1, -1, -1, -1, -1},
        {0, NAN, 0, 10, 10},
        {0, 0, 0, INFINITY, 10},
        {9, 0, 0, 10, 10},
        {0.5F, 0, 0, 10, 10},
        {0, 30, 30, 10, 10},
        {0, 10, 10, 10, 10},
        {1, -50, -50, -20, -20},
        {1, 5000, 5000, 6000, 6000},
        {0, -20, -10, 400, 300},
        {0, 0, 0, 0, 0},
        {1, 15.5F, 15.5F, 31.5F, 47.5F},
        {0, -1e7F, -1e7F, 1e7F, 1e7F},
        {0, 2e7F, 0, 3e7F, 10},
    };
    struct spot_tensor rois = kernel_tensor(t, spot_shape2(count, SPOT_ROI_FIELDS));
    float *row = rois.data;
    for (int r = 0; r < count; r++, row += SPOT_ROI_FIELDS) {
        for (int k = 0; k < SPOT_ROI_FIELDS && r < ROIS_SPECIAL; k++)
            row[k] = special[r][k];
        if (r < ROIS_SPECIAL)
            continue;
        row[0] = (float)(r % images);
        for (int k = 0; k < 2; k++) {
            row[1 + k] = test_uniform(&t->random, -10, side);
            row[3 + k] = row[1 + k] + test_uniform(&t->random, 0, side);
        }
    }
    return rois;
}

#endif
