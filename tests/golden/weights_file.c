/* Writing safetensors files; see tests/golden/weights_file.h. */
#include "tests/golden/weights_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

/* The JSON header: metadata, and each tensor's dtype, shape and place; returned owned. */
static char *header_of(const struct spot_weights *weights, const char *key, const char *value) {
    json_t *header = json_object();
    if (key != NULL)
        json_object_set_new(header, "__metadata__", json_pack("{s:s}", key, value));
    size_t begin = 0;
    for (size_t i = 0; i < weights->count; i++) {
        const struct spot_weight *weight = &weights->items[i];
        size_t end = begin + spot_shape_elements(&weight->type.shape) * sizeof(float);
        json_t *shape = json_array();
        for (int k = 0; k < weight->type.shape.rank; k++)
            json_array_append_new(shape, json_integer(weight->type.shape.dim[k]));
        json_object_set_new(header, weight->name,
                            json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", shape,
                                      "data_offsets", (json_int_t)begin, (json_int_t)end));
        begin = end;
    }
    char *text = json_dumps(header, JSON_COMPACT);
    json_decref(header);
    assert_non_null(text);
    return text;
}

void weights_file_write(const struct spot_weights *weights, char path[WEIGHTS_FILE_PATH_BYTES]) {
    weights_file_write_metadata(weights, NULL, NULL, path);
}

void weights_file_write_metadata(const struct spot_weights *weights, const char *key,
                                 const char *value, char path[WEIGHTS_FILE_PATH_BYTES]) {
    snprintf(path, WEIGHTS_FILE_PATH_BYTES, "/tmp/spotter-weights-XXXXXX");
    int fd = mkstemp(path);
    FILE *file = fd >= 0 ? fdopen(fd, "wb") : NULL;
    assert_non_null(file);
    char *header = header_of(weights, key, value);
    uint64_t length = strlen(header); /* the machine's own order: little-endian, as floats below */
    assert_int_equal(fwrite(&length, sizeof length, 1, file), 1);
    assert_int_equal(fwrite(header, 1, length, file), length);
    for (size_t i = 0; i < weights->count; i++) {
        const struct spot_weight *weight = &weights->items[i];
        size_t count = spot_shape_elements(&weight->type.shape);
        assert_int_equal(fwrite(weight->data, sizeof(float), count, file), count);
    }
    assert_int_equal(fclose(file), 0);
    free(header);
}
