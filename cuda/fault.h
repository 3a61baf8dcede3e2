/* What the CUDA runtime reports, as this project's errors. */
#ifndef SPOT_CUDA_FAULT_H
#define SPOT_CUDA_FAULT_H

#include <cuda_runtime_api.h>

#include "core/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * SPOT_OK for cudaSuccess, SPOT_NO_MEMORY when the GPU's memory is short, else SPOT_DEVICE with
 * "cuda: <what>: <CUDA's text>".
 */
enum spot_status spot_cuda_status(cudaError_t result, const char *what, struct spot_error *error);

/* Memory of the current GPU, or of the host for copies to and from it; 0 bytes give NULL. */
enum spot_status spot_cuda_alloc(size_t bytes, const char *what, void **memory,
                                 struct spot_error *error);
enum spot_status spot_cuda_alloc_pinned(size_t bytes, const char *what, void **memory,
                                        struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif
