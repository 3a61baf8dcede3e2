/*
 * What a network computes from the benchmark's input, for comparison with other programs: the file
 * behind `spotter bench --outputs`.
 */
#ifndef SPOT_SERVER_BENCH_OUTPUTS_H
#define SPOT_SERVER_BENCH_OUTPUTS_H

#include "server/bench.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Runs bench->request, which has a tensor, once and writes a safetensors file: the tensor as
 * "input" [1,3,H,W], and every raw output of the graph under its name, float32. SPOT_IO when the
 * file cannot be written, SPOT_NO_MEMORY, or what running reports. Nothing is kept.
 */
enum spot_status spot_bench_outputs_write(const struct spot_bench *bench, const char *path,
                                          struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif
