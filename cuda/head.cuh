/* What the kernels share that decode head maps; the scalar form is core/ops/head.h. */
#ifndef SPOT_CUDA_HEAD_CUH
#define SPOT_CUDA_HEAD_CUH

#include "cuda/topk.cuh"

static __device__ inline float spot_sigmoid(float x) {
    return 1 / (1 + expf(-x));
}

/*
 * The class with the highest logit, the lowest on a tie; the logits begin `first` elements into a
 * pixel. A NaN never wins, but in the first place it is never beaten. Loads whole vectors: pixels
 * begin and end at 16 bytes.
 */
template <typename T>
static __device__ inline int spot_best_class(const T *pixel, int first, int classes) {
    constexpr int lanes = spot_lanes<T>;
    int best = 0;
    float highest = spot_get(pixel + first);
    for (int at = first / lanes * lanes; at < first + classes; at += lanes) {
        float logit[lanes];
        spot_load(pixel + at, logit);
#pragma unroll
        for (int l = 0; l < lanes; l++) {
            int c = at + l - first;
            if (c > 0 && c < classes && logit[l] > highest) {
                highest = logit[l];
                best = c;
            }
        }
    }
    return best;
}

/* The cells of a list of levels, numbered by level, then row, then column. */
struct spot_cell {
    int level, y, x;
};

static inline int spot_level_cells(const struct spot_cuda_levels *levels) {
    int cells = 0;
    for (int i = 0; i < levels->count; i++)
        cells += levels->map[i].height * levels->map[i].width;
    return cells;
}

static __device__ inline struct spot_cell spot_find_cell(const struct spot_cuda_levels &levels,
                                                         int number) {
    int i = 0;
    while (i < levels.count - 1 && number >= levels.map[i].height * levels.map[i].width) {
        number -= levels.map[i].height * levels.map[i].width;
        i++;
    }
    int width = levels.map[i].width;
    struct spot_cell cell = {i, number / width, number % width};
    return cell;
}

/* Whether all levels are valid, of one type and for as many pictures; for launchers. */
static inline bool spot_levels_valid(const struct spot_cuda_levels *levels, int count_max) {
    for (int i = 0; i < levels->count && i < count_max; i++)
        if (!spot_map_valid(&levels->map[i]) || levels->map[i].dtype != levels->map[0].dtype ||
            levels->map[i].pictures != levels->map[0].pictures)
            return false;
    return levels->count >= 1 && levels->count <= count_max;
}

#endif
