/* What the kernels share that decode head maps; the scalar form is core/ops/head.h. */
#ifndef SPOT_CUDA_HEAD_CUH
#define SPOT_CUDA_HEAD_CUH

#include "cuda/topk.cuh"

static __device__ inline float spot_sigmoid(float x) {
    return 1 / (1 + expf(-x));
}

/*
 * The class with the highest logit, the lowest on a tie; logits are neighbours. A NaN never wins,
 * but in the first place it is never beaten.
 */
template <typename T> static __device__ inline int spot_best_class(const T *logits, int classes) {
    int best = 0;
    float highest = spot_get(logits);
    for (int c = 1; c < classes; c++) {
        float logit = spot_get(logits + c);
        if (logit > highest) {
            highest = logit;
            best = c;
        }
    }
    return best;
}

/* The cells of a list of levels, numbered by level, then row, then column. */
struct spot_cell {
    int level, y, x;
};

static inline int spot_level_cells(const struct spot_cuda_map *level, int n_levels) {
    int cells = 0;
    for (int i = 0; i < n_levels; i++)
        cells += level[i].height * level[i].width;
    return cells;
}

static __device__ inline struct spot_cell spot_find_cell(const struct spot_cuda_map *level,
                                                         int n_levels, int number) {
    int i = 0;
    while (i < n_levels - 1 && number >= level[i].height * level[i].width) {
        number -= level[i].height * level[i].width;
        i++;
    }
    struct spot_cell cell = {i, number / level[i].width, number % level[i].width};
    return cell;
}

/* Whether all levels are valid, of one type and for as many pictures; for launchers. */
static inline bool spot_levels_valid(const struct spot_cuda_map *level, int n_levels) {
    for (int i = 0; i < n_levels; i++)
        if (!spot_map_valid(&level[i]) || level[i].dtype != level[0].dtype ||
            level[i].pictures != level[0].pictures)
            return false;
    return n_levels >= 1;
}

#endif
