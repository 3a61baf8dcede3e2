/* Errors and memory of the CUDA runtime; see cuda/fault.h. */
#include "cuda/fault.h"

enum spot_status spot_cuda_status(cudaError_t result, const char *what, struct spot_error *error) {
    if (result == cudaSuccess)
        return SPOT_OK;
    return spot_fail(error, result == cudaErrorMemoryAllocation ? SPOT_NO_MEMORY : SPOT_DEVICE,
                     "cuda: %s: %s", what, cudaGetErrorString(result));
}

static enum spot_status check_allocation(cudaError_t result, size_t bytes, const char *what,
                                         struct spot_error *error) {
    if (result == cudaErrorMemoryAllocation) {
        (void)cudaGetLastError(); /* it is not sticky, and is dealt with here */
        return spot_fail(error, SPOT_NO_MEMORY, "cuda: no memory for %s: %zu MiB are needed", what,
                         bytes / 1048576 + 1);
    }
    return spot_cuda_status(result, what, error);
}

enum spot_status spot_cuda_alloc(size_t bytes, const char *what, void **memory,
                                 struct spot_error *error) {
    *memory = NULL;
    return bytes == 0 ? SPOT_OK : check_allocation(cudaMalloc(memory, bytes), bytes, what, error);
}

enum spot_status spot_cuda_alloc_pinned(size_t bytes, const char *what, void **memory,
                                        struct spot_error *error) {
    *memory = NULL;
    return bytes == 0 ? SPOT_OK
                      : check_allocation(cudaMallocHost(memory, bytes), bytes, what, error);
}
