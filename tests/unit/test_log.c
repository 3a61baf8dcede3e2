/* The log: what a line looks like, what it never lets through, and that lines stay whole. */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/log.h"

static const int64_t time_ms = 1769860800123;

#define LINE(line, format, ...)                                                                    \
    spot_log_line(line, format, SPOT_LOG_INFO, time_ms,                                            \
                  (const struct spot_log_field[]){__VA_ARGS__, {SPOT_LOG_END, 0, {0}}})

static void a_logfmt_line_has_time_level_and_fields(void **state) {
    (void)state;
    char line[SPOT_LOG_LINE_MAX + 1];
    LINE(line, SPOT_LOG_LOGFMT, spot_event("request"), spot_text("path", "/detect"),
         spot_int("status", 200), spot_number("total_ms", 8.61449), spot_bool("late", false));
    assert_string_equal(line,
                        "time=2026-01-31T12:00:00.123Z level=info event=request path=/detect "
                        "status=200 total_ms=8.614 late=false\n");
}

static void a_json_line_holds_the_same(void **state) {
    (void)state;
    char line[SPOT_LOG_LINE_MAX + 1];
    LINE(line, SPOT_LOG_JSON, spot_event("request"), spot_text("path", "/detect"),
         spot_int("status", -1), spot_number("total_ms", INFINITY), spot_bool("late", true));
    assert_string_equal(line,
                        "{\"time\":\"2026-01-31T12:00:00.123Z\",\"level\":\"info\","
                        "\"event\":\"request\",\"path\":\"/detect\",\"status\":-1,"
                        "\"total_ms\":null,\"late\":true}\n");
}

static void a_text_that_is_null_is_left_out(void **state) {
    (void)state;
    char line[SPOT_LOG_LINE_MAX + 1];
    LINE(line, SPOT_LOG_LOGFMT, spot_event("x"), spot_text("id", NULL), spot_int("n", 1));
    assert_string_equal(line, "time=2026-01-31T12:00:00.123Z level=info event=x n=1\n");
}

