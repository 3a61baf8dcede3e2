/* Facts and generated weights; see tests/golden/rfsong_reference.h. */
#include "tests/golden/rfsong_reference.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <nettle/sha2.h>

#include "tests/golden/generator.h"

const struct rfsong_level rfsong_levels[RFSONG_LEVELS] = {{38, 4}, {19, 4}, {10, 4},
                                                          {5, 4},  {3, 4},  {1, 3}};

const char *const rfsong_pictures[RFSONG_PICTURES] = {
    "bus",
    "dog_man",
    "horse",
    "road_bus_car",
    "rfsong-1",
    "rfsong-2",
    "rfsong-3",
    "rfsong-4",
    "voc2007-000001",
    "voc2007-000456",
    "voc2007-000542",
    "voc2007-001150",
    "voc2007-003123",
    "voc2007-004545",
    "zidane",
    "zidane_gray",
};

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), wanted = strlen(end);
    return length >= wanted && strcmp(text + length - wanted, end) == 0;
}

/* Values are offset + factor * r with r in [-1, 1), by the kind of tensor. */
static void recipe(const char *name, const struct spot_shape *shape, double *offset,
                   double *factor) {
    *offset = 0;
    if (ends_with(name, ".bn.running_var")) { /* 1 to 2 */
        *offset = 1.5;
        *factor = 0.5;
    } else if (ends_with(name, ".bn.weight")) { /* 0.5 to 1.5 */
        *offset = 1;
        *factor = 0.5;
    } else if (ends_with(name, ".bn.running_mean") || ends_with(name, ".bn.bias")) {
        *factor = 0.2;
    } else if (shape->rank == 1) {
        *factor = 0.1;
    } else {
        *factor = sqrt(6.0 / (shape->dim[1] * shape->dim[2] * shape->dim[3]));
        if (strcmp(name, "base.conv1_1.conv.weight") == 0)
            *factor *= 0.015625;
    }
}

static struct spot_weight make(const json_t *entry) {
    const char *name = json_string_value(json_object_get(entry, "name"));
    const json_t *sides = json_object_get(entry, "shape");
    struct spot_shape shape = {(int)json_array_size(sides), {0}};
    for (size_t k = 0; k < json_array_size(sides); k++)
        shape.dim[k] = (int)json_integer_value(json_array_get(sides, k));
    size_t count = spot_shape_elements(&shape);
    float *data = malloc(count * sizeof *data);
    assert_non_null(data);
    double offset, factor;
    recipe(name, &shape, &offset, &factor);
    test_generate(name, offset, factor, data, count);
    return (struct spot_weight){name, {SPOT_F32, shape}, data};
}

static void check_sha256(const struct spot_weights *weights, const char *expected) {
    uint8_t digest[SHA256_DIGEST_SIZE];
    char hex[2 * sizeof digest + 1];
    struct sha256_ctx sha;
    sha256_init(&sha);
    for (size_t i = 0; i < weights->count; i++)
        sha256_update(&sha, spot_shape_elements(&weights->items[i].type.shape) * sizeof(float),
                      weights->items[i].data);
    sha256_digest(&sha, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    assert_string_equal(hex, expected);
}

void rfsong_weights_write(const json_t *tensors, const char *sha256,
                          char path[WEIGHTS_FILE_PATH_BYTES]) {
    size_t count = json_array_size(tensors);
    struct spot_weight *items = calloc(count + 1, sizeof *items);
    assert_non_null(items);
    for (size_t i = 0; i < count; i++)
        items[i] = make(json_array_get(tensors, i));
    const struct spot_weights weights = {items, count};
    if (sha256 != NULL)
        check_sha256(&weights, sha256);
    weights_file_write(&weights, path);
    for (size_t i = 0; i < count; i++)
        free((void *)(uintptr_t)items[i].data);
    free(items);
}
