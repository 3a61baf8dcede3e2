/* Options: the environment, the command line, the order of the four sources, printing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/options.h"
#include "server/options_table.h"

static char config_path[] = "/tmp/spotter-test-XXXXXX";

static int set_up(void **state) {
    (void)state;
    char name[SPOT_OPTION_NAME_MAX];
    for (const struct spot_option *option = spot_option_table; option->key != NULL; option++)
        unsetenv(spot_option_variable(option, name));
    return 0;
}

static void write_config(const char *text) {
    FILE *file = fopen(config_path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* Parses words, ended by NULL, as what follows `spotter serve`. */
static enum spot_status parse(struct spot_options *options, const char **words,
                              struct spot_arguments *arguments, struct spot_error *error) {
    char *argv[16] = {(char *)"serve"};
    int argc = 1;
    for (; words[argc - 1] != NULL; argc++)
        argv[argc] = (char *)words[argc - 1];
    return spot_options_parse(options, SPOT_FOR_SERVE, NULL, argc, argv, arguments, error);
}

#define PARSE(options, ...)                                                                        \
    do {                                                                                           \
        struct spot_error error_ = {0};                                                            \
        struct spot_arguments arguments_;                                                          \
        if (parse(options, (const char *[]){__VA_ARGS__, NULL}, &arguments_, &error_) != SPOT_OK)  \
            fail_msg("%s", error_.text);                                                           \
    } while (0)

#define PARSE_FAILS(expected, ...)                                                                 \
    do {                                                                                           \
        struct spot_options options_;                                                              \
        struct spot_error error_ = {0};                                                            \
        struct spot_arguments arguments_;                                                          \
        if (parse(&options_, (const char *[]){__VA_ARGS__, NULL}, &arguments_, &error_) ==         \
            SPOT_OK)                                                                               \
            fail_msg("accepted, expected: %s", expected);                                          \
        assert_string_equal(error_.text, expected);                                                \
    } while (0)

/* The text of an option as the file that spot_options_print_json writes has it. */
static char *print(const struct spot_options *options) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    struct spot_error error = {0};
    if (spot_options_print_json(options, out, &error) != SPOT_OK)
        fail_msg("%s", error.text);
    fclose(out);
    return text;
}

