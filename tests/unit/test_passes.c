/* Preparation changes the graph and not what it computes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/backend.h"
#include "core/ops/add.h"
#include "core/ops/batch_norm.h"
#include "core/ops/channel_shuffle.h"
#include "core/ops/concat.h"
#include "core/ops/conv2d.h"
#include "core/ops/shuffle_join.h"
#include "core/ops/split.h"
#include "tests/support/random.h"

#include <math.h>

enum { CHANNELS = 6, SIDE = 5 };

static struct spot_value *constant(struct spot_graph *graph, const char *name,
                                   struct spot_shape shape, uint64_t seed, float low, float high) {
    float values[CHANNELS * CHANNELS * 9];
    test_fill(&seed, values, spot_shape_elements(&shape), low, high);
    return spot_graph_constant(graph, name, shape, values);
}

static struct spot_value *conv(struct spot_graph *graph, struct spot_value *x, int out, bool bias) {
    int in = x->type.shape.dim[1];
    struct spot_value *w = constant(graph, "w", spot_shape4(out, in, 3, 3), 1, -1, 1);
    struct spot_value *b = bias ? constant(graph, "b", spot_shape1(out), 2, -1, 1) : NULL;
    return spot_conv2d(graph, x, w, b, spot_conv2d_same(3, 1, 1, 1));
}

static struct spot_value *norm(struct spot_graph *graph, struct spot_value *x,
                               struct spot_activation activation) {
    struct spot_shape shape = spot_shape1(x->type.shape.dim[1]);
    return spot_batch_norm(graph, x, constant(graph, "scale", shape, 3, -2, 2),
                           constant(graph, "shift", shape, 4, -1, 1),
                           constant(graph, "mean", shape, 5, -1, 1),
                           constant(graph, "variance", shape, 6, 0.1F, 3),
                           (struct spot_batch_norm){1e-5F, activation});
}

/* Runs a graph with input x [1,CHANNELS,SIDE,SIDE] on the reference backend. */
static void run(struct spot_graph *graph, float *outputs[]) {
    float x[CHANNELS * SIDE * SIDE];
    uint64_t seed = 7;
    test_fill(&seed, x, CHANNELS * SIDE * SIDE, -1, 1);
    struct spot_device *device;
    struct spot_program *program;
    struct spot_lane *lane;
    struct spot_error error;
    assert_int_equal(spot_device_open("reference", NULL, &device, &error), SPOT_OK);
    const struct spot_backend *backend = device->backend;
    struct spot_program_options options = {.precision = SPOT_PRECISION_AUTO, .batch_max = 1};
    assert_int_equal(backend->compile(device, graph, &options, &program, &error), SPOT_OK);
    assert_int_equal(backend->lane_new(program, &lane, &error), SPOT_OK);
    struct spot_binding binding = {.in = {x}};
    for (int i = 0; i < graph->n_outputs; i++) {
        outputs[i] = malloc(spot_shape_elements(&graph->outputs[i]->type.shape) * sizeof(float));
        binding.out[i] = outputs[i];
    }
    assert_int_equal(backend->submit(lane, &binding, 1, &error), SPOT_OK);
    assert_int_equal(backend->wait(lane, &error), SPOT_OK);
    backend->lane_free(lane);
    backend->program_free(program);
    spot_device_close(&device);
}

/* Prepares and compares before with after; returns the nodes that are left. */
static int prepare_and_compare(struct spot_graph *graph) {
    float *before[SPOT_GRAPH_OUTPUTS_MAX], *after[SPOT_GRAPH_OUTPUTS_MAX];
    assert_int_equal(spot_graph_finish(graph, NULL), SPOT_OK);
    run(graph, before);
    assert_int_equal(spot_graph_prepare(graph, NULL), SPOT_OK);
    run(graph, after);
    for (int i = 0; i < graph->n_outputs; i++) {
        size_t count = spot_shape_elements(&graph->outputs[i]->type.shape);
        for (size_t k = 0; k < count; k++)
            assert_true(fabsf(before[i][k] - after[i][k]) <= 1e-4F * (1 + fabsf(before[i][k])));
        free(before[i]);
        free(after[i]);
    }
    return graph->n_nodes;
}

static struct spot_value *start(struct spot_graph *graph) {
    return spot_graph_input(graph, "x",
                            (struct spot_type){SPOT_F32, spot_shape4(1, CHANNELS, SIDE, SIDE)});
}

