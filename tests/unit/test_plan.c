/* The arena plan: what lives together never overlaps, and what does not shares. */
#include "core/ops/activation.h"
#include "core/ops/add.h"
#include "core/plan.h"
#include "models/detector.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ALIGNMENT = 64 };

static void expect_no_overlaps(const struct spot_plan_item *items, int count, size_t arena) {
    for (int i = 0; i < count; i++) {
        const struct spot_plan_item *a = &items[i];
        assert_int_equal(a->offset % ALIGNMENT, 0);
        assert_true(a->offset + a->bytes <= arena);
        for (int k = 0; k < i; k++) {
            const struct spot_plan_item *b = &items[k];
            bool apart_in_time = a->last < b->first || b->last < a->first;
            bool apart_in_space =
                a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset;
            assert_true(apart_in_time || apart_in_space || a->bytes == 0 || b->bytes == 0);
        }
    }
}

/* The most bytes that live at once: no arena is smaller. */
static size_t most_alive(const struct spot_plan_item *items, int count, int n_steps) {
    size_t most = 0;
    for (int step = 0; step <= n_steps; step++) {
        size_t bytes = 0;
        for (int i = 0; i < count; i++)
            if (items[i].first <= step && step <= items[i].last)
                bytes += (items[i].bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        most = bytes > most ? bytes : most;
    }
    return most;
}

static void values_alive_together_never_overlap(void **state) {
    (void)state;
    uint32_t random = 12345;
    for (int round = 0; round < 200; round++) {
        struct spot_plan_item items[40];
        for (int i = 0; i < 40; i++) {
            random = random * 1664525U + 1013904223U;
            int first = (int)(random >> 24) % 30;
            items[i] = (struct spot_plan_item){.bytes = (random >> 8) % 5000,
                                               .first = first,
                                               .last = first + (int)(random >> 4) % 8};
        }
        size_t arena = 0;
        assert_int_equal(spot_plan_arena(items, 40, ALIGNMENT, &arena, NULL), SPOT_OK);
        expect_no_overlaps(items, 40, arena);
    }
}

static void a_chain_needs_two_buffers(void **state) {
    (void)state;
    struct spot_plan_item items[10];
    for (int i = 0; i < 10; i++)
        items[i] = (struct spot_plan_item){.bytes = 640, .first = i, .last = i + 1};
    size_t arena = 0;
    assert_int_equal(spot_plan_arena(items, 10, ALIGNMENT, &arena, NULL), SPOT_OK);
    assert_int_equal(arena, 1280);
}

/* Lifetimes when every node is a step, with float32 maps as they are. */
static struct spot_plan_item *plan_nodes(const struct spot_graph *graph) {
    struct spot_plan_item *items = spot_plan_values(graph, graph->n_nodes, NULL);
    assert_non_null(items);
    for (int s = 0; s < graph->n_nodes; s++) {
        for (int k = 0; k < graph->nodes[s]->n_in; k++)
            spot_plan_touch(items, graph->nodes[s]->in[k], s);
        for (int k = 0; k < graph->nodes[s]->n_out; k++)
            spot_plan_touch(items, graph->nodes[s]->out[k], s);
    }
    for (int i = 0; i < graph->n_values; i++)
        if (graph->values[i]->kind == SPOT_VALUE_COMPUTED && spot_plan_lives(&items[i]))
            items[i].bytes = spot_shape_elements(&graph->values[i]->type.shape) * sizeof(float);
    return items;
}

static void values_live_from_their_writer_to_their_last_reader(void **state) {
    (void)state;
    static const float ones[1] = {1};
    const struct spot_activation relu = {SPOT_ACT_RELU, 0};
    struct spot_type type = {SPOT_F32, spot_shape4(1, 1, 4, 4)};
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_value *x = spot_graph_input(graph, "x", type);
    struct spot_value *unused = spot_graph_input(graph, "unused", type);
    struct spot_value *constant = spot_graph_constant(graph, "one", spot_shape1(1), ones);
    struct spot_value *a = spot_activation(graph, x, relu); /* step 0 */
    struct spot_value *b = spot_activation(graph, a, relu); /* step 1 */
    struct spot_value *c = spot_add(graph, a, b);           /* step 2 */
    spot_graph_output(graph, c, "c");
    assert_int_equal(spot_graph_finish(graph, NULL), SPOT_OK);
    struct spot_plan_item *items = plan_nodes(graph);
    const struct {
        const struct spot_value *value;
        int first, last;
    } expected[] = {{x, 0, 0}, {unused, 0, 0}, {a, 0, 2}, {b, 1, 2}, {c, 2, 3}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_int_equal(items[expected[i].value->index].first, expected[i].first);
        assert_int_equal(items[expected[i].value->index].last, expected[i].last);
    }
    assert_false(spot_plan_lives(&items[constant->index]));
    free(items);
    spot_graph_free(&graph);
}

static void detectors_lie_in_little_more_than_what_lives_at_once(void **state) {
    (void)state;
    static const char *const names[] = {"nanodet-m-320", "nanodet-plus-m-416", "rfsong-7993",
                                        "yolov5-shufflenetv2-320", "light-head-rcnn-s"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct spot_detector_options plain = {0};
        struct spot_detector detector;
        struct spot_graph *graph = spot_graph_new(NULL);
        size_t arena = 0;
        assert_int_equal(spot_detector_find(names[i], &detector, NULL), SPOT_OK);
        detector.family->build(&detector, &plain, graph);
        assert_int_equal(spot_graph_finish(graph, NULL), SPOT_OK);
        struct spot_plan_item *items = plan_nodes(graph);
        assert_int_equal(spot_plan_arena(items, graph->n_values, ALIGNMENT, &arena, NULL), SPOT_OK);
        expect_no_overlaps(items, graph->n_values, arena);
        size_t most = most_alive(items, graph->n_values, graph->n_nodes);
        if (arena > most + most / 8)
            fail_msg("%s: an arena of %zu bytes, %zu live at once", names[i], arena, most);
        free(items);
        spot_graph_free(&graph);
    }
}

static void sizes_that_overflow_are_refused(void **state) {
    (void)state;
    struct spot_plan_item items[2] = {{.bytes = SIZE_MAX / 2, .last = 1}, {.bytes = 64, .last = 1}};
    struct spot_error error;
    size_t arena = 1;
    assert_int_equal(spot_plan_arena(items, 2, ALIGNMENT, &arena, &error), SPOT_LIMIT);
    assert_int_equal(arena, 0);
}

static void nothing_needs_nothing(void **state) {
    (void)state;
    size_t arena = 1;
    assert_int_equal(spot_plan_arena(NULL, 0, ALIGNMENT, &arena, NULL), SPOT_OK);
    assert_int_equal(arena, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_alive_together_never_overlap),
        cmocka_unit_test(a_chain_needs_two_buffers),
        cmocka_unit_test(values_live_from_their_writer_to_their_last_reader),
        cmocka_unit_test(detectors_lie_in_little_more_than_what_lives_at_once),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(nothing_needs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
