/* Bodies of detection requests: pictures and parameters out of multipart and JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/http/body.h"

#define FORM "multipart/form-data; boundary=XX"
#define PART(name, data)                                                                           \
    "--XX\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" data "\r\n"
#define END "--XX--\r\n"

static const struct spot_body_limits limits = {.pictures = 3, .json_depth = 4};
static struct spot_arena arena;
static struct spot_params params;
static struct spot_body body;
static struct spot_error error;

static int set_up(void **state) {
    (void)state;
    memset(&params, 0, sizeof params);
    memset(&error, 0, sizeof error);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    spot_arena_free(&arena);
    return 0;
}

static enum spot_status read_bytes(const char *type, const char *bytes, size_t size) {
    set_up(NULL);
    return spot_body_read(type, (const uint8_t *)bytes, size, &limits, &arena, &params, &body,
                          &error);
}

static enum spot_status read_text(const char *type, const char *text) {
    return read_bytes(type, text, strlen(text));
}

static void expect_picture(int index, const char *text) {
    assert_true(index < body.count);
    assert_int_equal(body.pictures[index].size, strlen(text));
    assert_memory_equal(body.pictures[index].bytes, text, strlen(text));
}

static void the_form_follows_the_content_type(void **state) {
    (void)state;
    assert_int_equal(spot_body_form(NULL), SPOT_BODY_PICTURE);
    assert_int_equal(spot_body_form("image/jpeg"), SPOT_BODY_PICTURE);
    assert_int_equal(spot_body_form("application/x-www-form-urlencoded"), SPOT_BODY_PICTURE);
    assert_int_equal(spot_body_form("application/json; charset=utf-8"), SPOT_BODY_JSON);
    assert_int_equal(spot_body_form("Application/JSON"), SPOT_BODY_JSON);
    assert_int_equal(spot_body_form("application/jsonx"), SPOT_BODY_PICTURE);
    assert_int_equal(spot_body_form("multipart/form-data;boundary=x"), SPOT_BODY_MULTIPART);
}

static void other_bytes_are_one_picture(void **state) {
    (void)state;
    assert_int_equal(read_text(NULL, "whatever"), SPOT_OK);
    assert_int_equal(body.count, 1);
    assert_false(body.several);
    expect_picture(0, "whatever");
}

static void a_form_gives_pictures_and_parameters(void **state) {
    (void)state;
    assert_int_equal(read_text(FORM, PART("confidence", "0.5") PART("image", "one\r\n--X")
                                         PART("image", "") PART("id", "me") END),
                     SPOT_OK);
    assert_int_equal(body.count, 2);
    assert_true(body.several);
    expect_picture(0, "one\r\n--X");
    expect_picture(1, "");
    assert_true(params.confidence == 0.5F);
    assert_string_equal(params.id, "me");
}

static void one_picture_in_a_form_is_not_several(void **state) {
    (void)state;
    assert_int_equal(read_text(FORM, PART("image", "one") END), SPOT_OK);
    assert_int_equal(body.count, 1);
    assert_false(body.several);
}

static void a_form_may_be_written_in_other_ways(void **state) {
    (void)state;
    assert_int_equal(
        read_text("multipart/form-data; charset=x; boundary=\"a b'()+_,-./:=?\"",
                  "a preamble\r\n--a b'()+_,-./:=? \t\r\ncontent-type: image/jpeg\r\n"
                  "content-disposition:form-data;filename=\"a\\\"b;name=x.jpg\"; NAME=image\r\n"
                  "\r\nbytes\r\n--a b'()+_,-./:=?--and an epilogue"),
        SPOT_OK);
    assert_int_equal(body.count, 1);
    expect_picture(0, "bytes");
}

static void a_form_holds_any_bytes(void **state) {
    (void)state;
    static const char bytes[] =
        "--XX\r\nContent-Disposition: form-data; name=image\r\n\r\n"
        "\0\r\n\r\n--\xff\r\n--XX--";
    assert_int_equal(read_bytes(FORM, bytes, sizeof bytes - 1), SPOT_OK);
    assert_int_equal(body.pictures[0].size, 8);
}

static void a_broken_form_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *type, *text;
    } bad[] = {
        {"multipart/form-data", PART("image", "x") END},
        {"multipart/form-data; boundary=", PART("image", "x") END},
        {"multipart/form-data; boundary=\"XX", PART("image", "x") END},
        {"multipart/form-data; boundary=YY", PART("image", "x") END},
        {FORM, ""},
        {FORM, END},
        {FORM, "--XX\r\n\r\nno name\r\n" END},
        {FORM, "--XX\r\nContent-Disposition: form-data\r\n\r\nno name\r\n" END},
        {FORM, "--XX\r\nContent-Disposition: form-data; filename=\"image\"\r\n\r\nx\r\n" END},
        {FORM, "--XX\nContent-Disposition: form-data; name=\"image\"\n\nx\n--XX--\n"},
        {FORM, "--XX\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\nno end"},
        {FORM, "--XX\r\nContent-Disposition: form-data; name=\"image"},
        {FORM, PART("image", "x") "--XX"},
        {FORM, PART("image", "x") "--XXY\r\n"},
        {FORM, PART("confidence", "0.5") END},
        {FORM, PART("image", "x") PART("confidence", "5") END},
        {FORM, PART("image", "x") PART("iou", "0") PART("iou", "0") END},
        {FORM, PART("image", "x") PART("picture", "x") END},
        {FORM, PART("image", "x") "--XX\r\nContent-Disposition: form-data; name=\"id\"; "
                                  "filename=\"x.jpg\"\r\n\r\nx\r\n" END},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (read_text(bad[i].type, bad[i].text) != SPOT_INVALID)
            fail_msg("case %zu was taken", i);
        assert_true(strlen(error.text) > 10);
    }
}

static void a_form_cut_anywhere_is_refused_or_whole(void **state) {
    (void)state;
    static const char whole[] = PART("confidence", "0.5") PART("image", "abc") "--XX--";
    for (size_t size = 0; size < sizeof whole - 1; size++) {
        char *copy = malloc(size + 1); /* its end is where a sanitizer watches */
        memcpy(copy, whole, size);
        assert_int_equal(read_bytes(FORM, copy, size), SPOT_INVALID);
        free(copy);
    }
    assert_int_equal(read_bytes(FORM, whole, sizeof whole - 1), SPOT_OK);
}

