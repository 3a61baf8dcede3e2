/* How many processors a server takes for its own. */
#include "server/cpus.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_quota_is_rounded_up_to_whole_processors(void **state) {
    (void)state;
    assert_int_equal(spot_cpus_of_quota("200000 100000\n"), 2);
    assert_int_equal(spot_cpus_of_quota("150000 100000\n"), 2);
    assert_int_equal(spot_cpus_of_quota("50000 100000\n"), 1);
}

static void no_quota_and_nonsense_are_no_limit(void **state) {
    static const char *const texts[] = {"max 100000\n", "",  "100000",   "100000 0",
                                        "0 100000",     "x", "-1 10000", "99999999999999999999 1"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(spot_cpus_of_quota(texts[i]), 0);
}

static void affinity_is_kept_to(void **state) {
    cpu_set_t before, one;
    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    int first = 0;
    while (!CPU_ISSET((size_t)first, &before))
        first++;
    CPU_ZERO(&one);
    CPU_SET((size_t)first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    int usable = spot_cpus_usable();
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_int_equal(usable, 1);
    assert_true(spot_cpus_usable() >= 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quota_is_rounded_up_to_whole_processors),
        cmocka_unit_test(no_quota_and_nonsense_are_no_limit),
        cmocka_unit_test(affinity_is_kept_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
