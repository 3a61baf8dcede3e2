/* Options: the table itself, values, and the config file with every kind of bad input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/options.h"
#include "server/options_table.h"

static enum spot_status read_text(struct spot_options *options, const char *text,
                                  struct spot_error *error) {
    spot_options_init(options);
    return spot_options_read_text(options, text, strlen(text), "c.json", "etc", error);
}

static void every_entry_of_the_table_is_complete(void **state) {
    (void)state;
    for (const struct spot_option *option = spot_option_table; option->key != NULL; option++) {
        char flag[SPOT_OPTION_NAME_MAX], other[SPOT_OPTION_NAME_MAX];
        union spot_option_value value;
        struct spot_error error = {0};
        if (option->initial != NULL &&
            spot_option_value_from_text(&option->rule, option->initial, &value, &error) != SPOT_OK)
            fail_msg("%s: its default: %s", option->key, error.text);
        if ((option->initial == NULL) == (option->unset == NULL))
            fail_msg("%s: has either a default or words for being unset", option->key);
        if (option->help[strlen(option->help) - 1] != '.')
            fail_msg("%s: its help is no sentence", option->key);
        if (option->sources != SPOT_SOURCES_FILE &&
            ((option->argument == NULL) != (option->rule.kind == SPOT_OPTION_BOOL) ||
             option->commands == 0))
            fail_msg("%s: its flag needs an argument and commands", option->key);
        spot_option_flag(option, flag);
        for (const struct spot_option *before = spot_option_table; before != option; before++)
            if (strcmp(spot_option_flag(before, other), flag) == 0 ||
                (option->set == NULL && before->set == NULL && before->offset == option->offset &&
                 spot_option_is_of_model(before) == spot_option_is_of_model(option)))
                fail_msg("%s and %s have a flag or variable in common", option->key, before->key);
    }
}

static void defaults_are_those_that_the_contract_names(void **state) {
    (void)state;
    struct spot_options options;
    spot_options_init(&options);
    assert_string_equal(options.listen.address, "127.0.0.1");
    assert_int_equal(options.listen.port, 8080);
    assert_string_equal(options.backend, "auto");
    assert_int_equal(options.model_count, 0);
    assert_int_equal(options.limits.body_bytes, 16777216);
    assert_int_equal(options.limits.pixels, 50000000);
    assert_int_equal(options.limits.side, 16384);
    assert_int_equal(options.limits.pictures, 16);
    assert_int_equal(options.limits.json_depth, 16);
    assert_int_equal(options.limits.header_bytes, 32768);
    assert_int_equal(options.limits.connections, 1024);
    assert_int_equal(options.limits.connections_per_address, 64);
    assert_int_equal(options.limits.header_timeout_ms, 10000);
    assert_int_equal(options.limits.body_timeout_ms, 30000);
    assert_int_equal(options.limits.upload_bytes_per_s, 16384);
    assert_int_equal(options.limits.queue_ms, 500);
    assert_true(options.metrics);
    assert_string_equal(options.models[0].precision, "auto");
    assert_true(options.models[0].confidence < 0 && options.models[0].iou < 0);
    spot_options_free(&options);
}

/* 6 bytes a pixel while a picture is decoded: server/http/task.c. */
static void the_largest_picture_that_is_allowed_has_room(void **state) {
    (void)state;
    struct spot_options options;
    spot_options_init(&options);
    size_t picture = 6 * (size_t)options.limits.pixels;
    assert_true(options.limits.bytes_in_flight >= picture + options.limits.body_bytes);
}

