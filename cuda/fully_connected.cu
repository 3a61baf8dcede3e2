/*
 * Fully connected layer: out[n,o] = act(bias[o] + sum over k of weight[o,k] * in[n,k]).
 *
 *   in [N,K] is a map's memory, K = H*W*(C padded); weight [O,K] in the same order, zero where in
 *   is padding; out [N,O padded]
 *
 * A block computes a tile of 64 x 64 outputs. It brings 16 columns of K of both matrices to shared
 * memory at a time, in vectors, where each of 256 threads multiplies 4 rows by 4 columns, so that
 * an element loaded once serves 64 products. k runs in one order for every output and every N;
 * cuBLAS chooses by N, and a picture's result would depend on what shares its batch.
 */
#include "cuda/activation.cuh"

enum { TILE = 64, DEPTH = 16, SIDE = 4 };

/*
 * Copies rows [first, first+TILE) of a [rows,length] matrix, columns [k0, k0+DEPTH), to a tile.
 * length is a multiple of SPOT_CUDA_CHANNELS, so a vector is wholly inside or outside.
 */
template <typename T>
static __device__ inline void load_tile(const T *matrix, int rows, size_t length, int first,
                                        size_t k0, float (&tile)[DEPTH][TILE + 1]) {
    constexpr int lanes = spot_lanes<T>;
    for (int i = (int)threadIdx.x * lanes; i < TILE * DEPTH; i += SPOT_THREADS * lanes) {
        int row = i / DEPTH, k = i % DEPTH;
        float v[lanes] = {};
        if (first + row < rows && k0 + (size_t)k < length)
            spot_load(matrix + (size_t)(first + row) * length + k0 + (size_t)k, v);
#pragma unroll
        for (int l = 0; l < lanes; l++)
            tile[k + l][row] = v[l];
    }
}

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS)
    fully_connected(const __grid_constant__ struct spot_cuda_fully_connected p) {
    SPOT_BLOCK_SHARED(float[DEPTH][TILE + 1], in);
    SPOT_BLOCK_SHARED(float[DEPTH][TILE + 1], weight);
    size_t length = (size_t)p.in.height * (size_t)p.in.width * (size_t)p.in.pitch;
    int n0 = (int)blockIdx.y * TILE, o0 = (int)blockIdx.x * TILE;
    int row = (int)threadIdx.x / (TILE / SIDE), column = (int)threadIdx.x % (TILE / SIDE);
    float sum[SIDE][SIDE] = {};
    for (size_t k0 = 0; k0 < length; k0 += DEPTH) {
        load_tile((const T *)p.in.data, p.in.pictures, length, n0, k0, in);
        load_tile((const T *)p.weight, p.out.channels, length, o0, k0, weight);
        __syncthreads();
#pragma unroll
        for (int k = 0; k < DEPTH; k++) {
#pragma unroll
            for (int i = 0; i < SIDE; i++)
#pragma unroll
                for (int j = 0; j < SIDE; j++)
                    sum[i][j] = fmaf(weight[k][column + j * (TILE / SIDE)],
                                     in[k][row + i * (TILE / SIDE)], sum[i][j]);
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < SIDE; i++) {
#pragma unroll
        for (int j = 0; j < SIDE; j++) {
            int n = n0 + row + i * (TILE / SIDE), o = o0 + column + j * (TILE / SIDE);
            if (n >= p.out.pictures || o >= spot_padded(p.out))
                continue;
            float v = 0; /* in the padding */
            if (o < p.out.channels) {
                v = sum[i][j] + (p.bias != NULL ? p.bias[o] : 0);
                v = spot_activate_one(p.attrs.activation, v);
            }
            spot_put(spot_pixel<T>(p.out, n, 0, 0) + o, v);
        }
    }
}

cudaError_t spot_cuda_fully_connected(const struct spot_cuda_fully_connected *p,
                                      cudaStream_t stream) {
    if (!spot_map_valid(&p->in) || !spot_map_valid(&p->out) || p->in.dtype != p->out.dtype ||
        p->in.pictures != p->out.pictures || p->out.height != 1 || p->out.width != 1 ||
        p->in.pitch != spot_cuda_padded(p->in.channels) || p->weight == NULL ||
        p->in.pictures > 65535 * TILE)
        return cudaErrorInvalidValue;
    dim3 blocks((unsigned)((p->out.channels - 1) / TILE + 1),
                (unsigned)((p->out.pictures - 1) / TILE + 1));
    return spot_launch(p->out.dtype == SPOT_F16 ? fully_connected<__half> : fully_connected<float>,
                       blocks, SPOT_THREADS, stream, *p);
}
