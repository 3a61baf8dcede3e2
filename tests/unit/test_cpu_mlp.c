/*
 * Fully connected layers after each other on the CPU backend, which it computes together where it
 * can, against the reference backend: sizes that are no multiple of anything, graphs in which they
 * must stay apart, and how precise scores are in bf16.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/ops/fully_connected.h"
#include "core/ops/softmax.h"
#include "cpu/cpu.h"
#include "tests/support/graph_rig.h"

enum { BATCH = 2 };

static const float BF16 = 3e-2F;

/* Ends the graph and compares everything on these inputs, [BATCH]. */
static void check_graph(struct spot_graph *graph, float **inputs, float bf16, const char *what) {
    struct spot_error error;
    if (spot_graph_finish(graph, &error) != SPOT_OK)
        fail_msg("%s: %s", what, error.text);
    rig_check_cpu(graph, (const void *const *)inputs, BATCH, bf16, what);
}

/* Takes the graph. */
static void check_random(struct spot_graph *graph, const char *what) {
    struct rig_random random = {23};
    float **inputs = rig_inputs(graph, &random, BATCH);
    check_graph(graph, inputs, BF16, what);
    rig_inputs_free(inputs, graph, BATCH);
    spot_graph_free(&graph);
}

static struct spot_value *rows_input(struct spot_graph *graph, int rows, int ins) {
    return spot_graph_input(graph, "x", (struct spot_type){SPOT_F32, spot_shape2(rows, ins)});
}

/* A layer of random weights, whose outputs are about as large as its inputs. */
static struct spot_value *dense(struct spot_graph *graph, struct rig_random *random,
                                struct spot_value *x, int outs, bool bias,
                                enum spot_activation_kind activation) {
    int ins = x->type.shape.dim[1];
    struct spot_value *w = rig_constant(graph, random, "layer.weight", spot_shape2(outs, ins),
                                        1.7F / sqrtf((float)ins));
    struct spot_value *b =
        bias ? rig_constant(graph, random, "layer.bias", spot_shape1(outs), 0.5F) : NULL;
    return spot_fully_connected(graph, x, w, b, (struct spot_fully_connected){{activation, 0.1F}});
}

static void layers_after_each_other_agree(void **state) {
    (void)state;
    static const struct {
        int rows, ins, hidden, outs[3];
        enum spot_activation_kind activation;
    } cases[] = {
        {70, 490, 300, {81, 8}, SPOT_ACT_RELU},   {1, 1, 1, {1}, SPOT_ACT_NONE},
        {33, 17, 5, {3, 2, 1}, SPOT_ACT_SIGMOID}, {530, 33, 130, {7}, SPOT_ACT_LEAKY_RELU},
        {1030, 8, 40, {33, 40}, SPOT_ACT_RELU6},  {31, 64, 129, {405}, SPOT_ACT_MISH},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig_random random = {3};
        struct spot_graph *graph = spot_graph_new(NULL);
        struct spot_value *x = rows_input(graph, cases[i].rows, cases[i].ins);
        x = dense(graph, &random, x, cases[i].hidden, i % 2 == 0, cases[i].activation);
        for (int k = 0; k < 3 && cases[i].outs[k] > 0; k++) {
            char name[8];
            snprintf(name, sizeof name, "y%d", k);
            spot_graph_output(
                graph, dense(graph, &random, x, cases[i].outs[k], k != 1, SPOT_ACT_NONE), name);
        }
        char what[80];
        snprintf(what, sizeof what, "layers %dx%d -> %d -> %d", cases[i].rows, cases[i].ins,
                 cases[i].hidden, cases[i].outs[0]);
        check_random(graph, what);
    }
}

enum apart { HIDDEN_IS_AN_OUTPUT, ANOTHER_READER, AN_ACTIVATION, READ_EARLY, FOUR_LAYERS, APARTS };

static void layers_that_must_stay_apart_agree(void **state) {
    (void)state;
    for (int apart = 0; apart < APARTS; apart++) {
        struct rig_random random = {5};
        struct spot_graph *graph = spot_graph_new(NULL);
        struct spot_value *x = rows_input(graph, 37, 21);
        struct spot_value *hidden = dense(graph, &random, x, 50, true, SPOT_ACT_RELU);
        struct spot_value *classes =
            dense(graph, &random, hidden, 9, true,
                  apart == AN_ACTIVATION ? SPOT_ACT_SIGMOID : SPOT_ACT_NONE);
        if (apart == READ_EARLY)
            spot_graph_output(graph, spot_softmax(graph, classes), "softmax");
        if (apart == FOUR_LAYERS)
            for (int k = 0; k < 2; k++)
                spot_graph_output(graph, dense(graph, &random, hidden, 6, true, SPOT_ACT_NONE),
                                  k == 0 ? "third" : "fourth");
        struct spot_value *boxes = dense(graph, &random, hidden, 4, true, SPOT_ACT_NONE);
        spot_graph_output(graph, classes, "classes");
        spot_graph_output(graph, boxes, "boxes");
        if (apart == HIDDEN_IS_AN_OUTPUT)
            spot_graph_output(graph, hidden, "hidden");
        if (apart == ANOTHER_READER)
            spot_graph_output(graph, spot_softmax(graph, hidden), "softmax");
        char what[40];
        snprintf(what, sizeof what, "layers apart, case %d", apart);
        check_random(graph, what);
    }
}

/* Sixteenths up to 1, whose products and sums bf16 and float32 hold exactly. */
static void make_exact(float *values, size_t count) {
    for (size_t i = 0; i < count; i++)
        values[i] = rintf(16 * values[i]) / 16;
}

static void scores_in_bf16_are_as_precise_as_what_is_hidden(void **state) {
    (void)state;
    enum { ROWS = 40, INS = 3, HIDDEN = 600, OUTS = 21 };
    struct rig_random random = {9};
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_value *x = rows_input(graph, ROWS, INS);
    float exact[HIDDEN * INS];
    for (int i = 0; i < HIDDEN * INS; i++)
        exact[i] = rig_random(&random);
    make_exact(exact, HIDDEN * INS);
    struct spot_value *weight =
        spot_graph_constant(graph, "hidden.weight", spot_shape2(HIDDEN, INS), exact);
    x = spot_fully_connected(graph, x, weight, NULL,
                             (struct spot_fully_connected){{SPOT_ACT_RELU, 0}});
    spot_graph_output(graph, dense(graph, &random, x, OUTS, true, SPOT_ACT_NONE), "y");
    float **inputs = rig_inputs(graph, &random, BATCH);
    for (int b = 0; b < BATCH; b++)
        make_exact(inputs[b], (size_t)ROWS * INS);
    check_graph(graph, inputs, 5e-5F, "scores"); /* rounded once they would be off by 3e-3 */
    rig_inputs_free(inputs, graph, BATCH);
    spot_graph_free(&graph);
}

int main(void) {
    spot_backend_register(&spot_backend_cpu);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_after_each_other_agree),
        cmocka_unit_test(layers_that_must_stay_apart_agree),
        cmocka_unit_test(scores_in_bf16_are_as_precise_as_what_is_hidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