static void a_config_file_sets_what_it_names(void **state) {
    (void)state;
    struct spot_options options;
    struct spot_error error = {0};
    const char *text =
        "{ \"listen\": {\"port\": 9000}, \"backend\": \"cpu\", \"log\": {\"access\": false},"
        "  \"models\": [ {\"name\": \"a\", \"detector\": \"nanodet-m-320\", \"weights\": \"w.st\","
        "                 \"labels\": \"/l.txt\", \"precision\": \"bf16\", \"confidence\": 1,"
        "                 \"batch\": {\"max_size\": 4, \"max_delay_ms\": 0.5}},"
        "                {\"detector\": \"rfsong-779\"} ] }";
    if (read_text(&options, text, &error) != SPOT_OK)
        fail_msg("%s", error.text);
    assert_int_equal(options.listen.port, 9000);
    assert_string_equal(options.listen.address, "127.0.0.1");
    assert_string_equal(options.backend, "cpu");
    assert_false(options.log.access);
    assert_int_equal(options.model_count, 2);
    const struct spot_model_entry *model = options.models;
    assert_string_equal(model->name, "a");
    assert_string_equal(model->detector, "nanodet-m-320");
    assert_string_equal(model->weights, "etc/w.st");
    assert_string_equal(model->labels, "/l.txt");
    assert_string_equal(model->precision, "bf16");
    assert_true(model->confidence == 1.0 && model->iou < 0);
    assert_int_equal(model->batch.max_size, 4);
    assert_true(model->batch.max_delay_ms == 0.5);
    assert_string_equal(model[1].name, "rfsong-779");
    assert_null(model[1].weights);
    assert_string_equal(model[1].precision, "auto");
    assert_int_equal(model[1].batch.max_size, 8);
    spot_options_free(&options);
}

static void bad_config_files_are_refused_with_the_key_and_what_is_allowed(void **state) {
    (void)state;
#define DEEP "[[[[[[[[[[[[[[[["
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"", "c.json: line 1, column 0: '[' or '{' expected near end of file"},
        {"{\n  \"backend\": \"cpu\",\n}",
         "c.json: line 3, column 1: string or '}' expected near '}'"},
        {"{} {}", "c.json: line 1, column 4: end of file expected near '{'"},
        {"{\"backend\": \"cpu\", \"backend\": \"cpu\"}",
         "c.json: line 1, column 28: duplicate object key near '\"backend\"'"},
        {"{\"workers\": 99999999999999999999}",
         "c.json: line 1, column 32: too big integer near '99999999999999999999'"},
        {"\xef\xbb\xbf{}", "c.json: begins with a byte order mark; save it as UTF-8 without one"},
        {"{\"backend\": \"\xff\"}",
         "c.json: line 1, column 13: unable to decode byte 0xff near '\"'"},
        {"\n\n[" DEEP, "c.json: line 3: nested deeper than 16 levels"},
        {"[]", "c.json: expected an object, {...}"},
        {"{\"bakcend\": 1}", "c.json: bakcend: unknown key; did you mean 'backend'?"},
        {"{\"\": 1}", "c.json: : unknown key"},
        {"{\"listen.port\": 1}", "c.json: listen.port: unknown key"},
        {"{\"models[]\": {\"iou\": 1}}", "c.json: models[]: unknown key; did you mean 'models'?"},
        {"{\"config\": \"x\"}", "c.json: config: unknown key"},
        {"{\"model\": \"x\"}", "c.json: model: unknown key; did you mean 'models'?"},
        {"{\"a\\u001b[2J\": 1}", "c.json: a?[2J: unknown key"},
        {"{\"limits\": 3}", "c.json: limits: expected an object, {...}"},
        {"{\"limits\": {\"quue_ms\": 1}}",
         "c.json: limits.quue_ms: unknown key; did you mean 'queue_ms'?"},
        {"{\"limits\": {\"entirely_different\": 1}}",
         "c.json: limits.entirely_different: unknown key"},
        {"{\"limits\": {\"queue_ms\": \"500\"}}",
         "c.json: limits.queue_ms: found \"500\", expected a whole number from 1 to 600000"},
        {"{\"limits\": {\"queue_ms\": 0}}",
         "c.json: limits.queue_ms: found 0, expected a whole number from 1 to 600000"},
        {"{\"limits\": {\"queue_ms\": 5.0}}",
         "c.json: limits.queue_ms: found 5.0, expected a whole number from 1 to 600000"},
        {"{\"limits\": {\"queue_ms\": null}}",
         "c.json: limits.queue_ms: found null, expected a whole number from 1 to 600000"},
        {"{\"limits\": {\"side\": {\"x\": [1, 2]}}}",
         "c.json: limits.side: found {\"x\":[1,2]}, expected a whole number from 1 to 16384"},
        {"{\"limits\": {\"body_bytes\": \"16M\"}}",
         "c.json: limits.body_bytes: found \"16M\", expected a number of bytes from 1024 to "
         "1073741824"},
        {"{\"metrics\": 1}", "c.json: metrics: found 1, expected true or false"},
        {"{\"backend\": \"gpu\"}",
         "c.json: backend: found \"gpu\", expected one of auto, cuda, cpu, "
         "reference, null"},
        {"{\"backend\": null}",
         "c.json: backend: found null, expected one of auto, cuda, cpu, "
         "reference, null"},
        {"{\"listen\": {\"address\": \"\"}}",
         "c.json: listen.address: found \"\", expected a text without control characters"},
        {"{\"listen\": {\"address\": \"a\\nb\"}}",
         "c.json: listen.address: found \"a\\nb\", expected a text without control characters"},
        {"{\"cuda\": {\"plugin\": \"\"}}", "c.json: cuda.plugin: found \"\", expected a path"},
        {"{\"models\": {}}", "c.json: models: expected a list of objects"},
        {"{\"models\": [3]}", "c.json: models[0]: expected an object, {...}"},
        {"{\"models\": [{}]}", "c.json: models[0].detector: is missing"},
        {"{\"models\": [{\"detector\": \"a\"}, {\"detector\": \"b\", \"wieghts\": \"x\"}]}",
         "c.json: models[1].wieghts: unknown key; did you mean 'weights'?"},
        {"{\"models\": [{\"detector\": \"a\", \"batch\": {\"size\": 1}}]}",
         "c.json: models[0].batch.size: unknown key"},
        {"{\"models\": [{\"detector\": \"a\", \"confidence\": 1.5}]}",
         "c.json: models[0].confidence: found 1.5, expected a number from 0 to 1"},
        {"{\"models\": [{\"detector\": \"../a\"}]}",
         "c.json: models[0].detector: found \"../a\", expected a name of up to 127 letters, "
         "digits, "
         "'.', '_' and '-'"},
        {"{\"models\": [{\"detector\": \".\"}]}",
         "c.json: models[0].detector: found \".\", expected a name of up to 127 letters, digits, "
         "'.', '_' and '-'"},
        {"{\"models\": [{\"detector\": \"a\"}, {\"name\": \"a\", \"detector\": \"b\"}]}",
         "c.json: models[1].name: found \"a\", which models[0] has already"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct spot_options options;
        struct spot_error error = {0};
        if (read_text(&options, cases[i].text, &error) == SPOT_OK)
            fail_msg("accepted: %s", cases[i].text);
        assert_string_equal(error.text, cases[i].error);
        spot_options_free(&options);
    }
}

