/*
 * From 8-bit pictures to the network's input [N,height,width,3 padded], resized, placed and
 * normalised: out[c] = (v - mean[c]) * scale[c].
 *
 * The arithmetic is that of core/ops/preprocess.c to the last bit, in float and in OpenCV's fixed
 * point. Coordinates are doubles, which most GPUs are slow at, so a block of 32 x 8 output pixels
 * computes the taps of its columns and rows once into shared memory; then one pixel a thread.
 */
#include "cuda/device.cuh"

enum { TILE_W = 32, TILE_H = SPOT_THREADS / TILE_W };

/* Two source indices on one axis and how much of each: float fractions or whole 1/2048. */
struct tap {
    int low, high;
    float fraction;              /* of high */
    int weight_low, weight_high; /* fixed point */
};

/* spot_resize_tap of core/ops/resize.c. */
static __device__ struct tap float_tap(int index, int out_size, int in_size) {
    double at = ((double)index + 0.5) * ((double)in_size / (double)out_size) - 0.5;
    double floor_at = floor(at);
    struct tap tap = {(int)floor_at, (int)floor_at + 1, (float)(at - floor_at), 0, 0};
    tap.low = max(tap.low, 0);
    tap.high = min(tap.high, in_size - 1);
    return tap;
}

/* spot_fixed_tap of core/ops/preprocess.c. */
static __device__ struct tap fixed_tap(int index, int out_size, int in_size, bool horizontal) {
    double scale = 1.0 / ((double)out_size / in_size);
    float at = (float)((index + 0.5) * scale - 0.5);
    int low = (int)floorf(at);
    float fraction = at - (float)low;
    if (horizontal && (low < 0 || low >= in_size - 1)) {
        low = low < 0 ? 0 : in_size - 1;
        fraction = 0;
    }
    int high = min(low + 1, in_size - 1);
    struct tap tap = {min(max(low, 0), in_size - 1), max(high, 0), fraction,
                      (int)rintf((1 - fraction) * 2048), (int)rintf(fraction * 2048)};
    return tap;
}

/* A tap's places in a picture of which only the taps are there (cuda/picture.h). */
static __device__ struct tap placed(struct tap tap, int index, bool packed) {
    if (packed) {
        tap.low = 2 * index;
        tap.high = 2 * index + 1;
    }
    return tap;
}

/* One picture and where it lies in the network input. */
struct source {
    struct spot_cuda_picture picture;
    int left, top, width, height; /* network pixels; the size after resizing */
};

static __device__ struct source find_source(const struct spot_cuda_preprocess &p, int n) {
    const float *s = p.settings + (size_t)n * SPOT_SETTINGS;
    struct source source = {p.pictures[n], (int)s[SPOT_SET_PAD_X], (int)s[SPOT_SET_PAD_Y],
                            (int)s[SPOT_SET_RESIZED_W], (int)s[SPOT_SET_RESIZED_H]};
    return source;
}

static __device__ int channel(const struct spot_picture &picture, int y, int x, int c) {
    return picture.pixels[(size_t)y * picture.stride + 3 * (size_t)x + (size_t)c];
}

static __device__ float sample_float(const struct spot_picture &p, const struct tap &row,
                                     const struct tap &column, int c) {
    float top = (float)channel(p, row.low, column.low, c) * (1 - column.fraction) +
                (float)channel(p, row.low, column.high, c) * column.fraction;
    float bottom = (float)channel(p, row.high, column.low, c) * (1 - column.fraction) +
                   (float)channel(p, row.high, column.high, c) * column.fraction;
    return top * (1 - row.fraction) + bottom * row.fraction;
}

