/* Numbers and strings as the answers hold them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "server/decimal.h"
#include "server/text.h"

static void check_decimal(double value, int decimals, const char *expected) {
    char text[SPOT_DECIMAL_MAX];
    char *end = spot_decimal(text, value, decimals);
    assert_string_equal(text, expected);
    assert_ptr_equal(end, text + strlen(expected));
}

static void a_decimal_is_short_and_rounded(void **state) {
    (void)state;
    check_decimal(0, 2, "0.0");
    check_decimal(12.5, 2, "12.5");
    check_decimal(30, 2, "30.0");
    check_decimal(0.125, 2, "0.13");
    check_decimal(0.99996, 4, "1.0");
    check_decimal(0.0001, 4, "0.0001");
    check_decimal(9.999, 3, "9.999");
    check_decimal(16384.01, 2, "16384.01");
    check_decimal(-3.25, 2, "-3.25");
    check_decimal(-0.001, 2, "0.0");
    check_decimal(0.0 / 0.0, 3, "0.0");
    check_decimal(1e300, 6, "1000000000000.0");
    check_decimal(-1.0 / 0.0, 1, "-1000000000000.0");
}

static void a_decimal_is_within_half_a_step(void **state) {
    (void)state;
    unsigned seed = 1;
    for (int i = 0; i < 200000; i++) {
        char text[SPOT_DECIMAL_MAX];
        seed = seed * 1664525U + 1013904223U;
        double value = (double)seed / 4096.0; /* a half step is exact, and rounded up */
        spot_decimal(text, value, 3);
        double back = strtod(text, NULL);
        assert_true(back >= value - 0.0005000001 && back <= value + 0.0005000001);
    }
}

static void whole_numbers_keep_their_sign(void **state) {
    (void)state;
    static const long long values[] = {
        0, 7, -7, 1000000, 9223372036854775807LL, -9223372036854775807LL - 1};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char text[SPOT_DECIMAL_MAX], expected[32];
        spot_decimal_whole(text, values[i]);
        snprintf(expected, sizeof expected, "%lld", values[i]);
        assert_string_equal(text, expected);
    }
}

/* What is quoted reads back as what it was. */
static void check_quote(const char *value, const char *expected) {
    struct spot_text text = {0};
    spot_text_quote(&text, value);
    assert_false(text.failed);
    json_t *json = json_loadb(text.data, text.size, JSON_DECODE_ANY, NULL);
    assert_non_null(json);
    assert_string_equal(json_string_value(json), expected);
    json_decref(json);
    spot_text_free(&text);
}

static void a_quoted_text_is_a_json_string(void **state) {
    (void)state;
    check_quote("", "");
    check_quote("person", "person");
    check_quote("\"dog\" \\ / \n\t\x01\x1f\x7f", "\"dog\" \\ / \n\t\x01\x1f\x7f");
    check_quote("\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xb6", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xb6");
}

static void broken_utf_8_is_replaced(void **state) {
    (void)state;
    check_quote(
        "a\xff"
        "b",
        "a\xef\xbf\xbd"
        "b");
    check_quote("\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd");
    check_quote("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_decimal_is_short_and_rounded),
        cmocka_unit_test(a_decimal_is_within_half_a_step),
        cmocka_unit_test(whole_numbers_keep_their_sign),
        cmocka_unit_test(a_quoted_text_is_a_json_string),
        cmocka_unit_test(broken_utf_8_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
