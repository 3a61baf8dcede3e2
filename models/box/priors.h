/*
 * Prior boxes of single-shot detectors: for every cell of every level one box from the geometric
 * mean of its two sizes, then one for each aspect ratio (Liu et al., "SSD", 2016, section 2.2, with
 * the boxes and order of RFSong).
 *
 *   centre = (x + 0.5, y + 0.5) * stride / side
 *   prior 0:     w = sqrt(min*max) * sqrt(max_ratio), h = sqrt(min*max) / sqrt(max_ratio)
 *   prior 1 + r: w = min * sqrt(ratio[r]),            h = min / sqrt(ratio[r])
 *
 * as fractions of the input's side. Each of the four numbers is clamped to 0..1.
 */
#ifndef SPOT_MODELS_BOX_PRIORS_H
#define SPOT_MODELS_BOX_PRIORS_H

#ifdef __cplusplus
extern "C" {
#endif

enum { SPOT_PRIOR_RATIOS_MAX = 7 };

struct spot_prior_level {
    int map;                             /* cells on each side of the square map */
    double stride, min_size, max_size;   /* input pixels */
    double max_ratio;                    /* aspect ratio of prior 0 */
    int n_ratios;                        /* priors of a cell, less 1 */
    double ratio[SPOT_PRIOR_RATIOS_MAX]; /* width / height */
};

/* The number of priors of all levels. */
int spot_priors_count(const struct spot_prior_level *levels, int n_levels);

/*
 * Fills priors [spot_priors_count,4] with cx, cy, w, h, by level, row, column, then place in the
 * cell, for a square input of `side` pixels. Computed in double and rounded once.
 */
void spot_priors_fill(const struct spot_prior_level *levels, int n_levels, int side, float *priors);

#ifdef __cplusplus
}
#endif
#endif