static void brackets_in_strings_are_not_nesting(void **state) {
    (void)state;
    struct spot_options options;
    struct spot_error error = {0};
    assert_int_equal(
        read_text(&options, "{\"listen\": {\"address\": \"\\\"" DEEP DEEP "\"}}", &error), SPOT_OK);
    spot_options_free(&options);
}

static void a_wrong_value_is_shown_short_and_without_control_characters(void **state) {
    (void)state;
    char text[400] = "{\"backend\": \"";
    for (int i = 0; i < 100; i++)
        strcat(text, "\xc3\xa9");
    strcat(text, "\"}");
    struct spot_options options;
    struct spot_error error = {0};
    assert_int_equal(read_text(&options, text, &error), SPOT_INVALID);
    const char *shown = strstr(error.text, "found \"") + 7;
    assert_int_equal(strspn(shown, "\xc3\xa9"), 62); /* whole characters within 64 bytes */
    assert_memory_equal(shown + 62, "..., expected", 13);
    spot_options_free(&options);

    struct spot_option_rule rule = SPOT_RULE_BOOL;
    union spot_option_value value;
    assert_int_equal(spot_option_value_from_text(&rule, "a\033b\n", &value, &error), SPOT_INVALID);
    assert_string_equal(error.text, "found \"a?b?\", expected true or false");
}