static void batch_norm_folds_with_and_without_a_bias(void **state) {
    (void)state;
    for (int bias = 0; bias < 2; bias++) {
        struct spot_graph *graph = spot_graph_new(NULL);
        struct spot_value *x = conv(graph, start(graph), 4, bias);
        spot_graph_output(graph, norm(graph, x, (struct spot_activation){SPOT_ACT_RELU, 0}), "y");
        assert_int_equal(prepare_and_compare(graph), 1);
        assert_ptr_equal(graph->nodes[0]->op, &spot_op_conv2d);
        spot_graph_free(&graph);
    }
}

static void batch_norm_stays_where_the_convolution_is_read_twice(void **state) {
    (void)state;
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_value *x = conv(graph, start(graph), 4, true);
    struct spot_value *y = norm(graph, x, (struct spot_activation){SPOT_ACT_NONE, 0});
    spot_graph_output(graph, spot_add(graph, x, y), "y");
    assert_int_equal(prepare_and_compare(graph), 3);
    spot_graph_free(&graph);
}

static void batch_norm_of_an_activated_convolution_stays(void **state) {
    (void)state;
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_value *w = constant(graph, "w", spot_shape4(4, CHANNELS, 1, 1), 1, -1, 1);
    struct spot_conv2d attrs = {.activation = {SPOT_ACT_LEAKY_RELU, 0.1F}};
    struct spot_value *x = spot_conv2d(graph, start(graph), w, NULL, attrs);
    spot_graph_output(graph, norm(graph, x, (struct spot_activation){SPOT_ACT_NONE, 0}), "y");
    assert_int_equal(prepare_and_compare(graph), 2);
    spot_graph_free(&graph);
}

static void activations_fuse_into_convolutions_and_sums(void **state) {
    (void)state;
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_value *x = start(graph);
    struct spot_value *y = conv(graph, x, CHANNELS, true);
    y = spot_activation(graph, y, (struct spot_activation){SPOT_ACT_SWISH, 0});
    y = spot_activation(graph, spot_add(graph, x, y), (struct spot_activation){SPOT_ACT_RELU, 0});
    y = spot_activation(graph, y, (struct spot_activation){SPOT_ACT_SIGMOID, 0}); /* no room */
    spot_graph_output(graph, y, "y");
    assert_int_equal(prepare_and_compare(graph), 3);
    spot_graph_free(&graph);
}

static void concat_shuffle_and_split_become_one(void **state) {
    (void)state;
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_value *x = start(graph), *parts[2];
    struct spot_value *both[] = {x, conv(graph, x, CHANNELS, true)};
    x = spot_concat(graph, both, 2, (struct spot_concat){1});
    x = spot_channel_shuffle(graph, x, (struct spot_channel_shuffle){2});
    spot_split(graph, x, parts, 2);
    both[0] = parts[0];
    both[1] = conv(graph, parts[1], CHANNELS, true);
    x = spot_concat(graph, both, 2, (struct spot_concat){1});
    x = spot_channel_shuffle(graph, x, (struct spot_channel_shuffle){2});
    spot_graph_output(graph, x, "y");
    assert_int_equal(prepare_and_compare(graph), 4);
    assert_ptr_equal(graph->nodes[1]->op, &spot_op_shuffle_join);
    assert_int_equal(graph->nodes[1]->n_out, 2);
    assert_ptr_equal(graph->nodes[3]->op, &spot_op_shuffle_join);
    assert_int_equal(graph->nodes[3]->n_out, 1);
    spot_graph_free(&graph);
}

static void a_shuffle_in_three_groups_stays(void **state) {
    (void)state;
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_value *x = start(graph), *both[] = {x, x};
    x = spot_concat(graph, both, 2, (struct spot_concat){1});
    spot_graph_output(graph, spot_channel_shuffle(graph, x, (struct spot_channel_shuffle){3}), "y");
    assert_int_equal(prepare_and_compare(graph), 2);
    spot_graph_free(&graph);
}

static void what_nothing_reads_is_dropped(void **state) {
    (void)state;
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_value *x = start(graph);
    conv(graph, conv(graph, x, 4, true), 4, true);
    spot_graph_output(graph, conv(graph, x, 4, true), "y");
    assert_int_equal(prepare_and_compare(graph), 1);
    spot_graph_free(&graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_norm_folds_with_and_without_a_bias),
        cmocka_unit_test(batch_norm_stays_where_the_convolution_is_read_twice),
        cmocka_unit_test(batch_norm_of_an_activated_convolution_stays),
        cmocka_unit_test(activations_fuse_into_convolutions_and_sums),
        cmocka_unit_test(concat_shuffle_and_split_become_one),
        cmocka_unit_test(a_shuffle_in_three_groups_stays),
        cmocka_unit_test(what_nothing_reads_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
