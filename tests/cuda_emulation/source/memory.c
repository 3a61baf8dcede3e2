/* The runtime calls that the harness makes, when device memory is host memory. */
#include <cuda_runtime_api.h>

#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 256 }; /* as cudaMalloc */

cudaError_t cudaMalloc(void **memory, size_t bytes) {
    return posix_memalign(memory, ALIGNMENT, bytes) == 0 ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaFree(void *memory) {
    free(memory);
    return cudaSuccess;
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind) {
    (void)kind;
    memcpy(to, from, bytes);
    return cudaSuccess;
}