static void flags_win_over_variables_over_the_file_over_defaults(void **state) {
    (void)state;
    static const struct {
        const char *variable, *in_variable;
        const char *in_file;
        const char *flag;
        const char *shown[4]; /* by source, the weakest first */
    } cases[] = {
        {"SPOTTER_LISTEN_PORT",
         "3",
         "{\"listen\": {\"port\": 2}}",
         "--listen-port=4",
         {"\"port\": 8080,", "\"port\": 2,", "\"port\": 3,", "\"port\": 4,"}},
        {"SPOTTER_LIMITS_BODY_BYTES",
         "3K",
         "{\"limits\": {\"body_bytes\": 2048}}",
         "--limits-body-bytes=4096",
         {"\"body_bytes\": 16777216,", "\"body_bytes\": 2048,", "\"body_bytes\": 3072,",
          "\"body_bytes\": 4096,"}},
        {"SPOTTER_BACKEND",
         "cuda",
         "{\"backend\": \"cpu\"}",
         "--backend=null",
         {"\"backend\": \"auto\"", "\"backend\": \"cpu\"", "\"backend\": \"cuda\"",
          "\"backend\": \"null\""}},
        {"SPOTTER_LOG_ACCESS",
         "true",
         "{\"log\": {\"access\": false}}",
         "--log-access=false",
         {"\"access\": true", "\"access\": false", "\"access\": true", "\"access\": false"}},
        {"SPOTTER_LISTEN_ADDRESS",
         "c",
         "{\"listen\": {\"address\": \"b\"}}",
         "--listen-address=d",
         {"\"address\": \"127.0.0.1\"", "\"address\": \"b\"", "\"address\": \"c\"",
          "\"address\": \"d\""}},
        {"SPOTTER_CUDA_PLUGIN",
         "/c",
         "{\"cuda\": {\"plugin\": \"/b\"}}",
         "--cuda-plugin=/d",
         {"\"metrics\"", "\"plugin\": \"/b\"", "\"plugin\": \"/c\"", "\"plugin\": \"/d\""}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int source = 0; source < 4; source++) {
            struct spot_options options;
            write_config(source >= 1 ? cases[i].in_file : "{}");
            if (source >= 2)
                setenv(cases[i].variable, cases[i].in_variable, 1);
            if (source >= 3)
                PARSE(&options, cases[i].flag, "--config", config_path);
            else
                PARSE(&options, "--config", config_path);
            unsetenv(cases[i].variable);
            char *text = print(&options);
            if (strstr(text, cases[i].shown[source]) == NULL)
                fail_msg("no %s in %s", cases[i].shown[source], text);
            free(text);
            spot_options_free(&options);
        }
}

static void the_config_file_may_be_named_by_a_variable(void **state) {
    (void)state;
    struct spot_options options;
    write_config("{\"workers\": 7}");
    setenv("SPOTTER_CONFIG", config_path, 1);
    PARSE(&options, NULL);
    assert_int_equal(options.workers, 7);
    assert_string_equal(options.config, config_path);
    spot_options_free(&options);
    PARSE_FAILS("/nowhere/c.json: No such file or directory", "--config", "/nowhere/c.json");
    setenv("SPOTTER_CONFIG", "", 1);
    PARSE(&options, NULL);
    assert_int_equal(options.workers, 0);
    assert_null(options.config);
    spot_options_free(&options);
}

static void models_on_the_command_line_replace_those_of_file_and_variable(void **state) {
    (void)state;
    struct spot_options options;
    write_config("{\"models\": [{\"detector\": \"a\", \"iou\": 0.1}, {\"detector\": \"b\"}]}");
    PARSE(&options, "--config", config_path);
    assert_int_equal(options.model_count, 2);
    assert_true(options.models[0].iou == 0.1);
    spot_options_free(&options);

    setenv("SPOTTER_MODEL", "c=/w/c.safetensors,d", 1);
    PARSE(&options, "--config", config_path);
    assert_int_equal(options.model_count, 2);
    assert_string_equal(options.models[0].name, "c");
    assert_string_equal(options.models[0].detector, "c");
    assert_string_equal(options.models[0].weights, "/w/c.safetensors");
    assert_string_equal(options.models[1].name, "d");
    assert_null(options.models[1].weights);
    assert_true(options.models[0].iou < 0);
    spot_options_free(&options);

    PARSE(&options, "--model", "e=x=y", "--config", config_path, "--model=f");
    assert_int_equal(options.model_count, 2);
    assert_string_equal(options.models[0].name, "e");
    assert_string_equal(options.models[0].weights, "x=y");
    assert_string_equal(options.models[1].name, "f");
    spot_options_free(&options);
}

static void flags_of_a_model_go_to_every_model(void **state) {
    (void)state;
    struct spot_options options;
    setenv("SPOTTER_CONFIDENCE", "0.25", 1);
    setenv("SPOTTER_PRECISION", "bf16", 1);
    PARSE(&options, "--precision", "f32", "--suppression", "all", "--model", "a", "--model", "b");
    for (int i = 0; i < 2; i++) {
        assert_string_equal(options.models[i].precision, "f32");
        assert_true(options.models[i].confidence == 0.25);
        assert_string_equal(options.models[i].suppression, "all");
    }
    spot_options_free(&options);

    write_config("{\"models\": [{\"detector\": \"a\", \"precision\": \"f16\"}]}");
    PARSE(&options, "--config", config_path, "--iou=1");
    assert_string_equal(options.models[0].precision, "bf16");
    assert_true(options.models[0].iou == 1.0);
    spot_options_free(&options);

    PARSE(&options, "--max-detections", "5");
    assert_int_equal(options.model_count, 0);
    assert_null(options.models[0].detector);
    assert_int_equal(options.models[0].max_detections, 5); /* for the command's own choice */
    spot_options_free(&options);
}

static void listen_takes_host_and_port(void **state) {
    (void)state;
    static const struct {
        const char *text, *address;
        int port;
    } good[] = {{"0.0.0.0:80", "0.0.0.0", 80},
                {"[::1]:0", "::1", 0},
                {"localhost:65535", "localhost", 65535}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct spot_options options;
        PARSE(&options, "--listen", good[i].text);
        assert_string_equal(options.listen.address, good[i].address);
        assert_int_equal(options.listen.port, good[i].port);
        spot_options_free(&options);
    }
    static const char *const bad[] = {"8080", ":8080", "::1:8080", "[::1", "[]:1", ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char expected[160], flag[64];
        snprintf(flag, sizeof flag, "--listen=%s", bad[i]);
        snprintf(expected, sizeof expected,
                 "--listen: found \"%s\", expected HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080",
                 bad[i]);
        PARSE_FAILS(expected, flag);
    }
    PARSE_FAILS("--listen: found \"x\", expected a whole number from 0 to 65535", "--listen",
                "a:x");
    PARSE_FAILS("--listen: found \"\", expected a whole number from 0 to 65535", "--listen", "a:");
}

static void the_narrower_variable_wins(void **state) {
    (void)state;
    struct spot_options options;
    setenv("SPOTTER_LISTEN_PORT", "2", 1);
    setenv("SPOTTER_LISTEN", "0.0.0.0:1", 1);
    PARSE(&options, NULL);
    assert_string_equal(options.listen.address, "0.0.0.0");
    assert_int_equal(options.listen.port, 2);
    spot_options_free(&options);
}

static void bad_flags_are_refused_by_name(void **state) {
    (void)state;
    PARSE_FAILS("unknown option '--lisen'; did you mean '--listen'?", "--lisen", "a:1");
    PARSE_FAILS("unknown option '--entirely-different'", "--entirely-different");
    PARSE_FAILS("unknown option '-x'", "-x");
    PARSE_FAILS("unknown option '--name'", "--name=x"); /* only in the file */
    PARSE_FAILS("--backend: needs a value, NAME", "--backend");
    PARSE_FAILS("--backend: needs a value, NAME", "--backend", "--listen");
    PARSE_FAILS("--backend: found \"\", expected one of auto, cuda, cpu, reference, null",
                "--backend=");
    PARSE_FAILS("--iou: found \"-1\", expected a number from 0 to 1", "--iou", "-1");
    PARSE_FAILS("--log-access: found \"no\", expected true or false", "--log-access=no");
    PARSE_FAILS(
        "--model: found \"a/b\", expected a name of up to 127 letters, digits, '.', '_' and "
        "'-'",
        "--model", "a/b");
    PARSE_FAILS("--model: found \"\", expected a path", "--model", "a=");
    PARSE_FAILS("models[1].name: found \"a\", which models[0] has already", "--model=a",
                "--model=a");
    PARSE_FAILS(
        "limits.bytes_in_flight: found 1048576, expected at least limits.body_bytes, which "
        "is 16777216",
        "--limits-bytes-in-flight=1M");
}

static void bad_variables_are_refused_by_name(void **state) {
    (void)state;
    setenv("SPOTTER_LIMITS_SIDE", "big", 1);
    PARSE_FAILS("SPOTTER_LIMITS_SIDE: found \"big\", expected a whole number from 1 to 16384",
                NULL);
    unsetenv("SPOTTER_LIMITS_SIDE");
    setenv("SPOTTER_MODEL", "a,,b", 1);
    PARSE_FAILS(
        "SPOTTER_MODEL: found \"\", expected a name of up to 127 letters, digits, '.', '_' "
        "and '-'",
        NULL);
    unsetenv("SPOTTER_MODEL");
    setenv("SPOTTER_LIMIT_SIDE", "1", 1);
    PARSE_FAILS(
        "SPOTTER_LIMIT_SIDE: unknown environment variable; did you mean "
        "'SPOTTER_LIMITS_SIDE'?",
        NULL);
    unsetenv("SPOTTER_LIMIT_SIDE");
}

static void variables_that_kubernetes_sets_for_a_service_are_no_options(void **state) {
    (void)state;
    static const char *const links[][2] = {
        {"SPOTTER_SERVICE_HOST", "10.0.0.1"},       {"SPOTTER_SERVICE_PORT", "8080"},
        {"SPOTTER_SERVICE_PORT_HTTP", "8080"},      {"SPOTTER_PORT", "tcp://10.0.0.1:8080"},
        {"SPOTTER_PORT_8080_TCP_ADDR", "10.0.0.1"}, {"SPOTTER_GPU_PORT_80_TCP_PROTO", "tcp"},
    };
    struct spot_options options;
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        setenv(links[i][0], links[i][1], 1);
    PARSE(&options, NULL);
    spot_options_free(&options);
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        unsetenv(links[i][0]);
}

static void words_that_are_no_flags_are_arguments(void **state) {
    (void)state;
    struct spot_options options;
    struct spot_arguments arguments;
    struct spot_error error = {0};
    const char *words[] = {"a.png", "--workers", "2", "-", "--metrics", "b.png", "--", "--c", NULL};
    assert_int_equal(parse(&options, words, &arguments, &error), SPOT_OK);
    assert_int_equal(arguments.count, 4);
    assert_string_equal(arguments.items[0], "a.png");
    assert_string_equal(arguments.items[1], "-");
    assert_string_equal(arguments.items[2], "b.png");
    assert_string_equal(arguments.items[3], "--c");
    assert_int_equal(options.workers, 2);
    spot_options_free(&options);
}

static void a_failure_says_whether_the_call_or_a_file_is_wrong(void **state) {
    (void)state;
    struct spot_options options;
    struct spot_arguments arguments;
    struct spot_error error = {0};
    write_config("{\"x\": 1}");
    assert_int_not_equal(
        parse(&options, (const char *[]){"--config", config_path, NULL}, &arguments, &error),
        SPOT_OK);
    assert_false(arguments.wrong_usage);
    assert_int_not_equal(parse(&options, (const char *[]){"--iou=7", NULL}, &arguments, &error),
                         SPOT_OK);
    assert_true(arguments.wrong_usage);
}

static void a_command_has_flags_of_its_own(void **state) {
    (void)state;
    bool json = false;
    double seconds = 5;
    const char *batch = "1";
    int workers = 0;
    const struct spot_flag flags[] = {
        {"--json", NULL, SPOT_RULE_BOOL, &json, "Print JSON."},
        {"--seconds", "S", SPOT_RULE_NUMBER(0.1, 3600), &seconds, "Time to measure."},
        {"--batch", "LIST", SPOT_RULE_TEXT, &batch, "Batch sizes."},
        {"--workers", "N", SPOT_RULE_INT(1, 2), &workers, "Hides that of the table."},
        {0}};
    struct spot_options options;
    struct spot_arguments arguments;
    struct spot_error error = {0};
    char *argv[] = {(char *)"bench",       (char *)"--json",    (char *)"--batch", (char *)"1,8",
                    (char *)"--seconds=2", (char *)"--workers", (char *)"2",       NULL};
    assert_int_equal(
        spot_options_parse(&options, SPOT_FOR_SERVE, flags, 7, argv, &arguments, &error), SPOT_OK);
    assert_true(json);
    assert_true(seconds == 2.0);
    assert_string_equal(batch, "1,8");
    assert_int_equal(workers, 2);
    assert_int_equal(options.workers, 0);
    spot_options_free(&options);
    argv[6] = (char *)"3";
    assert_int_not_equal(
        spot_options_parse(&options, SPOT_FOR_SERVE, flags, 7, argv, &arguments, &error), SPOT_OK);
    assert_string_equal(error.text, "--workers: found \"3\", expected a whole number from 1 to 2");
}

/* Some allowed value that is not the default. */
static const char *another_value(const struct spot_option *option, char *text, size_t size) {
    const char *initial = option->initial != NULL ? option->initial : "";
    switch (option->rule.kind) {
    case SPOT_OPTION_BOOL:
        return strcmp(initial, "true") == 0 ? "false" : "true";
    case SPOT_OPTION_CHOICE:
        return option->rule.choices[strcmp(option->rule.choices[0], initial) == 0];
    case SPOT_OPTION_INT:
    case SPOT_OPTION_BYTES:
    case SPOT_OPTION_NUMBER:
        snprintf(text, size, "%.0f", option->rule.high);
        if (strcmp(text, initial) == 0)
            snprintf(text, size, "%.0f", option->rule.low);
        return text;
    default:
        return "/some";
    }
}

static void what_is_printed_reads_back_the_same(void **state) {
    (void)state;
    for (const struct spot_option *option = spot_option_table; option->key != NULL; option++) {
        if (option->sources != SPOT_SOURCES_ALL)
            continue;
        char flag[SPOT_OPTION_NAME_MAX], word[128], value[64];
        struct spot_options plain, options, again;
        spot_option_flag(option, flag);
        snprintf(word, sizeof word, "%s=%s", flag, another_value(option, value, sizeof value));
        const char *room =
            strstr(word, "body-bytes") != NULL ? "--limits-bytes-in-flight=2G" : "--workers=3";
        PARSE(&plain, "--model=a", room);
        PARSE(&options, "--model=a", room, word);
        char *without = print(&plain);
        char *first = print(&options);
        if (strcmp(first, without) == 0)
            fail_msg("%s changes nothing", word);
        write_config(first);
        PARSE(&again, "--config", config_path);
        char *second = print(&again);
        assert_string_equal(first, second);
        free(without);
        free(first);
        free(second);
        spot_options_free(&plain);
        spot_options_free(&options);
        spot_options_free(&again);
    }
}

static void relative_paths_are_printed_absolute(void **state) {
    (void)state;
    struct spot_options options;
    char here[4096], expected[5000];
    assert_non_null(getcwd(here, sizeof here));
    PARSE(&options, "--model=a=w.safetensors");
    assert_string_equal(options.models[0].weights, "w.safetensors");
    char *text = print(&options);
    snprintf(expected, sizeof expected, "\"weights\": \"%s/w.safetensors\"", here);
    assert_non_null(strstr(text, expected));
    free(text);
    spot_options_free(&options);

    PARSE(&options, "--model=a=\xff");
    struct spot_error error = {0};
    FILE *out = fopen("/dev/null", "w");
    assert_int_equal(spot_options_print_json(&options, out, &error), SPOT_INVALID);
    assert_string_equal(error.text, "models[].weights: cannot be written as JSON: not UTF-8");
    fclose(out);
    spot_options_free(&options);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(flags_win_over_variables_over_the_file_over_defaults, set_up),
        cmocka_unit_test_setup(the_config_file_may_be_named_by_a_variable, set_up),
        cmocka_unit_test_setup(models_on_the_command_line_replace_those_of_file_and_variable,
                               set_up),
        cmocka_unit_test_setup(flags_of_a_model_go_to_every_model, set_up),
        cmocka_unit_test_setup(listen_takes_host_and_port, set_up),
        cmocka_unit_test_setup(the_narrower_variable_wins, set_up),
        cmocka_unit_test_setup(bad_flags_are_refused_by_name, set_up),
        cmocka_unit_test_setup(bad_variables_are_refused_by_name, set_up),
        cmocka_unit_test_setup(variables_that_kubernetes_sets_for_a_service_are_no_options, set_up),
        cmocka_unit_test_setup(words_that_are_no_flags_are_arguments, set_up),
        cmocka_unit_test_setup(a_failure_says_whether_the_call_or_a_file_is_wrong, set_up),
        cmocka_unit_test_setup(a_command_has_flags_of_its_own, set_up),
        cmocka_unit_test_setup(what_is_printed_reads_back_the_same, set_up),
        cmocka_unit_test_setup(relative_paths_are_printed_absolute, set_up),
    };
    int file = mkstemp(config_path);
    if (file < 0)
        return 1;
    close(file);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(config_path);
    return failed;
}
