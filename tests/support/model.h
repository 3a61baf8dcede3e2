/*
 * Detectors with weights made up for a test, and graphs run by the scalar reference. Every fault
 * ends the program with a message, so a test need not look for one.
 */
#ifndef TESTS_SUPPORT_MODEL_H
#define TESTS_SUPPORT_MODEL_H

#include "core/backend.h"
#include "models/detector.h"

#ifdef __cplusplus
extern "C" {
#endif

struct test_model {
    struct spot_detector detector;
    struct spot_weights
        weights;              /* every tensor that the graph asks for; may be changed before use */
    struct spot_graph *graph; /* prepared; NULL before test_model_build */
    struct spot_device *device;
    struct spot_program *program;
    struct spot_lane *lane;
};

/*
 * The detector of this name and weights for it: uniform random numbers, a convolution's scaled by
 * its fan-in so that activations keep their size through any number of layers.
 */
void test_model_init(struct test_model *model, const char *detector, uint64_t seed);

/* Builds the graph from model->weights and compiles it for the reference. */
void test_model_build(struct test_model *model, const struct spot_detector_options *options);

/* Runs one picture. */
void test_model_run(struct test_model *model, const struct spot_binding *binding);

void test_model_fini(struct test_model *model);

/* The weight with this name, as floats that the test may change. */
float *test_model_weight(const struct test_model *model, const char *name);

#ifdef __cplusplus
}
#endif
#endif