static void too_many_pictures_are_a_limit(void **state) {
    (void)state;
    assert_int_equal(read_text(FORM, PART("image", "1") PART("image", "2") PART("image", "3")
                                         PART("image", "4") END),
                     SPOT_LIMIT);
    assert_int_equal(read_text("application/json", "{\"images\":[\"\",\"\",\"\",\"\"]}"),
                     SPOT_LIMIT);
}

static void json_gives_pictures_and_parameters(void **state) {
    (void)state;
    assert_int_equal(read_text("application/json",
                               "{\"image\":\"aGVsbG8=\",\"confidence\":0.25,\"max_detections\":7,"
                               "\"classes\":[\"car\",3],\"id\":\"\\u00fc\"}"),
                     SPOT_OK);
    assert_int_equal(body.count, 1);
    assert_false(body.several);
    expect_picture(0, "hello");
    assert_true(params.confidence == 0.25F);
    assert_int_equal(params.max_detections, 7);
    assert_string_equal(params.classes, "car,3");
    assert_string_equal(params.id, "\xc3\xbc");
}

static void a_list_of_pictures_is_several_even_when_it_holds_one(void **state) {
    (void)state;
    assert_int_equal(read_text("application/json", "{\"images\":[\"aGVsbG8=\"]}"), SPOT_OK);
    assert_int_equal(body.count, 1);
    assert_true(body.several);
}

static void broken_json_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "\"image\"",
        "{}",
        "{\"image\":1}",
        "{\"image\":\"!!!!\"}",
        "{\"image\":\"aGVsbG8\"}",
        "{\"image\":\"aGVsbG8=\",\"image\":\"aGVsbG8=\"}",
        "{\"image\":\"aGVsbG8=\",\"images\":[\"aGVsbG8=\"]}",
        "{\"images\":[]}",
        "{\"images\":\"aGVsbG8=\"}",
        "{\"images\":[1]}",
        "{\"image\":\"aGVsbG8=\"} x",
        "{\"image\":\"aGVsbG8=\",\"confidence\":\"high\"}",
        "{\"image\":\"aGVsbG8=\",\"confidence\":true}",
        "{\"image\":\"aGVsbG8=\",\"confidence\":null}",
        "{\"image\":\"aGVsbG8=\",\"confidence\":[0.5]}",
        "{\"image\":\"aGVsbG8=\",\"classes\":[[1]]}",
        "{\"image\":\"aGVsbG8=\",\"classes\":[]}",
        "{\"image\":\"aGVsbG8=\",\"picture\":1}",
        "{\"image\":\"aGVsbG8=\",\"id\":\"a\\u0000b\"}",
        "{\"image\":\"aGVsbG8=\",\"id\":\"\xff\"}",
        "{\"image\":[[[[[1]]]]]}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (read_text("application/json", bad[i]) != SPOT_INVALID)
            fail_msg("case %zu was taken: %s", i, bad[i]);
        assert_true(strlen(error.text) > 10);
    }
}

static void brackets_in_a_string_are_not_depth(void **state) {
    (void)state;
    assert_int_equal(
        read_text("application/json", "{\"image\":\"aGVsbG8=\",\"id\":\"[[[[[[[[\\\"[[[\"}"),
        SPOT_OK);
}

static void deep_json_is_refused_without_being_parsed(void **state) {
    (void)state;
    enum { DEEP = 1000000 };
    char *text = malloc(DEEP);
    memset(text, '[', DEEP);
    assert_int_equal(read_bytes("application/json", text, DEEP), SPOT_INVALID);
    assert_string_equal(error.text, "JSON: nested deeper than 4");
    free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_form_follows_the_content_type),
        TEST(other_bytes_are_one_picture),
        TEST(a_form_gives_pictures_and_parameters),
        TEST(one_picture_in_a_form_is_not_several),
        TEST(a_form_may_be_written_in_other_ways),
        TEST(a_form_holds_any_bytes),
        TEST(a_broken_form_is_refused),
        TEST(a_form_cut_anywhere_is_refused_or_whole),
        TEST(too_many_pictures_are_a_limit),
        TEST(json_gives_pictures_and_parameters),
        TEST(a_list_of_pictures_is_several_even_when_it_holds_one),
        TEST(broken_json_is_refused),
        TEST(brackets_in_a_string_are_not_depth),
        TEST(deep_json_is_refused_without_being_parsed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