static void texts_are_quoted_and_escaped(void **state) {
    (void)state;
    static const struct {
        const char *text, *logfmt, *json;
    } cases[] = {
        {"plain", "plain", "\"plain\""},
        {"", "\"\"", "\"\""},
        {"two words", "\"two words\"", "\"two words\""},
        {"a=b", "\"a=b\"", "\"a=b\""},
        {"say \"hi\"", "\"say \\\"hi\\\"\"", "\"say \\\"hi\\\"\""},
        {"back\\slash", "\"back\\\\slash\"", "\"back\\\\slash\""},
        {"line\nlevel=error", "\"line\\nlevel=error\"", "\"line\\nlevel=error\""},
        {"\r\t\033[2J\x7f", "\"\\u000d\\u0009\\u001b[2J\\u007f\"",
         "\"\\u000d\\u0009\\u001b[2J\\u007f\""},
        {"\xc3\xa9t\xc3\xa9", "\"\xc3\xa9t\xc3\xa9\"", "\"\xc3\xa9t\xc3\xa9\""},
        {"\xc2\x9b"
         "31m",
         "\"\\u009b31m\"", "\"\\u009b31m\""},                     /* a control character of C1 */
        {"\xff", "\"\\ufffd\"", "\"\\ufffd\""},                   /* no UTF-8 at all */
        {"\xc0\xaf", "\"\\ufffd\\ufffd\"", "\"\\ufffd\\ufffd\""}, /* over-long */
        {"\xed\xa0\x80x", "\"\\ufffd\\ufffd\\ufffdx\"", "\"\\ufffd\\ufffd\\ufffdx\""},
        {"\xe2\x82", "\"\\ufffd\\ufffd\"", "\"\\ufffd\\ufffd\""}, /* cut in two */
        {"\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\"", "\"\xf0\x9f\x98\x80\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[SPOT_LOG_LINE_MAX + 1], expected[256];
        LINE(line, SPOT_LOG_LOGFMT, spot_text("v", cases[i].text));
        snprintf(expected, sizeof expected, " v=%s\n", cases[i].logfmt);
        assert_string_equal(strstr(line, " v="), expected);
        LINE(line, SPOT_LOG_JSON, spot_text("v", cases[i].text));
        snprintf(expected, sizeof expected, "\"v\":%s}\n", cases[i].json);
        assert_string_equal(strstr(line, "\"v\""), expected);
    }
}

/* A JSON line parses whatever bytes a text is made of and however long it is. */
static void a_json_line_is_json_whatever_the_text(void **state) {
    (void)state;
    uint32_t random = 1;
    for (int round = 0; round < 500; round++) {
        char text[1500], line[SPOT_LOG_LINE_MAX + 1];
        random = random * 1664525 + 1013904223;
        size_t length = (random >> 8) % sizeof text;
        for (size_t i = 0; i < length; i++) {
            random = random * 1664525 + 1013904223;
            text[i] = (char)((random >> 24) % 255 + 1);
        }
        text[length] = '\0';
        size_t size = LINE(line, SPOT_LOG_JSON, spot_text("a", text), spot_text("b", text),
                           spot_text("c", text), spot_text("d", text), spot_text("e", text));
        assert_true(size <= SPOT_LOG_LINE_MAX);
        assert_ptr_equal(strchr(line, '\n'), line + size - 1);
        json_error_t error;
        json_t *json = json_loads(line, JSON_REJECT_DUPLICATES, &error);
        if (json == NULL)
            fail_msg("%s in %s", error.text, line);
        json_decref(json);
    }
}

static void a_long_text_is_shortened_and_marked(void **state) {
    (void)state;
    char text[5000], line[SPOT_LOG_LINE_MAX + 1];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    LINE(line, SPOT_LOG_LOGFMT, spot_text("v", text), spot_int("n", 7));
    assert_int_equal(strspn(strstr(line, " v=\"") + 4, "x"), SPOT_LOG_TEXT_MAX);
    assert_non_null(strstr(line, "\" n=7 truncated=true\n"));
}

static void fields_beyond_the_line_are_left_out_whole(void **state) {
    (void)state;
    struct spot_log_field fields[1001];
    for (int i = 0; i < 1000; i++)
        fields[i] = spot_text("key", "0123456789");
    fields[1000] = (struct spot_log_field){SPOT_LOG_END, 0, {0}};
    for (int format = SPOT_LOG_LOGFMT; format <= SPOT_LOG_JSON; format++) {
        char line[SPOT_LOG_LINE_MAX + 1];
        size_t size =
            spot_log_line(line, (enum spot_log_format)format, SPOT_LOG_WARN, time_ms, fields);
        assert_in_range(size, SPOT_LOG_LINE_MAX - 100, SPOT_LOG_LINE_MAX);
        const char *end = format == SPOT_LOG_JSON ? "\"key\":\"0123456789\",\"truncated\":true}\n"
                                                  : "key=0123456789 truncated=true\n";
        assert_string_equal(line + size - strlen(end), end);
    }
}

/* Standard error turned into a pipe, and back. */
struct capture {
    int kept, reader;
};

static void capture_begin(struct capture *capture) {
    int ends[2];
    capture->kept = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    capture->reader = ends[0];
}

static void capture_end(struct capture *capture) {
    dup2(capture->kept, STDERR_FILENO);
    close(capture->kept);
}

static void levels_below_the_least_are_silent(void **state) {
    (void)state;
    struct capture capture;
    char text[1024];
    capture_begin(&capture);
    spot_log_setup_by_name("warn", "logfmt");
    errno = 42;
    spot_log(SPOT_LOG_DEBUG, spot_event("no"));
    spot_log(SPOT_LOG_INFO, spot_event("no"));
    spot_log(SPOT_LOG_WARN, spot_event("yes"));
    spot_log_setup_by_name("error", "json");
    spot_log(SPOT_LOG_WARN, spot_event("no"));
    spot_log(SPOT_LOG_ERROR, spot_event("yes"));
    assert_int_equal(errno, 42);
    capture_end(&capture);
    ssize_t size = read(capture.reader, text, sizeof text - 1);
    assert_true(size > 0);
    text[size] = '\0';
    close(capture.reader);
    assert_null(strstr(text, "no"));
    assert_non_null(strstr(text, " level=warn event=yes\n"));
    assert_non_null(strstr(text, ",\"level\":\"error\",\"event\":\"yes\"}\n"));
    spot_log_setup(SPOT_LOG_INFO, SPOT_LOG_LOGFMT);
}

static void a_closed_standard_error_does_no_harm(void **state) {
    (void)state;
    int kept = dup(STDERR_FILENO);
    close(STDERR_FILENO);
    spot_log(SPOT_LOG_ERROR, spot_event("unheard"));
    dup2(kept, STDERR_FILENO);
    close(kept);
}

enum { THREADS = 4, LINES = 200 };

static void *log_many(void *letter) {
    char text[SPOT_LOG_TEXT_MAX + 1];
    memset(text, *(const char *)letter, SPOT_LOG_TEXT_MAX);
    text[SPOT_LOG_TEXT_MAX] = '\0';
    for (int i = 0; i < LINES; i++)
        spot_log(SPOT_LOG_INFO, spot_event("x"), spot_text("a", text), spot_text("b", text),
                 spot_text("c", text));
    return NULL;
}

static void lines_of_several_threads_do_not_mix(void **state) {
    (void)state;
    struct capture capture;
    pthread_t threads[THREADS];
    static const char *const letters[THREADS] = {"p", "q", "r", "s"};
    capture_begin(&capture);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, log_many, (void *)letters[i]);

    FILE *in = fdopen(capture.reader, "r");
    char line[2 * SPOT_LOG_LINE_MAX];
    int whole = 0;
    for (int i = 0; i < THREADS * LINES && fgets(line, sizeof line, in) != NULL; i++) {
        const char *a = strstr(line, " a="), *b = strstr(line, " b="), *c = strstr(line, " c=");
        char letter[2] = {a != NULL ? a[3] : '?', '\0'};
        whole += strncmp(line, "time=", 5) == 0 && a != NULL && b != NULL && c != NULL &&
                 strspn(a + 3, letter) == SPOT_LOG_TEXT_MAX &&
                 strspn(b + 3, letter) == SPOT_LOG_TEXT_MAX &&
                 strspn(c + 3, letter) == SPOT_LOG_TEXT_MAX && c[3 + SPOT_LOG_TEXT_MAX] == '\n';
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    capture_end(&capture);
    fclose(in);
    assert_int_equal(whole, THREADS * LINES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_logfmt_line_has_time_level_and_fields),
        cmocka_unit_test(a_json_line_holds_the_same),
        cmocka_unit_test(a_text_that_is_null_is_left_out),
        cmocka_unit_test(texts_are_quoted_and_escaped),
        cmocka_unit_test(a_json_line_is_json_whatever_the_text),
        cmocka_unit_test(a_long_text_is_shortened_and_marked),
        cmocka_unit_test(fields_beyond_the_line_are_left_out_whole),
        cmocka_unit_test(levels_below_the_least_are_silent),
        cmocka_unit_test(a_closed_standard_error_does_no_harm),
        cmocka_unit_test(lines_of_several_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
