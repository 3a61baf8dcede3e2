/* The safetensors reader: a good file, and every way in which one can be wrong. */
#include "models/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A file in memory: header length, header, `data` zero bytes. */
static unsigned char *make_file(const char *header, size_t data, size_t *size) {
    size_t length = strlen(header);
    *size = 8 + length + data;
    unsigned char *bytes = calloc(1, *size);
    assert_non_null(bytes);
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)((uint64_t)length >> (8 * i));
    memcpy(bytes + 8, header, length);
    return bytes;
}

static void a_good_file_gives_sorted_tensors_and_metadata(void **state) {
    (void)state;
    size_t size;
    unsigned char *bytes = make_file(
        "{\"__metadata__\":{\"classes\":\"a\\nb\"},"
        "\"z\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[4,20]},"
        "\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]},"
        "\"scalar\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[20,22]}}",
        22, &size);
    struct spot_safetensors file;
    struct spot_error error;
    assert_int_equal(spot_safetensors_parse(bytes, size, &file, &error), SPOT_OK);
    assert_int_equal(file.weights.count, 3);
    assert_string_equal(file.weights.items[0].name, "a");
    const struct spot_weight *z = spot_weights_find(&file.weights, "z");
    assert_non_null(z);
    assert_int_equal(z->type.shape.rank, 2);
    assert_ptr_equal(z->data, bytes + size - 18);
    assert_null(spot_weights_find(&file.weights, "__metadata__"));
    assert_string_equal(spot_safetensors_metadata(&file, "classes"), "a\nb");
    assert_null(spot_safetensors_metadata(&file, "nothing"));
    spot_safetensors_close(&file);
    free(bytes);
}

static void a_bad_header_is_refused_with_the_tensor_and_the_fault(void **state) {
    (void)state;
    static const struct {
        const char *header, *sentence;
    } cases[] = {
        {"[]", "no JSON object"},
        {"{\"a\":", "no JSON object"},
        {"{\"a\":1}", "tensor 'a' has dtype (none)"},
        {"{\"a\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]}}", "dtype I64"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1],\"data_offsets\":[0,4]}}",
         "at most 4 dimensions"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":\"x\",\"data_offsets\":[0,4]}}", "needs a shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", "dimension 0"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", "dimension 0"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", "dimension 0"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[65536,65536],\"data_offsets\":[0,4]}}",
         "too many elements"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,15]}}", "has 15 bytes"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[16,0]}}", "lies at bytes"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[-16,0]}}", "lies at bytes"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0]}}", "lies at bytes"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[9],\"data_offsets\":[0,36]}}", "is it truncated?"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
         "'a' and 'b' overlap"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
         "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
         "duplicate"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t size;
        unsigned char *bytes = make_file(cases[i].header, 32, &size);
        struct spot_safetensors file;
        struct spot_error error;
        assert_int_not_equal(spot_safetensors_parse(bytes, size, &file, &error), SPOT_OK);
        if (strstr(error.text, cases[i].sentence) == NULL)
            fail_msg("'%s' does not say '%s'", error.text, cases[i].sentence);
        assert_null(file.items);
        free(bytes);
    }
}

static void a_header_length_beyond_the_file_is_refused(void **state) {
    (void)state;
    unsigned char bytes[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, '{', '}'};
    struct spot_safetensors file;
    struct spot_error error;
    for (size_t size = 0; size <= sizeof bytes; size++)
        assert_int_equal(spot_safetensors_parse(bytes, size, &file, &error), SPOT_INVALID);
    assert_non_null(strstr(error.text, "not a safetensors file"));
}

static void a_file_cut_anywhere_is_refused(void **state) {
    (void)state;
    size_t size;
    unsigned char *bytes =
        make_file("{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", 16, &size);
    for (size_t cut = 0; cut < size; cut++) {
        unsigned char *part = malloc(cut + 1); /* exact, so that ASan sees a read past it */
        assert_non_null(part);
        memcpy(part, bytes, cut);
        struct spot_safetensors file;
        assert_int_not_equal(spot_safetensors_parse(part, cut, &file, NULL), SPOT_OK);
        free(part);
    }
    free(bytes);
}

static void a_path_that_is_no_file_is_refused_by_name(void **state) {
    (void)state;
    struct spot_safetensors file;
    struct spot_error error;
    assert_int_equal(spot_safetensors_open("/nonexistent.safetensors", &file, &error),
                     SPOT_NOT_FOUND);
    assert_non_null(strstr(error.text, "'/nonexistent.safetensors'"));
    assert_int_equal(spot_safetensors_open("/tmp", &file, &error), SPOT_IO);
    assert_int_equal(spot_safetensors_open("/dev/null", &file, &error), SPOT_IO);
    spot_safetensors_close(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_file_gives_sorted_tensors_and_metadata),
        cmocka_unit_test(a_bad_header_is_refused_with_the_tensor_and_the_fault),
        cmocka_unit_test(a_header_length_beyond_the_file_is_refused),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(a_path_that_is_no_file_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
