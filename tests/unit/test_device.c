/* Which backend "auto" takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/device.h"

static void check_choice(const char *precision, const char *reason) {
    struct spot_options options;
    struct spot_chosen_device chosen;
    struct spot_error error;
    spot_options_init(&options);
    options.models[0].precision = precision;
    options.cuda.plugin = "/no/such/plug-in.so";
    assert_int_equal(spot_device_choose(&options, &chosen, &error), SPOT_OK);
    assert_string_equal(chosen.backend, "cpu");
    assert_non_null(strstr(chosen.passed_over, reason));
    spot_device_close(&chosen.device);
    spot_options_free(&options);
}

static void auto_looks_for_a_gpu_first(void **state) {
    (void)state;
    check_choice("auto", "/no/such/plug-in.so");
}

static void auto_takes_the_cpu_for_int8_and_says_why(void **state) {
    (void)state;
    check_choice("int8", "int8 is computed on the CPU only");
}

static void one_model_in_int8_takes_all_to_the_cpu(void **state) {
    (void)state;
    struct spot_options options;
    struct spot_chosen_device chosen;
    struct spot_error error;
    spot_options_init(&options);
    options.model_count = 2;
    options.models[0].precision = "f32";
    options.models[1] = options.models[0];
    options.models[1].precision = "int8";
    options.cuda.plugin = "/no/such/plug-in.so";
    assert_int_equal(spot_device_choose(&options, &chosen, &error), SPOT_OK);
    assert_string_equal(chosen.passed_over, "int8 is computed on the CPU only");
    spot_device_close(&chosen.device);
    spot_options_free(&options);
}

static void cuda_by_name_is_not_replaced(void **state) {
    (void)state;
    struct spot_options options;
    struct spot_chosen_device chosen;
    struct spot_error error;
    spot_options_init(&options);
    options.backend = "cuda";
    options.models[0].precision = "int8";
    options.cuda.plugin = "/no/such/plug-in.so";
    assert_int_not_equal(spot_device_choose(&options, &chosen, &error), SPOT_OK);
    assert_non_null(strstr(error.text, "/no/such/plug-in.so"));
    spot_options_free(&options);
}

int main(void) {
    spot_device_register_backends();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auto_looks_for_a_gpu_first),
        cmocka_unit_test(auto_takes_the_cpu_for_int8_and_says_why),
        cmocka_unit_test(one_model_in_int8_takes_all_to_the_cpu),
        cmocka_unit_test(cuda_by_name_is_not_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
