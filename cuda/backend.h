/*
 * The CUDA backend "cuda": a plug-in, so that a machine without CUDA needs no NVIDIA library. It is
 * a shared object with one entry point; what it is opened with is said in cuda/gpu.h.
 */
#ifndef SPOT_CUDA_BACKEND_H
#define SPOT_CUDA_BACKEND_H

#include "core/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

const struct spot_backend *spot_backend_entry(void);

#ifdef __cplusplus
}
#endif
#endif
