/*
 * Softmax of rows x [rows,length]: y[k] = exp(x[k] - max) / sum over j of exp(x[j] - max).
 *
 * A warp a row: rows are short (classes of a detector), so 32 lanes take the elements in turns and
 * meet in two butterflies of shuffles, whose order of additions is fixed. The exponentials are
 * computed twice rather than stored.
 */
#include "cuda/device.cuh"

static __device__ float warp_max(float v) {
    for (int distance = SPOT_WARP / 2; distance > 0; distance /= 2)
        v = fmaxf(v, __shfl_xor_sync(0xffffffffU, v, distance));
    return v;
}

static __device__ float warp_sum(float v) {
    for (int distance = SPOT_WARP / 2; distance > 0; distance /= 2)
        v += __shfl_xor_sync(0xffffffffU, v, distance);
    return v;
}

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS)
    softmax(const __grid_constant__ struct spot_cuda_softmax p) {
    int row = spot_item() / SPOT_WARP, lane = spot_item() % SPOT_WARP;
    if (row >= p.rows) /* the whole warp */
        return;
    size_t base = (size_t)(row / p.inner) * p.outer_pitch + (size_t)(row % p.inner) * p.inner_pitch;
    const T *x = (const T *)p.in + base;
    T *y = (T *)p.out + base;
    float max = -INFINITY, sum = 0;
    for (int k = lane; k < p.length; k += SPOT_WARP)
        max = fmaxf(max, spot_get(x + (size_t)k * p.step));
    max = warp_max(max);
    for (int k = lane; k < p.length; k += SPOT_WARP)
        sum += expf(spot_get(x + (size_t)k * p.step) - max);
    sum = warp_sum(sum);
    for (int k = lane; k < p.length; k += SPOT_WARP)
        spot_put(y + (size_t)k * p.step, expf(spot_get(x + (size_t)k * p.step) - max) / sum);
}

cudaError_t spot_cuda_softmax(const struct spot_cuda_softmax *p, cudaStream_t stream) {
    if (p->in == NULL || p->out == NULL || p->rows < 1 || p->length < 1 || p->inner < 1 ||
        (p->dtype != SPOT_F32 && p->dtype != SPOT_F16))
        return cudaErrorInvalidValue;
    return spot_launch_items(p->dtype == SPOT_F16 ? softmax<__half> : softmax<float>,
                             (int64_t)p->rows * SPOT_WARP, stream, *p);
}