/* x and y are network pixels from the picture's corner. */
static __device__ float sample_fixed(const struct source &s, const struct tap &row,
                                     const struct tap &column, int y, int x, int c) {
    const struct spot_picture &p = s.picture.source;
    if (p.width == s.width && p.height == s.height)
        return (float)channel(p, y, x, c);
    if (p.width == 2 * s.width && p.height == 2 * s.height)
        return (float)((channel(p, 2 * y, 2 * x, c) + channel(p, 2 * y, 2 * x + 1, c) +
                        channel(p, 2 * y + 1, 2 * x, c) + channel(p, 2 * y + 1, 2 * x + 1, c) +
                        2) >>
                       2);
    int low = channel(p, row.low, column.low, c) * column.weight_low +
              channel(p, row.low, column.high, c) * column.weight_high;
    int high = channel(p, row.high, column.low, c) * column.weight_low +
               channel(p, row.high, column.high, c) * column.weight_high;
    return (float)((((row.weight_low * (low >> 4)) >> 16) +
                    ((row.weight_high * (high >> 4)) >> 16) + 2) >>
                   2);
}

/* blockIdx: tile column, tile row, picture. */
template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS)
    preprocess(const __grid_constant__ struct spot_cuda_preprocess p) {
    SPOT_BLOCK_SHARED(struct tap[TILE_W], columns);
    SPOT_BLOCK_SHARED(struct tap[TILE_H], rows);
    constexpr int lanes = spot_lanes<T>;
    bool fixed = p.attrs.arithmetic == SPOT_PREPROCESS_FIXED;
    int thread = (int)threadIdx.x, n = (int)blockIdx.z;
    struct source s = find_source(p, n);
    const struct spot_picture &picture = s.picture.source;
    int x0 = (int)blockIdx.x * TILE_W, y0 = (int)blockIdx.y * TILE_H;
    if (thread < TILE_W) {
        int index = x0 + thread - s.left;
        struct tap tap = fixed ? fixed_tap(index, s.width, picture.width, true)
                               : float_tap(index, s.width, picture.width);
        columns[thread] = placed(tap, index, s.picture.packed_columns);
    } else if (thread < TILE_W + TILE_H) {
        int row = thread - TILE_W, index = y0 + row - s.top;
        struct tap tap = fixed ? fixed_tap(index, s.height, picture.height, false)
                               : float_tap(index, s.height, picture.height);
        rows[row] = placed(tap, index, s.picture.packed_rows);
    }
    __syncthreads();
    int x = x0 + thread % TILE_W, y = y0 + thread / TILE_W;
    if (x >= p.out.width || y >= p.out.height)
        return;
    const struct tap &column = columns[thread % TILE_W], &row = rows[thread / TILE_W];
    bool inside = x >= s.left && x < s.left + s.width && y >= s.top && y < s.top + s.height;
    float v[lanes] = {};
#pragma unroll
    for (int plane = 0; plane < 3; plane++) {
        int c = p.attrs.bgr ? 2 - plane : plane;
        v[plane] = p.attrs.pad[plane];
        if (inside)
            v[plane] = fixed ? sample_fixed(s, row, column, y - s.top, x - s.left, c)
                             : sample_float(picture, row, column, c);
        v[plane] = (v[plane] - p.attrs.mean[plane]) * p.attrs.scale[plane];
    }
    struct spot_place at = {n, y, x, 0};
    spot_store_at<T>(p.out, at, v);
    float zeros[lanes] = {};
    for (at.c = lanes; at.c < SPOT_CUDA_CHANNELS; at.c += lanes)
        spot_store_at<T>(p.out, at, zeros);
}

cudaError_t spot_cuda_preprocess(const struct spot_cuda_preprocess *p, cudaStream_t stream) {
    if (p->pictures == NULL || p->settings == NULL || !spot_map_valid(&p->out) ||
        p->out.channels != 3 || p->out.height != p->attrs.height ||
        p->out.width != p->attrs.width || p->out.pictures > 65535)
        return cudaErrorInvalidValue;
    dim3 blocks((unsigned)((p->out.width - 1) / TILE_W + 1),
                (unsigned)((p->out.height - 1) / TILE_H + 1), (unsigned)p->out.pictures);
    return spot_launch(p->out.dtype == SPOT_F16 ? preprocess<__half> : preprocess<float>, blocks,
                       SPOT_THREADS, stream, *p);
}
