/* The arena plan: what lives together never overlaps, and what does not shares. */
#include "core/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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
        assert_int_equal(spot_plan_arena(items, 40, 64, &arena, NULL), SPOT_OK);
        for (int i = 0; i < 40; i++) {
            assert_int_equal(items[i].offset % 64, 0);
            assert_true(items[i].offset + items[i].bytes <= arena);
            for (int k = 0; k < i; k++) {
                int apart_in_time =
                    items[i].last < items[k].first || items[k].last < items[i].first;
                int apart_in_space = items[i].offset + items[i].bytes <= items[k].offset ||
                                     items[k].offset + items[k].bytes <= items[i].offset;
                int empty = items[i].bytes == 0 || items[k].bytes == 0;
                assert_true(apart_in_time || apart_in_space || empty);
            }
        }
    }
}

static void a_chain_needs_two_buffers(void **state) {
    (void)state;
    struct spot_plan_item items[10];
    for (int i = 0; i < 10; i++)
        items[i] = (struct spot_plan_item){.bytes = 640, .first = i, .last = i + 1};
    size_t arena = 0;
    assert_int_equal(spot_plan_arena(items, 10, 64, &arena, NULL), SPOT_OK);
    assert_int_equal(arena, 1280);
}

static void sizes_that_overflow_are_refused(void **state) {
    (void)state;
    struct spot_plan_item items[2] = {{.bytes = SIZE_MAX / 2, .last = 1}, {.bytes = 64, .last = 1}};
    struct spot_error error;
    size_t arena = 1;
    assert_int_equal(spot_plan_arena(items, 2, 64, &arena, &error), SPOT_LIMIT);
    assert_int_equal(arena, 0);
}

static void nothing_needs_nothing(void **state) {
    (void)state;
    size_t arena = 1;
    assert_int_equal(spot_plan_arena(NULL, 0, 64, &arena, NULL), SPOT_OK);
    assert_int_equal(arena, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_alive_together_never_overlap),
        cmocka_unit_test(a_chain_needs_two_buffers),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(nothing_needs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
