/* Shapes, conversions of number formats, error texts, the arena. */
#include "core/arena.h"
#include "core/tensor.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void shapes_format_and_count(void **state) {
    (void)state;
    char text[64];
    struct spot_shape shape = spot_shape4(1, 3, 320, 320);
    assert_string_equal(spot_shape_format(&shape, text, sizeof text), "[1,3,320,320]");
    assert_int_equal(spot_shape_elements(&shape), 307200);
    shape = (struct spot_shape){0, {0}};
    assert_string_equal(spot_shape_format(&shape, text, sizeof text), "[]");
    assert_int_equal(spot_shape_elements(&shape), 1);
}

static void shapes_that_overflow_or_are_empty_count_nothing(void **state) {
    (void)state;
    struct spot_shape huge = spot_shape3(65536, 65536, 2), none = spot_shape2(5, 0);
    struct spot_shape negative = spot_shape2(-1, -1);
    assert_int_equal(spot_shape_elements(&huge), 0);
    assert_int_equal(spot_shape_elements(&none), 0);
    assert_int_equal(spot_shape_elements(&negative), 0);
}

static void half_precision_is_widened_exactly(void **state) {
    (void)state;
    assert_true(spot_f32_from_f16(0x3c00) == 1.0F);
    assert_true(spot_f32_from_f16(0xc000) == -2.0F);
    assert_true(spot_f32_from_f16(0x7bff) == 65504.0F);
    assert_true(spot_f32_from_f16(0x0001) == ldexpf(1, -24));
    assert_true(isinf(spot_f32_from_f16(0x7c00)) && isnan(spot_f32_from_f16(0x7e00)));
    assert_true(signbit(spot_f32_from_f16(0x8000)));
}

static void bfloat16_survives_a_round_trip_and_rounds_to_even(void **state) {
    (void)state;
    for (uint32_t half = 0; half < 65536; half++) {
        float value = spot_f32_from_bf16((uint16_t)half);
        if (isnan(value))
            assert_true(isnan(spot_f32_from_bf16(spot_bf16_from_f32(value))));
        else
            assert_int_equal(spot_bf16_from_f32(value), half);
    }
    assert_int_equal(spot_bf16_from_f32(1.0F + ldexpf(1, -8)), 0x3f80);     /* tie: down to even */
    assert_int_equal(spot_bf16_from_f32(1.0F + 3 * ldexpf(1, -8)), 0x3f82); /* tie: up to even */
}

static void errors_carry_one_sentence_and_a_prefix(void **state) {
    (void)state;
    struct spot_error error;
    assert_int_equal(spot_fail(&error, SPOT_LIMIT, "side %d is over %d", 5, 4), SPOT_LIMIT);
    spot_error_prefix(&error, "picture %d", 2);
    assert_string_equal(error.text, "picture 2: side 5 is over 4");
    char longer[1000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    spot_fail(&error, SPOT_IO, "%s", longer);
    spot_error_prefix(&error, "%s", longer);
    assert_int_equal(strlen(error.text), sizeof error.text - 1);
    assert_int_equal(spot_fail(NULL, SPOT_IO, "nobody listens"), SPOT_IO);
}

static void the_arena_gives_zeroed_aligned_memory(void **state) {
    (void)state;
    struct spot_arena arena = {0};
    for (size_t bytes = 0; bytes < 200000; bytes = bytes * 3 + 1) {
        unsigned char *memory = spot_arena_alloc(&arena, bytes);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % 64, 0);
        for (size_t i = 0; i < bytes; i++)
            assert_int_equal(memory[i], 0);
        memset(memory, 0xff, bytes);
    }
    assert_string_equal(spot_arena_strdup(&arena, "name"), "name");
    assert_null(spot_arena_alloc(&arena, SIZE_MAX));
    spot_arena_free(&arena);
    spot_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_format_and_count),
        cmocka_unit_test(shapes_that_overflow_or_are_empty_count_nothing),
        cmocka_unit_test(half_precision_is_widened_exactly),
        cmocka_unit_test(bfloat16_survives_a_round_trip_and_rounds_to_even),
        cmocka_unit_test(errors_carry_one_sentence_and_a_prefix),
        cmocka_unit_test(the_arena_gives_zeroed_aligned_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