static void more_than_32_models_or_a_mebibyte_are_refused(void **state) {
    (void)state;
    char *text = malloc(SPOT_CONFIG_BYTES_MAX + 2);
    struct spot_options options;
    struct spot_error error = {0};
    strcpy(text, "{\"models\": [");
    for (int i = 0; i < SPOT_MODELS_MAX + 1; i++)
        sprintf(text + strlen(text), "%s{\"detector\": \"d%d\"}", i > 0 ? "," : "", i);
    strcat(text, "]}");
    assert_int_equal(read_text(&options, text, &error), SPOT_LIMIT);
    assert_string_equal(error.text, "c.json: models: more than 32 models");
    spot_options_free(&options);

    memset(text, ' ', SPOT_CONFIG_BYTES_MAX + 1);
    text[0] = '{';
    text[SPOT_CONFIG_BYTES_MAX - 1] = '}';
    text[SPOT_CONFIG_BYTES_MAX + 1] = '\0';
    assert_int_equal(read_text(&options, text, &error), SPOT_LIMIT);
    assert_string_equal(error.text, "c.json: is larger than 1048576 bytes");
    spot_options_free(&options);
    text[SPOT_CONFIG_BYTES_MAX] = '\0';
    assert_int_equal(read_text(&options, text, &error), SPOT_OK);
    spot_options_free(&options);
    free(text);
}

static void numbers_in_text_are_read_strictly(void **state) {
    (void)state;
    static const char *const bad[] = {
        "", "x", "1x", " 1", "1 ", "+1", "0x1", "1.0", "1e2", "99999999999999999999", "-1", "1K"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct spot_option_rule rule = SPOT_RULE_INT(0, 1000);
        union spot_option_value value;
        if (spot_option_value_from_text(&rule, bad[i], &value, NULL) == SPOT_OK)
            fail_msg("INT accepts \"%s\"", bad[i]);
    }
    static const char *const bad_numbers[] = {"",  "nan", "inf", "0x1p-1", "1.5.",
                                              ".", "e",   "2",   "-0.1"};
    for (size_t i = 0; i < sizeof bad_numbers / sizeof *bad_numbers; i++) {
        struct spot_option_rule rule = SPOT_RULE_NUMBER(0, 1);
        union spot_option_value value;
        if (spot_option_value_from_text(&rule, bad_numbers[i], &value, NULL) == SPOT_OK)
            fail_msg("NUMBER accepts \"%s\"", bad_numbers[i]);
    }
    static const struct {
        const char *text;
        size_t bytes;
    } sizes[] = {{"1024", 1024}, {"1K", 1024}, {"16M", 16777216}, {"1G", 1073741824}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct spot_option_rule rule = SPOT_RULE_BYTES(1, 1073741824);
        union spot_option_value value;
        assert_int_equal(spot_option_value_from_text(&rule, sizes[i].text, &value, NULL), SPOT_OK);
        assert_int_equal(value.bytes, sizes[i].bytes);
        assert_int_not_equal(spot_option_value_from_text(&rule, "9007199254740993G", &value, NULL),
                             SPOT_OK);
        assert_int_not_equal(spot_option_value_from_text(&rule, "2G", &value, NULL), SPOT_OK);
        assert_int_not_equal(spot_option_value_from_text(&rule, "K", &value, NULL), SPOT_OK);
        assert_int_not_equal(spot_option_value_from_text(&rule, "1KB", &value, NULL), SPOT_OK);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_entry_of_the_table_is_complete),
        cmocka_unit_test(defaults_are_those_that_the_contract_names),
        cmocka_unit_test(the_largest_picture_that_is_allowed_has_room),
        cmocka_unit_test(a_config_file_sets_what_it_names),
        cmocka_unit_test(bad_config_files_are_refused_with_the_key_and_what_is_allowed),
        cmocka_unit_test(brackets_in_strings_are_not_nesting),
        cmocka_unit_test(a_wrong_value_is_shown_short_and_without_control_characters),
        cmocka_unit_test(more_than_32_models_or_a_mebibyte_are_refused),
        cmocka_unit_test(numbers_in_text_are_read_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
