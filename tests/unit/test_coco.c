/* Annotations in COCO's layout: what is read, and what is refused with which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/eval/coco.h"

#define IMAGES "\"images\": [{\"id\": 9, \"file_name\": \"b\"}, {\"id\": 4, \"file_name\": \"a\"}]"
#define CATEGORIES                                                                                 \
    "\"categories\": [{\"id\": 18, \"name\": \"dog\"}, {\"id\": 1, \"name\": \"man\"}]"
#define OBJECT(rest) "{\"image_id\": 9, \"category_id\": 1, \"bbox\": [1, 2, 30, 40.5]" rest "}"
#define ANNOTATIONS(object) "{" IMAGES ", " CATEGORIES ", \"annotations\": [" object "]}"

static void objects_point_at_their_image_and_category(void **state) {
    (void)state;
    static const char text[] = ANNOTATIONS(OBJECT("") ", " OBJECT(
        ", \"area\": 7.5, \"iscrowd\": 1") ", " OBJECT(", \"difficult\": true, \"iscrowd\": 0"));
    struct spot_coco coco;
    struct spot_error error;
    assert_int_equal(spot_coco_parse(text, strlen(text), &coco, &error), SPOT_OK);
    assert_int_equal(coco.n_images, 2);
    assert_int_equal(coco.images[0].id, 4); /* by rising id */
    assert_string_equal(coco.images[1].file_name, "b");
    assert_string_equal(coco.categories[0].name, "dog"); /* in the order of the file */
    assert_int_equal(coco.n_objects, 3);
    assert_int_equal(coco.objects[0].picture, 1);
    assert_int_equal(coco.objects[0].class_id, 1);
    assert_true(coco.objects[0].box.h > 40.4 && coco.objects[0].box.h < 40.6);
    assert_true(coco.objects[0].area > 1214 && coco.objects[0].area < 1216); /* that of the box */
    assert_false(coco.objects[0].ignored || coco.objects[0].crowd);
    assert_true(coco.objects[1].ignored && coco.objects[1].crowd && coco.objects[1].area < 7.6);
    assert_true(coco.objects[2].ignored && !coco.objects[2].crowd);
    spot_coco_free(&coco);
}

static void a_fault_is_named_with_its_place(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "no JSON object"},
        {"[]", "no JSON object"},
        {"{\"images\": 1}", "\"images\" is missing or no list"},
        {"{\"images\": [{\"id\": 1}]}", "images[0]: \"file_name\" is missing"},
        {"{\"images\": [{\"id\": \"1\"}]}", "images[0]: \"id\" is missing or no whole number"},
        {"{\"images\": [{\"id\": 1, \"file_name\": \"a\"}, {\"id\": 1, \"file_name\": \"b\"}]}",
         "two images have the id 1"},
        {"{" IMAGES "}", "\"categories\" is missing"},
        {"{" IMAGES ", \"categories\": [{\"id\": 3, \"name\": \"\"}]}", "categories[0]: \"name\""},
        {"{" IMAGES ", " CATEGORIES "}", "\"annotations\" is missing"},
        {ANNOTATIONS(OBJECT("") ", {}"), "annotations[1]: \"image_id\""},
        {ANNOTATIONS("{\"image_id\": 5}"), "annotations[0]: image 5 is not among the images"},
        {ANNOTATIONS("{\"image_id\": 4, \"category_id\": 2}"), "category 2 is not among"},
        {ANNOTATIONS("{\"image_id\": 4, \"category_id\": 1, \"bbox\": [1, 2, 3]}"), "\"bbox\""},
        {ANNOTATIONS("{\"image_id\": 4, \"category_id\": 1, \"bbox\": [1, 2, -3, 4]}"), "\"bbox\""},
        {ANNOTATIONS(OBJECT(", \"iscrowd\": 2")), "\"iscrowd\" is neither 0 nor 1"},
        {ANNOTATIONS(OBJECT(", \"area\": \"big\"")), "\"area\" is no number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct spot_coco coco;
        struct spot_error error;
        assert_int_equal(spot_coco_parse(cases[i].text, strlen(cases[i].text), &coco, &error),
                         SPOT_INVALID);
        if (strstr(error.text, cases[i].message) == NULL)
            fail_msg("case %zu: found '%s', expected '%s'", i, error.text, cases[i].message);
        assert_null(coco.images);
    }
}

static void a_file_that_is_missing_is_named(void **state) {
    (void)state;
    struct spot_coco coco;
    struct spot_error error;
    assert_int_equal(spot_coco_read("no/such.json", &coco, &error), SPOT_IO);
    assert_non_null(strstr(error.text, "no/such.json"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_point_at_their_image_and_category),
        cmocka_unit_test(a_fault_is_named_with_its_place),
        cmocka_unit_test(a_file_that_is_missing_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
