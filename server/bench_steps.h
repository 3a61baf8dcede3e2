/*
 * Where the time of a network goes: the measurement behind `spotter bench --steps`, and its table.
 */
#ifndef SPOT_SERVER_BENCH_STEPS_H
#define SPOT_SERVER_BENCH_STEPS_H

#include <jansson.h>

#include "server/bench.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One step of the program; a step may compute several nodes of the graph. */
struct spot_bench_step {
    struct spot_step_time work; /* seconds is not used */
    double median_ms, p10_ms;   /* of all runs; p10: the fastest tenth, what a calm machine takes */
};

/*
 * Runs the bench's request alone on one thread for its seconds, after a warm-up, and measures each
 * step. *steps is the caller's, for free(). SPOT_UNSUPPORTED when the backend cannot tell.
 */
enum spot_status spot_bench_steps_run(const struct spot_bench *bench,
                                      struct spot_bench_step **steps, int *count,
                                      struct spot_error *error);

/* A line for each step, and a last one for their sum. */
void spot_bench_steps_print(const struct spot_bench_step *steps, int count);

/* An array with an object for each step; NULL when memory is short. */
json_t *spot_bench_steps_json(const struct spot_bench_step *steps, int count);

#ifdef __cplusplus
}
#endif
#endif
