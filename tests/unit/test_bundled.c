/* Files that come with the program, and models that are completed with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/backend.h"
#include "server/backend_choice.h"
#include "server/bundled.h"

static void a_file_is_found_from_where_the_executable_lies(void **state) {
    (void)state;
    static const char *const folders[] = {"no-such-folder", ".", NULL};
    char path[PATH_MAX];
    struct spot_error error;
    assert_int_equal(spot_bundled_path(folders, "test_bundled", path, &error), SPOT_OK);
    assert_int_equal(path[0], '/');
    assert_non_null(strstr(path, "/tests/test_bundled"));
}

static void a_file_that_is_nowhere_is_named(void **state) {
    (void)state;
    static const char *const folders[] = {".", "..", NULL};
    char path[PATH_MAX];
    struct spot_error error;
    assert_int_equal(spot_bundled_path(folders, "no-such-file", path, &error), SPOT_NOT_FOUND);
    assert_non_null(strstr(error.text, "'no-such-file'"));
}

static void every_bundled_file_is_in_the_source(void **state) {
    (void)state;
    for (const struct spot_bundled *item = spot_bundled_table; item->name != NULL; item++) {
        char path[512];
        snprintf(path, sizeof path, SPOT_SOURCE "/models/weights/%s", item->file);
        FILE *file = fopen(path, "rb");
        if (file == NULL)
            fail_msg("%s is not there", path);
        else
            fclose(file);
        assert_ptr_equal(spot_bundled_find(item->detector), item);
    }
}

static void a_model_without_weights_of_its_own_says_how_to_name_them(void **state) {
    (void)state;
    struct spot_options options;
    struct spot_error error;
    spot_options_init(&options);
    options.models[0].name = "mine";
    options.models[0].detector = "rfsong-779";
    options.model_count = 1;
    assert_int_equal(spot_bundled_complete(&options, &error), SPOT_NOT_FOUND);
    assert_non_null(strstr(error.text, "'mine'"));
    assert_non_null(strstr(error.text, "--model rfsong-779=FILE"));
    spot_options_free(&options);
}

static void weights_that_were_named_are_left_as_they_are(void **state) {
    (void)state;
    struct spot_options options;
    struct spot_error error;
    spot_options_init(&options);
    options.models[0].name = options.models[0].detector = "nanodet-m-320";
    options.models[0].weights = "mine.safetensors";
    options.model_count = 1;
    assert_int_equal(spot_bundled_complete(&options, &error), SPOT_OK);
    assert_int_equal(options.model_count, 1);
    assert_string_equal(options.models[0].weights, "mine.safetensors");
    spot_options_free(&options);
}

static void a_backend_is_opened_by_its_name(void **state) {
    (void)state;
    struct spot_options options;
    struct spot_device *device;
    struct spot_error error;
    spot_options_init(&options);
    options.backend = "reference";
    assert_int_equal(spot_server_device_open(&options, &device, &error), SPOT_OK);
    assert_string_equal(device->backend->name, "reference");
    spot_device_close(&device);
    spot_options_free(&options);
}

static void cuda_that_is_asked_for_and_missing_is_an_error(void **state) {
    (void)state;
    struct spot_options options;
    struct spot_device *device;
    struct spot_error error;
    spot_options_init(&options);
    options.backend = "cuda";
    options.cuda.plugin = "no/such/plug-in.so";
    assert_int_equal(spot_server_device_open(&options, &device, &error), SPOT_NOT_FOUND);
    assert_null(device);
    assert_non_null(strstr(error.text, "no/such/plug-in.so"));
    spot_options_free(&options);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_found_from_where_the_executable_lies),
        cmocka_unit_test(a_file_that_is_nowhere_is_named),
        cmocka_unit_test(every_bundled_file_is_in_the_source),
        cmocka_unit_test(a_model_without_weights_of_its_own_says_how_to_name_them),
        cmocka_unit_test(weights_that_were_named_are_left_as_they_are),
        cmocka_unit_test(a_backend_is_opened_by_its_name),
        cmocka_unit_test(cuda_that_is_asked_for_and_missing_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
