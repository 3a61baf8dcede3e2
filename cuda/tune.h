/*
 * Timing what a program computes in one way or another, once, on the GPU that it is for. The
 * choices are remembered in the cache of plans, so a machine makes them once.
 */
#ifndef SPOT_CUDA_TUNE_H
#define SPOT_CUDA_TUNE_H

#include "cuda/program.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Lets every step choose (spot_cuda_operator.tune), on memory as a lane has it. */
enum spot_status spot_cuda_tune(struct spot_cuda_program *program, struct spot_error *error);

/* For steps: the milliseconds that one launch takes, in the middle of several. */
enum spot_status spot_cuda_time(enum spot_status (*launch)(const struct spot_cuda_step *step,
                                                           const struct spot_cuda_run *run,
                                                           struct spot_error *error),
                                const struct spot_cuda_step *step, const struct spot_cuda_run *run,
                                float *milliseconds, struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif
