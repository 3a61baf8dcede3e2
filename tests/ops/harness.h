/*
 * What the operator test driver offers its adapters: reading tensors of a case from JSON, building
 * a small graph over them, running it on the backend under test and comparing.
 *
 * A case is opened, filled, run, compared and closed; the first thing that goes wrong is kept,
 * later calls do nothing, and closing prints one line. So adapters need no error handling:
 *
 *     struct ops_case c;
 *     ops_open(&c, run, "stride 2");
 *     struct spot_value *x = ops_input(&c, ops_get(&c, file, "inputs.data"));
 *     ops_run_graph(&c, (struct spot_value *[]){spot_pool2d(c.graph, x, attrs)}, 1);
 *     ops_expect(&c, 0, ops_get(&c, file, "expected.output"), tolerance);
 *     ops_close(&c);
 */
#ifndef TESTS_OPS_HARNESS_H
#define TESTS_OPS_HARNESS_H

#include <jansson.h>

#include "core/backend.h"
#include "core/settings.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One run of the driver over a folder. */
struct ops_run {
    struct spot_device *device;
    enum spot_precision precision;
    const char *file; /* name of the current file without its ".json" */
    int passed, failed;
};

/* |value - expected| <= abs + rel * |expected|, widened where the precision is below f32. */
struct ops_tolerance {
    double abs, rel;
};

struct ops_case {
    struct ops_run *run;
    char label[160];
    struct spot_arena arena;
    struct spot_graph *graph;
    struct spot_binding binding;
    struct spot_weight *weights; /* of ops_open_weights */
    struct spot_weights weight_table;
    bool failed;
    char why[512];
};

/* label (printf-style, may be "") tells the cases of a file apart. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
void
ops_open(struct ops_case *c, struct ops_run *run, const char *label, ...);

/* As ops_open, with the members of a JSON object of tensors as the graph's weights by name. */
void ops_open_weights(struct ops_case *c, struct ops_run *run, const char *label,
                      const json_t *tensors, const char *except);

/* Prints the case's line, counts it, frees what it holds. */
void ops_close(struct ops_case *c);

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void
ops_fail(struct ops_case *c, const char *format, ...);

/* Checks a condition that is not a comparison of tensors. */
void ops_check(struct ops_case *c, bool holds, const char *what);

/* The member at a path such as "inputs.data"; a missing one fails the case and gives NULL. */
const json_t *ops_get(struct ops_case *c, const json_t *object, const char *path);
double ops_number(struct ops_case *c, const json_t *object, const char *path);
int ops_int(struct ops_case *c, const json_t *object, const char *path);
const char *ops_text(struct ops_case *c, const json_t *object, const char *path);

/*
 * A tensor {"shape", "values"} or {"shape", "generator"} as float32, owned by the case; numbers may
 * be the strings "nan", "inf" and "-inf". NULL after a failure; *shape (may be NULL) gets the
 * shape.
 */
const float *ops_tensor(struct ops_case *c, const json_t *tensor, struct spot_shape *shape);

/* A plain list of numbers; *count gets its length. */
const float *ops_list(struct ops_case *c, const json_t *list, int *count);

/* A tensor as an input of the graph. */
struct spot_value *ops_input(struct ops_case *c, const json_t *tensor);
struct spot_value *ops_input_data(struct ops_case *c, struct spot_shape shape, const float *data);

/* A tensor as a constant of the graph. */
struct spot_value *ops_constant(struct ops_case *c, const char *name, const json_t *tensor);

/* A row of settings to fill before the graph runs, and its input. */
float *ops_settings(struct ops_case *c, struct spot_value **value);

/* Prepares, compiles and runs the graph with these outputs; ops_output gives them. */
void ops_run_graph(struct ops_case *c, struct spot_value *const *outputs, int n_outputs);
const float *ops_output(const struct ops_case *c, int output);

struct ops_tolerance ops_tolerance(struct ops_case *c, const json_t *file);

/* Compares an output, or any values, with a tensor of the file: shape, then every value. */
void ops_expect(struct ops_case *c, int output, const json_t *expected,
                struct ops_tolerance tolerance);
void ops_expect_values(struct ops_case *c, const char *what, const float *values,
                       const float *expected, size_t count, struct ops_tolerance tolerance);

/* The adapters, by the "op" of a file; see tests/ops/spotter_ops.c. */
typedef void (*ops_adapter)(struct ops_run *run, const json_t *file);

void ops_run_conv2d(struct ops_run *run, const json_t *file);
void ops_run_fully_connected(struct ops_run *run, const json_t *file);
void ops_run_softmax(struct ops_run *run, const json_t *file);
void ops_run_max_pool2d(struct ops_run *run, const json_t *file);
void ops_run_avg_pool2d(struct ops_run *run, const json_t *file);
void ops_run_channel_shuffle(struct ops_run *run, const json_t *file);
void ops_run_large_separable_conv(struct ops_run *run, const json_t *file);

void ops_run_ps_roi_pool(struct ops_run *run, const json_t *file);
void ops_run_ps_roi_align(struct ops_run *run, const json_t *file);

void ops_run_anchors(struct ops_run *run, const json_t *file);
void ops_run_box_decode(struct ops_run *run, const json_t *file);
void ops_run_rcnn_decode(struct ops_run *run, const json_t *file);
void ops_run_proposals(struct ops_run *run, const json_t *file);
void ops_run_nms(struct ops_run *run, const json_t *file);
void ops_run_multiclass_nms(struct ops_run *run, const json_t *file);
void ops_run_resize_shape(struct ops_run *run, const json_t *file);
void ops_run_generator(struct ops_run *run, const json_t *file);

#ifdef __cplusplus
}
#endif
#endif
