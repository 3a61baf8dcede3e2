/* Building graphs: sticky errors and their sentences, weights by name, counting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/ops/activation.h"
#include "core/ops/concat.h"
#include "core/ops/conv2d.h"
#include "core/ops/split.h"

#include <math.h>

static const float numbers[64] = {1, 2, 3, 4, 5, 6, 7, 8};

static struct spot_weights one_weight(struct spot_weight *item, const char *name,
                                      struct spot_shape shape) {
    *item = (struct spot_weight){name, {SPOT_F32, shape}, numbers};
    return (struct spot_weights){item, 1};
}

static struct spot_value *map_input(struct spot_graph *graph, int channels, int side) {
    return spot_graph_input(graph, "x",
                            (struct spot_type){SPOT_F32, spot_shape4(1, channels, side, side)});
}

static void expect_failure(struct spot_graph *graph, const char *sentence) {
    struct spot_error error = {SPOT_OK, ""};
    assert_int_not_equal(spot_graph_finish(graph, &error), SPOT_OK);
    if (strcmp(error.text, sentence) != 0)
        fail_msg("'%s' is not '%s'", error.text, sentence);
    spot_graph_free(&graph);
    assert_null(graph);
}

static void a_convolution_gets_its_shape_name_and_counts(void **state) {
    (void)state;
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_value *x = map_input(graph, 8, 7);
    struct spot_value *weight = spot_graph_weight(graph, spot_shape4(4, 8, 3, 3), "%s.weight", "a");
    struct spot_value *bias = spot_graph_weight(graph, spot_shape1(4), "a.bias");
    x = spot_conv2d(graph, x, weight, bias, spot_conv2d_same(3, 2, 1, 1));
    spot_graph_output(graph, x, "y");
    assert_int_equal(spot_graph_finish(graph, NULL), SPOT_OK);
    struct spot_shape expected = spot_shape4(1, 4, 4, 4);
    assert_true(spot_shape_equal(&x->type.shape, &expected));
    assert_string_equal(x->producer->name, "a");
    assert_int_equal(spot_graph_parameters(graph), 4 * 8 * 9 + 4);
    assert_int_equal(spot_graph_macs(graph), 16 * 4 * 8 * 9);
    spot_graph_free(&graph);
}

static void the_first_error_stays_and_later_calls_do_nothing(void **state) {
    (void)state;
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_value *x = map_input(graph, 5, 4), *parts[2] = {x, x};
    spot_split(graph, x, parts, 2);
    assert_null(parts[0]);
    assert_null(spot_activation(graph, parts[1], (struct spot_activation){SPOT_ACT_RELU, 0}));
    assert_null(spot_concat(graph, parts, 2, (struct spot_concat){1}));
    spot_graph_fail(graph, SPOT_LIMIT, "a second error");
    expect_failure(graph, "split 'split': [1,5,4,4] does not split into 2 equal parts");
}

static void a_kernel_larger_than_the_map_is_refused(void **state) {
    (void)state;
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_value *weight = spot_graph_weight(graph, spot_shape4(1, 1, 5, 5), "k.weight");
    spot_conv2d(graph, map_input(graph, 1, 4), weight, NULL, (struct spot_conv2d){0});
    expect_failure(graph,
                   "conv2d 'k': kernel 5 with dilation 1 is larger than the input 4 with "
                   "its padding");
}

static void a_missing_weight_is_named_with_its_shape(void **state) {
    (void)state;
    struct spot_weight item;
    struct spot_weights weights = one_weight(&item, "other", spot_shape1(2));
    struct spot_graph *graph = spot_graph_new(&weights);
    assert_null(spot_graph_weight(graph, spot_shape2(3, 4), "head.%d.weight", 1));
    expect_failure(graph, "weights: tensor 'head.1.weight' is missing, expected shape [3,4]");
}

static void a_weight_of_another_shape_is_refused(void **state) {
    (void)state;
    struct spot_weight item;
    struct spot_weights weights =
        one_weight(&item, "head.gfl_cls.0.weight", spot_shape4(2, 4, 1, 1));
    struct spot_graph *graph = spot_graph_new(&weights);
    assert_null(spot_graph_weight(graph, spot_shape4(8, 4, 1, 1), "head.gfl_cls.0.weight"));
    expect_failure(
        graph, "weights: tensor 'head.gfl_cls.0.weight' has shape [2,4,1,1], expected [8,4,1,1]");
}

static void a_weight_that_nothing_uses_is_refused(void **state) {
    (void)state;
    struct spot_weight item;
    struct spot_weights weights = one_weight(&item, "extra", spot_shape1(2));
    struct spot_graph *graph = spot_graph_new(&weights);
    spot_graph_output(graph, map_input(graph, 1, 1), "y");
    expect_failure(graph,
                   "weights: tensor 'extra' of shape [2] does not belong to this detector "
                   "(1 such tensors)");
}

static void a_weight_that_is_not_finite_is_refused(void **state) {
    (void)state;
    const float bad[2] = {1, NAN};
    struct spot_weight item = {"w", {SPOT_F32, spot_shape1(2)}, bad};
    struct spot_weights weights = {&item, 1};
    struct spot_graph *graph = spot_graph_new(&weights);
    assert_null(spot_graph_weight(graph, spot_shape1(2), "w"));
    expect_failure(graph, "weights: element 1 of tensor 'w' is nan, expected a finite number");
}

static void half_and_misaligned_weights_are_widened(void **state) {
    (void)state;
    const uint16_t halves[3] = {0x3c00, 0x4000, 0xbc00};
    _Alignas(8) char odd[13] = {0};
    memcpy(odd + 1, numbers, 12);
    struct spot_weight items[] = {{"half", {SPOT_F16, spot_shape1(3)}, halves},
                                  {"odd", {SPOT_F32, spot_shape1(3)}, odd + 1}};
    struct spot_weights weights = {items, 2};
    struct spot_graph *graph = spot_graph_new(&weights);
    const struct spot_value *half = spot_graph_weight(graph, spot_shape1(3), "half");
    const struct spot_value *value = spot_graph_weight(graph, spot_shape1(3), "odd");
    assert_true(half->data[0] == 1 && half->data[1] == 2 && half->data[2] == -1);
    assert_true(value->data[0] == 1 && value->data[2] == 3);
    assert_ptr_equal(spot_graph_weight(graph, spot_shape1(3), "half"), half);
    spot_graph_free(&graph);
}

static void a_sketch_asks_which_weights_there_are_but_binds_none(void **state) {
    (void)state;
    struct spot_weight item;
    struct spot_weights weights = one_weight(&item, "there", spot_shape1(2));
    struct spot_graph *graph = spot_graph_new_sketch(&weights);
    assert_true(spot_graph_has_weight(graph, "there"));
    assert_false(spot_graph_has_weight(graph, "absent"));
    const struct spot_value *absent = spot_graph_weight(graph, spot_shape2(3, 4), "absent");
    const struct spot_value *other = spot_graph_weight(graph, spot_shape1(5), "there");
    assert_true(absent != NULL && absent->data == NULL);
    assert_true(other != NULL && other->data == NULL);
    assert_int_equal(spot_graph_parameters(graph), 3 * 4 + 5);
    spot_graph_output(graph, map_input(graph, 1, 1), "y");
    assert_int_equal(spot_graph_finish(graph, NULL), SPOT_OK);
    spot_graph_free(&graph);
}

static void a_graph_without_an_output_is_refused(void **state) {
    (void)state;
    struct spot_graph *graph = spot_graph_new(NULL);
    map_input(graph, 1, 1);
    expect_failure(graph, "graph: it has no output");
}

static void every_operator_has_what_the_table_needs(void **state) {
    (void)state;
    int count = 0;
    for (const struct spot_op *const *op = spot_op_table; *op != NULL; op++, count++) {
        assert_non_null((*op)->name);
        assert_non_null((void *)(uintptr_t)(*op)->infer);
        assert_non_null((void *)(uintptr_t)(*op)->reference);
        assert_in_range((*op)->n_in_max, (*op)->n_in_min, SPOT_NODE_INPUTS_MAX);
        assert_in_range((*op)->n_out_max, (*op)->n_out_min, SPOT_NODE_OUTPUTS_MAX);
        assert_ptr_equal(spot_op_find((*op)->name), *op);
    }
    assert_true(count > 10);
    assert_null(spot_op_find("no such operator"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_convolution_gets_its_shape_name_and_counts),
        cmocka_unit_test(the_first_error_stays_and_later_calls_do_nothing),
        cmocka_unit_test(a_kernel_larger_than_the_map_is_refused),
        cmocka_unit_test(a_missing_weight_is_named_with_its_shape),
        cmocka_unit_test(a_weight_of_another_shape_is_refused),
        cmocka_unit_test(a_weight_that_nothing_uses_is_refused),
        cmocka_unit_test(a_weight_that_is_not_finite_is_refused),
        cmocka_unit_test(half_and_misaligned_weights_are_widened),
        cmocka_unit_test(a_sketch_asks_which_weights_there_are_but_binds_none),
        cmocka_unit_test(a_graph_without_an_output_is_refused),
        cmocka_unit_test(every_operator_has_what_the_table_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
