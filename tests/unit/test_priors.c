/* Prior boxes: order, formula, clamping. The golden test compares all of RFSong's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "models/box/priors.h"
#include "tests/support/near.h"

static const struct spot_prior_level levels[] = {
    {2, 50, 16, 25, 0.25, 1, {4}}, /* 2 x 2 cells of 2 priors */
    {1, 100, 90, 120, 1, 2, {1, 0.5}},
};

static void check_row(const float *row, double cx, double cy, double w, double h) {
    assert_near(row[0], cx, 1e-7);
    assert_near(row[1], cy, 1e-7);
    assert_near(row[2], w, 1e-7);
    assert_near(row[3], h, 1e-7);
}

static void priors_follow_level_row_column_and_place_in_the_cell(void **state) {
    (void)state;
    float rows[11][4];
    assert_int_equal(spot_priors_count(levels, 2), 11);
    spot_priors_fill(levels, 2, 100, rows[0]);
    for (int i = 0; i < 8; i++) {
        double cx = i / 2 % 2 == 0 ? 0.25 : 0.75, cy = i / 4 == 0 ? 0.25 : 0.75;
        if (i % 2 == 0)
            check_row(rows[i], cx, cy, 0.1, 0.4); /* sqrt(16 * 25) = 20, times and by 1/2 */
        else
            check_row(rows[i], cx, cy, 0.32, 0.08); /* 16, times and by 2 */
    }
    check_row(rows[9], 0.5, 0.5, 0.9, 0.9);
}

static void each_number_is_clamped_by_itself(void **state) {
    (void)state;
    float rows[11][4];
    spot_priors_fill(levels, 2, 100, rows[0]);
    check_row(rows[8], 0.5, 0.5, 1, 1);                /* sqrt(90 * 120) is above 100 */
    check_row(rows[10], 0.5, 0.5, 0.9 * sqrt(0.5), 1); /* 127 high */
    const struct spot_prior_level beyond = {2, 80, 10, 10, 1, 0, {0}};
    spot_priors_fill(&beyond, 1, 100, rows[0]);
    check_row(rows[3], 1, 1, 0.1, 0.1); /* centre at 120 */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(priors_follow_level_row_column_and_place_in_the_cell),
        cmocka_unit_test(each_number_is_clamped_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
