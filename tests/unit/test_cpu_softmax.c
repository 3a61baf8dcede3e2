/* Softmax on the CPU backend, on every instruction set. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/ops/softmax.h"
#include "cpu/cpu.h"
#include "tests/support/graph_rig.h"

enum { ROWS = 3 };

static const char *const settings[] = {"isa=portable", "isa=avx2", "isa=avx512"};

static struct spot_graph *softmax_graph(int length) {
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_type type = {SPOT_F32, spot_shape2(ROWS, length)};
    spot_graph_output(graph, spot_softmax(graph, spot_graph_input(graph, "x", type)), "y");
    assert_int_equal(spot_graph_finish(graph, NULL), SPOT_OK);
    return graph;
}

/* NaN where it is expected; of an input that nothing lies behind. */
static void check(int length, const float *x, const float *expected) {
    struct spot_graph *graph = softmax_graph(length);
    const void *inputs[] = {x};
    for (size_t s = 0; s < sizeof settings / sizeof *settings; s++) {
        struct rig_run run = {
            .backend = "cpu", .settings = settings[s], .precision = SPOT_PRECISION_F32, .batch = 1};
        float **y = rig_compute(graph, &run, inputs);
        for (int i = 0; i < ROWS * length && y != NULL; i++)
            if (isnan(expected[i]) ? !isnan(y[0][i]) : !(fabsf(y[0][i] - expected[i]) < 1e-6F))
                fail_msg("'%s' row length %d, number %d: %g, expected %g", settings[s], length, i,
                         (double)y[0][i], (double)expected[i]);
        rig_free(y, graph, 1);
    }
    spot_graph_free(&graph);
}

static void rows_of_any_length_are_those_of_the_reference(void **state) {
    (void)state;
    static const int lengths[] = {1, 2, 8, 15, 16, 17, 21, 81, 128};
    static const struct rig_run reference = {
        .backend = "reference", .precision = SPOT_PRECISION_F32, .batch = 1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct spot_graph *graph = softmax_graph(lengths[i]);
        struct rig_random random = {(uint32_t)lengths[i]};
        float **x = rig_inputs(graph, &random, 1);
        for (int k = 0; k < ROWS * lengths[i]; k++)
            x[0][k] *= 4;
        float **y = rig_compute(graph, &reference, (const void *const *)x);
        check(lengths[i], x[0], y[0]);
        rig_free(y, graph, 1);
        rig_inputs_free(x, graph, 1);
        spot_graph_free(&graph);
    }
}

static void numbers_far_apart_neither_overflow_nor_make_others_wrong(void **state) {
    (void)state;
    enum { LENGTH = 21 };
    float x[ROWS * LENGTH], expected[ROWS * LENGTH];
    for (int i = 0; i < ROWS * LENGTH; i++) {
        int row = i / LENGTH;
        x[i] = (float)(i % 7 * 100 - 300 - 600 * row);
        expected[i] = i % 7 == 6 ? 1.0F / 3 : 0;
    }
    x[4] = -INFINITY;
    check(LENGTH, x, expected);
}

static void a_row_with_a_nan_or_infinity_is_all_nan_and_others_are_not(void **state) {
    (void)state;
    enum { LENGTH = 21 };
    for (int at = 0; at < 2 * LENGTH; at++) {
        float x[ROWS * LENGTH], expected[ROWS * LENGTH];
        for (int i = 0; i < ROWS * LENGTH; i++) {
            x[i] = 7;
            expected[i] = i / LENGTH == 1 ? NAN : 1.0F / LENGTH;
        }
        x[LENGTH + at / 2] = at % 2 == 0 ? NAN : INFINITY;
        check(LENGTH, x, expected);
    }
}

int main(void) {
    spot_backend_register(&spot_backend_cpu);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_any_length_are_those_of_the_reference),
        cmocka_unit_test(numbers_far_apart_neither_overflow_nor_make_others_wrong),
        cmocka_unit_test(a_row_with_a_nan_or_infinity_is_all_nan_and_others_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
