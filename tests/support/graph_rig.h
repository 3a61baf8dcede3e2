/*
 * Runs small graphs on a backend and compares with the reference backend, for tests of backends.
 * Failures of the set-up abort the test: a rig is for cases that must work.
 */
#ifndef SPOT_TESTS_SUPPORT_GRAPH_RIG_H
#define SPOT_TESTS_SUPPORT_GRAPH_RIG_H

#include "core/backend.h"

/* A deterministic stream of values in -1 .. 1. */
struct rig_random {
    uint32_t state;
};
float rig_random(struct rig_random *random);

/* A constant of random values times scale. */
struct spot_value *rig_constant(struct spot_graph *graph, struct rig_random *random,
                                const char *name, struct spot_shape shape, float scale);

/* A convolution that copies each channel: stands between a tested operator and a border. */
struct spot_value *rig_copy(struct spot_graph *graph, struct spot_value *x);

struct rig_run {
    const char *backend, *settings;
    enum spot_precision precision;
    int batch;
    const struct spot_calibration *calibration; /* for INT8 */
};

/*
 * Runs the graph (finished and prepared or not) on pictures [batch] of inputs and returns their
 * outputs: outputs[b * n_outputs + i], owned, dense. Inputs of dtype SPOT_PICTURE are pointers to
 * struct spot_picture. NULL when the backend says SPOT_UNSUPPORTED.
 */
float **rig_compute(const struct spot_graph *graph, const struct rig_run *run,
                    const void *const *inputs);
/*
 * The ranges of all maps on the CPU backend in float32, for a batch of inputs: the least and the
 * largest, and 0. Owned.
 */
struct spot_calibration rig_calibrate(const struct spot_graph *graph, const void *const *inputs,
                                      int batch);
void rig_calibration_free(struct spot_calibration *calibration);

void rig_free(float **outputs, const struct spot_graph *graph, int batch);

/* Random inputs for one picture after another: inputs[b * n_inputs + i], owned. Floats only. */
float **rig_inputs(const struct spot_graph *graph, struct rig_random *random, int batch);
void rig_inputs_free(float **inputs, const struct spot_graph *graph, int batch);

/*
 * The largest |a - b| / (1 + |b|) over all outputs of a batch; a difference in what is NaN counts
 * as infinite.
 */
float rig_distance(float *const *a, float *const *b, const struct spot_graph *graph, int batch);

/*
 * Fails, saying `what`, where the CPU backend is further from the reference backend than 2e-5 in
 * float32 or `bf16` in bf16: on each instruction set that this machine has, on kernels of our own
 * alone and on oneDNN's alone. inputs as for rig_compute.
 */
void rig_check_cpu(const struct spot_graph *graph, const void *const *inputs, int batch, float bf16,
                   const char *what);

#endif
