/* The backend table, plug-ins that are not there or are no plug-ins, the null backend's faults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/backend.h"
#include "core/backends/builtin.h"
#include "core/ops/activation.h"

static void built_in_backends_are_found_and_others_are_not(void **state) {
    (void)state;
    struct spot_device *device;
    struct spot_error error;
    assert_ptr_equal(spot_backend_find("reference"), &spot_backend_reference);
    assert_ptr_equal(spot_backend_find("null"), &spot_backend_null);
    assert_int_equal(spot_device_open("abacus", NULL, &device, &error), SPOT_NOT_FOUND);
    assert_string_equal(error.text, "backend 'abacus' is not part of this program");
    assert_null(device);
    spot_device_close(&device);
}

static void a_plug_in_needs_an_absolute_path_to_a_backend(void **state) {
    (void)state;
    struct spot_error error;
    assert_int_equal(spot_backend_load("cuda.so", &error), SPOT_INVALID);
    assert_int_equal(spot_backend_load("/nonexistent/cuda.so", &error), SPOT_NOT_FOUND);
    assert_non_null(strstr(error.text, "cannot be loaded"));
    assert_int_equal(spot_backend_load("/lib/x86_64-linux-gnu/libm.so.6", &error),
                     SPOT_UNSUPPORTED);
    assert_non_null(strstr(error.text, "is not a backend"));
}

static void precisions_have_names(void **state) {
    (void)state;
    for (int i = 0; i < SPOT_PRECISION_COUNT; i++) {
        enum spot_precision parsed;
        assert_true(spot_precision_parse(spot_precision_name((enum spot_precision)i), &parsed));
        assert_int_equal(parsed, i);
    }
    enum spot_precision parsed;
    assert_true(!spot_precision_parse("f64", &parsed));
}

static void the_reference_refuses_other_precisions(void **state) {
    (void)state;
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_device *device;
    struct spot_program *program;
    struct spot_error error;
    assert_int_equal(spot_device_open("reference", NULL, &device, &error), SPOT_OK);
    struct spot_program_options options = {.precision = SPOT_PRECISION_BF16, .batch_max = 1};
    assert_int_equal(device->backend->compile(device, graph, &options, &program, &error),
                     SPOT_UNSUPPORTED);
    assert_string_equal(error.text, "backend reference computes in f32 only, not in bf16");
    spot_device_close(&device);
    spot_graph_free(&graph);
}

static void the_null_backend_answers_minus_one_and_dies_on_demand(void **state) {
    (void)state;
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_value *x =
        spot_graph_input(graph, "x", (struct spot_type){SPOT_F32, spot_shape1(3)});
    spot_graph_output(graph, spot_activation(graph, x, (struct spot_activation){SPOT_ACT_RELU, 0}),
                      "y");
    assert_int_equal(spot_graph_finish(graph, NULL), SPOT_OK);
    struct spot_device_options settings = {.settings = "delay_us=1,fail_after=2"};
    struct spot_device *device;
    struct spot_program *program;
    struct spot_lane *lane;
    struct spot_error error;
    assert_int_equal(spot_device_open("null", &settings, &device, &error), SPOT_OK);
    struct spot_program_options options = {.precision = SPOT_PRECISION_AUTO, .batch_max = 2};
    assert_int_equal(device->backend->compile(device, graph, &options, &program, &error), SPOT_OK);
    assert_int_equal(device->backend->lane_new(program, &lane, &error), SPOT_OK);
    float in[3] = {1, 2, 3}, out[2][3] = {{0}};
    struct spot_binding bindings[2] = {{.in = {in}, .out = {out[0]}},
                                       {.in = {in}, .out = {out[1]}}};
    for (int batch = 0; batch < 2; batch++)
        assert_int_equal(device->backend->submit(lane, bindings, 2, &error), SPOT_OK);
    assert_true(out[0][0] == -1 && out[1][2] == -1);
    for (int batch = 0; batch < 3; batch++)
        assert_int_equal(device->backend->submit(lane, bindings, 2, &error), SPOT_DEVICE);
    device->backend->lane_free(lane);
    device->backend->program_free(program);
    spot_device_close(&device);
    spot_graph_free(&graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(built_in_backends_are_found_and_others_are_not),
        cmocka_unit_test(a_plug_in_needs_an_absolute_path_to_a_backend),
        cmocka_unit_test(precisions_have_names),
        cmocka_unit_test(the_reference_refuses_other_precisions),
        cmocka_unit_test(the_null_backend_answers_minus_one_and_dies_on_demand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
