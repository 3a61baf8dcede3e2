/* The fully connected layer and softmax, which end a two-stage head. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/ops/fully_connected.h"
#include "core/ops/softmax.h"
#include "tests/support/run_op.h"

#include <math.h>

static void a_map_is_flattened_in_channel_row_column_order(void **state) {
    (void)state;
    static const float data[2 * 2 * 1 * 2] = {1, 2, 3, 4, 5, 6, 7, 8};
    static const float weight[2 * 4] = {1, 10, 100, 1000, 0, 0, 0, -1};
    static const float bias[2] = {0.5F, 1};
    struct spot_tensor in[] = {test_tensor(spot_shape4(2, 2, 1, 2), data),
                               test_tensor(spot_shape2(2, 4), weight),
                               test_tensor(spot_shape1(2), bias)};
    struct spot_fully_connected attrs = {{SPOT_ACT_RELU, 0}};
    struct spot_tensor out;
    test_run_op(&spot_op_fully_connected, &attrs, in, 3, &out, 1);
    struct spot_shape expected = spot_shape2(2, 2);
    assert_true(spot_shape_equal(&out.type.shape, &expected));
    const float *y = out.data;
    assert_true(y[0] == 4321.5F && y[1] == 0);
    assert_true(y[2] == 8765.5F && y[3] == 0);
    free(out.data);
}

static void bias_may_be_absent(void **state) {
    (void)state;
    static const float data[2] = {3, 4}, weight[2] = {2, -1};
    struct spot_tensor in[] = {test_tensor(spot_shape2(1, 2), data),
                               test_tensor(spot_shape2(1, 2), weight)};
    struct spot_fully_connected attrs = {{SPOT_ACT_NONE, 0}};
    struct spot_tensor out;
    test_run_op(&spot_op_fully_connected, &attrs, in, 2, &out, 1);
    assert_true(*(const float *)out.data == 2);
    free(out.data);
}

static void a_weight_that_does_not_fit_is_refused(void **state) {
    (void)state;
    struct spot_fully_connected attrs = {{SPOT_ACT_NONE, 0}};
    struct spot_tensor in[] = {test_tensor(spot_shape4(3, 2, 2, 2), NULL),
                               test_tensor(spot_shape2(5, 7), NULL),
                               test_tensor(spot_shape1(5), NULL)};
    struct spot_error error = {SPOT_OK, ""};
    assert_int_equal(test_infer_op(&spot_op_fully_connected, &attrs, in, 3, 1, &error),
                     SPOT_INVALID);
    assert_string_equal(error.text, "weight [5,7] does not fit data [3,2,2,2]");
    in[1].type.shape = spot_shape2(5, 8);
    in[2].type.shape = spot_shape1(4);
    assert_int_equal(test_infer_op(&spot_op_fully_connected, &attrs, in, 3, 1, &error),
                     SPOT_INVALID);
    assert_string_equal(error.text, "bias [4] does not fit weight [5,8]");
}

static void multiply_adds_are_rows_times_the_matrix(void **state) {
    (void)state;
    struct spot_op_types types = {.n_in = 2, .n_out = 1};
    types.in[0].shape = spot_shape4(1000, 10, 7, 7);
    types.in[1].shape = spot_shape2(2048, 490);
    types.out[0].shape = spot_shape2(1000, 2048);
    assert_int_equal(spot_op_fully_connected.macs(&types), 1003520000);
}

static void softmax_rows_sum_to_one_even_where_exp_overflows(void **state) {
    (void)state;
    static const float data[2 * 3] = {0, 0.6931472F, 0, 1000, 1000, -1000};
    struct spot_tensor in = test_tensor(spot_shape2(2, 3), data), out;
    test_run_op(&spot_op_softmax, NULL, &in, 1, &out, 1);
    const float expected[2 * 3] = {0.25F, 0.5F, 0.25F, 0.5F, 0.5F, 0};
    for (int i = 0; i < 6; i++)
        assert_true(fabsf(((const float *)out.data)[i] - expected[i]) < 1e-6F);
    free(out.data);
}

static void a_row_with_nan_spoils_only_itself(void **state) {
    (void)state;
    static const float data[3 * 2] = {NAN, 0, INFINITY, 0, 0, 0};
    struct spot_tensor in = test_tensor(spot_shape2(3, 2), data), out;
    test_run_op(&spot_op_softmax, NULL, &in, 1, &out, 1);
    const float *y = out.data;
    for (int i = 0; i < 4; i++)
        assert_true(isnan(y[i]));
    assert_true(y[4] == 0.5F && y[5] == 0.5F);
    free(out.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_is_flattened_in_channel_row_column_order),
        cmocka_unit_test(bias_may_be_absent),
        cmocka_unit_test(a_weight_that_does_not_fit_is_refused),
        cmocka_unit_test(multiply_adds_are_rows_times_the_matrix),
        cmocka_unit_test(softmax_rows_sum_to_one_even_where_exp_overflows),
        cmocka_unit_test(a_row_with_nan_spoils_only_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
