/*
 * Between dense float32 [N,C,H,W], as graphs have it at their borders, and maps [N,H,W,C padded];
 * and between maps of different element types.
 *
 * Both orders cannot be contiguous at once, so a block takes a tile of 32 channels x 32 pixels of
 * one picture through shared memory: its loads and its stores both run along 32 neighbours. The
 * tile's row has 33 elements so that a column lies in 32 different banks.
 */
#include "cuda/device.cuh"

enum { TILE = 32, TILE_ROWS = SPOT_THREADS / TILE };

/* blockIdx.x: tile of pixels, blockIdx.y: tile of channels, blockIdx.z: picture. */
template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS)
    to_map(const __grid_constant__ struct spot_cuda_layout p) {
    SPOT_BLOCK_SHARED(float[TILE][TILE + 1], tile); /* [channel][pixel] */
    int plane = p.map.height * p.map.width, n = (int)blockIdx.z;
    int pixel0 = (int)blockIdx.x * TILE, channel0 = (int)blockIdx.y * TILE;
    int column = (int)threadIdx.x % TILE, row0 = (int)threadIdx.x / TILE;
    for (int row = row0; row < TILE; row += TILE_ROWS) {
        int c = channel0 + row, pixel = pixel0 + column;
        bool inside = c < p.map.channels && pixel < plane;
        size_t from = ((size_t)n * (size_t)p.map.channels + (size_t)c) * (size_t)plane;
        tile[row][column] = inside ? p.dense[from + (size_t)pixel] : 0;
    }
    __syncthreads();
    int padded = spot_padded(p.map);
    for (int row = row0; row < TILE; row += TILE_ROWS) {
        int c = channel0 + column, pixel = pixel0 + row;
        if (c < padded && pixel < plane)
            spot_put(spot_pixel<T>(p.map, n, 0, 0) + (size_t)pixel * (size_t)p.map.pitch + c,
                     tile[column][row]);
    }
}

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS)
    from_map(const __grid_constant__ struct spot_cuda_layout p) {
    SPOT_BLOCK_SHARED(float[TILE][TILE + 1], tile); /* [pixel][channel] */
    int plane = p.map.height * p.map.width, n = (int)blockIdx.z;
    int pixel0 = (int)blockIdx.x * TILE, channel0 = (int)blockIdx.y * TILE;
    int column = (int)threadIdx.x % TILE, row0 = (int)threadIdx.x / TILE;
    for (int row = row0; row < TILE; row += TILE_ROWS) {
        int c = channel0 + column, pixel = pixel0 + row;
        if (c < p.map.channels && pixel < plane)
            tile[row][column] = spot_get(spot_pixel<const T>(p.map, n, 0, 0) +
                                         (size_t)pixel * (size_t)p.map.pitch + c);
    }
    __syncthreads();
    for (int row = row0; row < TILE; row += TILE_ROWS) {
        int c = channel0 + row, pixel = pixel0 + column;
        size_t to = ((size_t)n * (size_t)p.map.channels + (size_t)c) * (size_t)plane;
        if (c < p.map.channels && pixel < plane)
            p.dense[to + (size_t)pixel] = tile[column][row];
    }
}

static bool tiles(const struct spot_cuda_layout *p, dim3 *blocks) {
    if (p->dense == NULL || !spot_map_valid(&p->map) || spot_map_pixels(&p->map) > INT_MAX ||
        p->map.pictures > 65535)
        return false;
    int plane = p->map.height * p->map.width;
    *blocks = dim3((unsigned)((plane - 1) / TILE + 1), (unsigned)((p->map.channels - 1) / TILE + 1),
                   (unsigned)p->map.pictures);
    return true;
}

cudaError_t spot_cuda_to_map(const struct spot_cuda_layout *p, cudaStream_t stream) {
    dim3 blocks;
    if (!tiles(p, &blocks))
        return cudaErrorInvalidValue;
    return spot_launch(p->map.dtype == SPOT_F16 ? to_map<__half> : to_map<float>, blocks,
                       SPOT_THREADS, stream, *p);
}

cudaError_t spot_cuda_from_map(const struct spot_cuda_layout *p, cudaStream_t stream) {
    dim3 blocks;
    if (!tiles(p, &blocks))
        return cudaErrorInvalidValue;
    return spot_launch(p->map.dtype == SPOT_F16 ? from_map<__half> : from_map<float>, blocks,
                       SPOT_THREADS, stream, *p);
}

/* Four elements a thread, 16 bytes of one side and 8 of the other. */
enum { QUAD = 4 };

static __device__ void load_quad(const struct spot_cuda_map &map, size_t at, float (&v)[QUAD]) {
    if (map.dtype == SPOT_F32) {
        spot_load((const float *)map.data + at, v);
        return;
    }
    uint2 raw = *reinterpret_cast<const uint2 *>((const __half *)map.data + at);
    spot_unpack(raw.x, v);
    spot_unpack(raw.y, v + 2);
}

static __device__ void store_quad(const struct spot_cuda_map &map, size_t at,
                                  const float (&v)[QUAD]) {
    if (map.dtype == SPOT_F32) {
        spot_store((float *)map.data + at, v);
        return;
    }
    *reinterpret_cast<uint2 *>((__half *)map.data + at) =
        make_uint2(spot_pack(v), spot_pack(v + 2));
}

static __global__ void __launch_bounds__(SPOT_THREADS)
    convert_map(const __grid_constant__ struct spot_cuda_convert p) {
    struct spot_place at;
    if (!spot_find_place<float>(p.out, &at))
        return;
    float v[QUAD];
    load_quad(p.in, spot_offset(p.in, at.n, at.y, at.x) + (size_t)at.c, v);
    store_quad(p.out, spot_offset(p.out, at.n, at.y, at.x) + (size_t)at.c, v);
}

cudaError_t spot_cuda_convert(const struct spot_cuda_convert *p, cudaStream_t stream) {
    struct spot_cuda_map in = p->in;
    in.dtype = p->out.dtype;
    if (!spot_map_valid(&p->in) || !spot_maps_equal(&in, &p->out))
        return cudaErrorInvalidValue;
    int64_t quads = spot_map_pixels(&p->out) * (spot_cuda_padded(p->out.channels) / QUAD);
    return spot_launch_items(convert_map, quads, stream, *p);
}
