/* From options to models: weights that come with the program, digests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "server/digest.h"
#include "server/installed.h"
#include "server/model_setup.h"

static void a_model_without_weights_of_its_own_says_how_to_name_them(void **state) {
    (void)state;
    struct spot_options options;
    struct spot_error error;
    spot_options_init(&options);
    options.models[0].name = "mine";
    options.models[0].detector = "rfsong-779";
    options.model_count = 1;
    assert_int_equal(spot_model_setup_complete(&options, &error), SPOT_NOT_FOUND);
    assert_non_null(strstr(error.text, "'rfsong-779'"));
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
    assert_int_equal(spot_model_setup_complete(&options, &error), SPOT_OK);
    assert_int_equal(options.model_count, 1);
    assert_string_equal(options.models[0].weights, "mine.safetensors");
    spot_options_free(&options);
}

static void flags_for_every_model_reach_the_bundled_one(void **state) {
    (void)state;
    char words[][16] = {"detect", "--confidence", "0.7"};
    char *argv[] = {words[0], words[1], words[2], NULL};
    struct spot_options options;
    struct spot_arguments arguments;
    struct spot_error error;
    assert_int_equal(
        spot_options_parse(&options, SPOT_FOR_DETECT, NULL, 3, argv, &arguments, &error), SPOT_OK);
    /* A test lies elsewhere than the program, so the weights themselves are not found from here. */
    assert_int_equal(spot_model_setup_complete(&options, &error), SPOT_NOT_FOUND);
    assert_int_equal(options.model_count, 1);
    assert_string_equal(options.models[0].name, SPOT_BUNDLED_NAME);
    assert_string_equal(options.models[0].detector, SPOT_BUNDLED_DETECTOR);
    assert_true(options.models[0].confidence > 0.69 && options.models[0].confidence < 0.71);
    spot_options_free(&options);
}

static void the_digest_of_a_file_is_that_of_its_bytes(void **state) {
    (void)state;
    char text[SPOT_DIGEST_MAX];
    struct spot_error error;
    FILE *file = fopen("test_model_setup.tmp", "wb");
    assert_non_null(file);
    assert_int_equal(fputs("abc", file) >= 0 && fclose(file) == 0, 1);
    assert_int_equal(spot_file_digest("test_model_setup.tmp", text, &error), SPOT_OK);
    remove("test_model_setup.tmp");
    /* FIPS 180-2, appendix B.1 */
    assert_string_equal(text,
                        "sha256:"
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(spot_file_digest("no/such/file", text, &error), SPOT_IO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_without_weights_of_its_own_says_how_to_name_them),
        cmocka_unit_test(weights_that_were_named_are_left_as_they_are),
        cmocka_unit_test(flags_for_every_model_reach_the_bundled_one),
        cmocka_unit_test(the_digest_of_a_file_is_that_of_its_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
