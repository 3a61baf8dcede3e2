/* Prior boxes; see models/box/priors.h. */
#include "models/box/priors.h"

#include <math.h>

int spot_priors_count(const struct spot_prior_level *levels, int n_levels) {
    int count = 0;
    for (int i = 0; i < n_levels; i++)
        count += levels[i].map * levels[i].map * (1 + levels[i].n_ratios);
    return count;
}

static float clamp(double value) {
    return (float)fmin(fmax(value, 0), 1);
}

static float *put(float *row, double cx, double cy, double size, double ratio) {
    row[0] = clamp(cx);
    row[1] = clamp(cy);
    row[2] = clamp(size * sqrt(ratio));
    row[3] = clamp(size / sqrt(ratio));
    return row + 4;
}

static float *fill_cell(const struct spot_prior_level *level, int side, int y, int x, float *row) {
    double cx = (x + 0.5) * level->stride / side, cy = (y + 0.5) * level->stride / side;
    double min = level->min_size / side, max = level->max_size / side;
    row = put(row, cx, cy, sqrt(min * max), level->max_ratio);
    for (int r = 0; r < level->n_ratios; r++)
        row = put(row, cx, cy, min, level->ratio[r]);
    return row;
}

void spot_priors_fill(const struct spot_prior_level *levels, int n_levels, int side,
                      float *priors) {
    for (int i = 0; i < n_levels; i++)
        for (int y = 0; y < levels[i].map; y++)
            for (int x = 0; x < levels[i].map; x++)
                priors = fill_cell(&levels[i], side, y, x, priors);
}
