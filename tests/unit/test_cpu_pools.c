/*
 * Pooling on the CPU backend where some numbers are NaN: a window that holds one gives NaN, in
 * whatever order its numbers come, as in the reference.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/ops/pool2d.h"
#include "cpu/cpu.h"
#include "tests/support/graph_rig.h"

enum { BATCH = 2, NAN_EVERY = 23 };

static const struct {
    const char *settings;
    enum spot_precision precision;
    float tolerance;
} setups[] = {
    {"isa=portable,onednn=off", SPOT_PRECISION_F32, 2e-5F},
    {"isa=avx2,onednn=off", SPOT_PRECISION_F32, 2e-5F},
    {"isa=avx512,onednn=off", SPOT_PRECISION_F32, 2e-5F},
    {"onednn=off", SPOT_PRECISION_BF16, 3e-2F}, /* 8 bits of mantissa: 0.4 % a rounding */
};

static const struct spot_pool2d pools[] = {
    {SPOT_POOL_MAX, 2, 2, 0, 0, 1, 1, true, false},
    {SPOT_POOL_MAX, 3, 2, 1, 1, 1, 1, false, false},
    {SPOT_POOL_MAX, 5, 3, 2, 1, 2, 0, false, false},
    {SPOT_POOL_AVERAGE, 3, 1, 1, 1, 1, 1, false, false},
};
static const int channel_counts[] = {5, 17, 58};
static const int sides[][2] = {{5, 5}, {7, 13}, {14, 9}};

/* The pool between two copies, so that it reads and writes maps inside the network. */
static struct spot_graph *pool_graph(const struct spot_pool2d *pool, int channels,
                                     const int side[2]) {
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_type type = {SPOT_F32, spot_shape4(1, channels, side[0], side[1])};
    struct spot_value *x = rig_copy(graph, spot_graph_input(graph, "x", type));
    spot_graph_output(graph, rig_copy(graph, spot_pool2d(graph, x, *pool)), "y");
    struct spot_error error;
    if (spot_graph_finish(graph, &error) != SPOT_OK)
        fail_msg("%s", error.text);
    return graph;
}

static size_t count_nans(float *const *outputs, const struct spot_graph *graph) {
    size_t size = spot_shape_elements(&graph->outputs[0]->type.shape), nans = 0;
    for (int b = 0; b < BATCH; b++)
        for (size_t i = 0; i < size; i++)
            nans += isnan(outputs[b][i]) ? 1 : 0;
    return nans;
}

static void check_pool(const struct spot_pool2d *pool, int channels, const int side[2]) {
    struct spot_graph *graph = pool_graph(pool, channels, side);
    struct rig_random random = {7};
    float **inputs = rig_inputs(graph, &random, BATCH);
    size_t size = (size_t)channels * (size_t)side[0] * (size_t)side[1];
    for (size_t i = 0; i < BATCH * size; i += NAN_EVERY)
        inputs[i / size][i % size] = i % 2 == 0 ? NAN : -NAN;
    struct rig_run reference = {
        .backend = "reference", .precision = SPOT_PRECISION_F32, .batch = BATCH};
    float **expected = rig_compute(graph, &reference, (const void *const *)inputs);
    assert_true(count_nans(expected, graph) > 0);
    for (size_t i = 0; i < sizeof setups / sizeof *setups; i++) {
        struct rig_run run = {.backend = "cpu",
                              .settings = setups[i].settings,
                              .precision = setups[i].precision,
                              .batch = BATCH};
        float **found = rig_compute(graph, &run, (const void *const *)inputs);
        if (found == NULL) /* bf16 without AMX */
            continue;
        float distance = rig_distance(found, expected, graph, BATCH);
        if (!(distance <= setups[i].tolerance))
            fail_msg("%s %dx%d of %d channels %dx%d, '%s' in %s: off by %g, %zu NaN of %zu",
                     pool->mode == SPOT_POOL_MAX ? "max" : "average", pool->kernel, pool->kernel,
                     channels, side[0], side[1], setups[i].settings,
                     spot_precision_name(setups[i].precision), (double)distance,
                     count_nans(found, graph), count_nans(expected, graph));
        rig_free(found, graph, BATCH);
    }
    rig_free(expected, graph, BATCH);
    rig_inputs_free(inputs, graph, BATCH);
    spot_graph_free(&graph);
}

static void a_window_with_a_nan_gives_nan(void **state) {
    (void)state;
    for (size_t p = 0; p < sizeof pools / sizeof *pools; p++)
        for (size_t c = 0; c < sizeof channel_counts / sizeof *channel_counts; c++)
            for (size_t s = 0; s < sizeof sides / sizeof *sides; s++)
                check_pool(&pools[p], channel_counts[c], sides[s]);
}

int main(void) {
    spot_backend_register(&spot_backend_cpu);
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_window_with_a_nan_gives_nan)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
