/*
 * Steps of the CPU backend that write where they read: sums of maps take the memory of a map that
 * nothing reads any more, and of no other. Against the reference backend.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/ops/activation.h"
#include "core/ops/add.h"
#include "core/ops/conv2d.h"
#include "cpu/cpu.h"
#include "tests/support/graph_rig.h"

enum { BATCH = 2, HEIGHT = 7, WIDTH = 13 };

static struct spot_value *conv(struct spot_graph *graph, struct rig_random *random,
                               struct spot_value *x, int outs) {
    int ins = x->type.shape.dim[1];
    struct spot_value *weight =
        rig_constant(graph, random, "conv.weight", spot_shape4(outs, ins, 1, 1), 1.5F / (float)ins);
    struct spot_value *bias = rig_constant(graph, random, "conv.bias", spot_shape1(outs), 0.5F);
    return spot_conv2d(graph, x, weight, bias, spot_conv2d_same(1, 1, 1, 1));
}

/* A convolution to few channels and one back, which the map is added to. */
static struct spot_value *unit(struct spot_graph *graph, struct rig_random *random,
                               struct spot_value *x, struct spot_value *added) {
    struct spot_value *narrow = conv(graph, random, x, 5);
    x = spot_add(graph, conv(graph, random, narrow, x->type.shape.dim[1]), added);
    return spot_activation(graph, x, (struct spot_activation){SPOT_ACT_HARD_SWISH, 0});
}

enum kind { CHAIN, ADDED_TWICE, ADDED_TO_ITSELF, OUTPUT_TOO, NO_CONVOLUTION, KINDS };

static void build(struct spot_graph *graph, enum kind kind, int channels) {
    struct rig_random random = {17};
    struct spot_type type = {SPOT_F32, spot_shape4(1, channels, HEIGHT, WIDTH)};
    struct spot_value *x = rig_copy(graph, spot_graph_input(graph, "x", type)), *first = x;
    for (int i = 0; i < 3; i++) {
        switch (kind) {
        case ADDED_TWICE: /* the first map waits for the last sum */
            x = unit(graph, &random, x, i == 1 ? x : first);
            break;
        case ADDED_TO_ITSELF: /* all of its channels are read for each that is written */
            x = spot_add(graph, conv(graph, &random, x, channels), x);
            break;
        case NO_CONVOLUTION:
            x = spot_add(graph, x, rig_copy(graph, x));
            break;
        default:
            x = unit(graph, &random, x, x);
        }
        if (kind == OUTPUT_TOO && i == 1)
            spot_graph_output(graph, x, "middle");
    }
    spot_graph_output(graph, rig_copy(graph, x), "y");
}

static void check(enum kind kind, int channels) {
    struct spot_graph *graph = spot_graph_new(NULL);
    build(graph, kind, channels);
    struct spot_error error;
    if (spot_graph_finish(graph, &error) != SPOT_OK || spot_graph_prepare(graph, &error) != SPOT_OK)
        fail_msg("%s", error.text);
    struct rig_random random = {7};
    float **inputs = rig_inputs(graph, &random, BATCH);
    char what[40];
    snprintf(what, sizeof what, "kind %d of %d channels", (int)kind, channels);
    rig_check_cpu(graph, (const void *const *)inputs, BATCH, 5e-2F, what);
    rig_inputs_free(inputs, graph, BATCH);
    spot_graph_free(&graph);
}

static void sums_that_write_where_they_read_agree(void **state) {
    (void)state;
    static const int channels[] = {3, 33, 80};
    for (int kind = 0; kind < KINDS; kind++)
        for (int i = 0; i < 3; i++)
            check((enum kind)kind, channels[i]);
}

int main(void) {
    spot_backend_register(&spot_backend_cpu);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_that_write_where_they_read_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
