/*
 * The reference cases of Light-Head R-CNN: generated weights and pictures, made and checked against
 * the hashes that the case lists, and the network run over them. For cmocka tests, as golden.h.
 */
#ifndef TESTS_GOLDEN_LIGHT_HEAD_REFERENCE_H
#define TESTS_GOLDEN_LIGHT_HEAD_REFERENCE_H

#include "tests/golden/golden.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { LIGHT_HEAD_PICTURES_MAX = 2 };

struct light_head_case {
    const char *name; /* "S_a" */
    json_t *json;
    struct spot_weights weights; /* sorted, as a graph wants them */
    struct spot_weight *items;
    struct spot_detector detector; /* with the case's input size */
    int pictures;
    struct spot_picture picture[LIGHT_HEAD_PICTURES_MAX];
    float settings[LIGHT_HEAD_PICTURES_MAX][SPOT_SETTINGS];
};

/* Reads and generates everything, and fails the test unless every hash is right. */
struct light_head_case light_head_open(const char *name);
void light_head_close(struct light_head_case *c);

/* "roi=<roi>" and the case's other switches, as spot_detector_options.variant. Owned. */
char *light_head_variant(const struct light_head_case *c, const char *roi);

/* A member by a path such as "config.rpn.stride"; fails the test when there is none. */
const json_t *light_head_get(const json_t *object, const char *path);
double light_head_number(const json_t *object, const char *path);

/* The numbers of a list or of the "values" of a tensor, as float32; owned. */
float *light_head_floats(const json_t *list, size_t *count);

/* The network over all pictures of a case in one batch. */
struct light_head_run {
    struct spot_device *device;
    struct spot_graph *graph;
    struct spot_program *program;
    struct spot_lane *lane;
    struct spot_binding bindings[LIGHT_HEAD_PICTURES_MAX];
};

/* roi is "align" or "pool"; raw: the raw outputs in place of detections. */
struct light_head_run light_head_run(const struct light_head_case *c, const char *backend,
                                     const char *roi, bool raw);
void light_head_run_free(struct light_head_run *run);

/* Output `name` for a picture: borrowed, dense. *count gets its elements. */
const float *light_head_output(const struct light_head_run *run, int picture, const char *name,
                               size_t *count);

#ifdef __cplusplus
}
#endif
#endif
