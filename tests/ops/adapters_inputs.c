/* Cases of what comes before the network: sizes of resized pictures, the generator of test data. */
#include "tests/ops/harness.h"

#include "core/ops/preprocess.h"
#include "tests/golden/generator.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The rules whose size and scale are defined as this program's are; others are for comparison. */
static const struct {
    const char *key;
    int short_side, long_side;
} size_rules[] = {
    {"L_800_1333", 800, 1333},
    {"paper_800_1200", 800, 1200},
    {"S_700_1100", 700, 1100},
};

void ops_run_resize_shape(struct ops_run *run, const json_t *file) {
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(file, "cases"), i, item) {
        struct ops_case c;
        int height = (int)json_integer_value(json_object_get(item, "height"));
        int width = (int)json_integer_value(json_object_get(item, "width"));
        ops_open(&c, run, "%d x %d", width, height);
        for (size_t r = 0; r < sizeof size_rules / sizeof *size_rules; r++) {
            struct spot_preprocess attrs = {.fit = SPOT_FIT_TOP_LEFT,
                                            .height = SPOT_PICTURE_SIDE_MAX,
                                            .width = SPOT_PICTURE_SIDE_MAX,
                                            .short_side = size_rules[r].short_side,
                                            .long_side = size_rules[r].long_side};
            float s[SPOT_SETTINGS] = {0};
            spot_preprocess_geometry(&attrs, width, height, s);
            const json_t *want = ops_get(&c, item, size_rules[r].key);
            float scale = (float)ops_number(&c, want, "scale");
            float size[2] = {(float)ops_int(&c, want, "out_width"),
                             (float)ops_int(&c, want, "out_height")};
            ops_expect_values(&c, size_rules[r].key, &s[SPOT_SET_RESIZED_W], size, 2,
                              (struct ops_tolerance){0, 0});
            ops_expect_values(
                &c, "scale", &s[SPOT_SET_SCALE_X], &scale, 1,
                (struct ops_tolerance){0, ops_number(&c, file, "tolerance.scale_rel")});
        }
        ops_close(&c);
    }
}

static void expect_hex(struct ops_case *c, const char *what, size_t i, uint64_t value, int digits,
                       const json_t *expected) {
    char text[20];
    snprintf(text, sizeof text, "%0*" PRIx64, digits, value);
    if (!json_is_string(expected) || strcmp(text, json_string_value(expected)) != 0)
        ops_fail(c, "%s %zu is %s, expected %s", what, i, text,
                 json_is_string(expected) ? json_string_value(expected) : "(nothing)");
}

static void name_case(struct ops_run *run, const json_t *item) {
    struct ops_case c;
    ops_open(&c, run, "name '%s'", json_string_value(json_object_get(item, "name")));
    const char *name = ops_text(&c, item, "name");
    uint64_t seed = test_fnv1a(name, strlen(name));
    expect_hex(&c, "the hash", 0, seed, 16, ops_get(&c, item, "fnv1a64"));
    const json_t *numbers = ops_get(&c, item, "splitmix64");
    const json_t *bits = ops_get(&c, item, "unit_float32_bits");
    ops_check(&c, json_array_size(numbers) > 0 && json_array_size(bits) > 0, "no values");
    for (size_t i = 0; i < json_array_size(numbers); i++)
        expect_hex(&c, "number", i, test_splitmix64(seed, i), 16, json_array_get(numbers, i));
    for (size_t i = 0; i < json_array_size(bits); i++) {
        float unit = (float)test_unit(seed, i);
        uint32_t word;
        memcpy(&word, &unit, sizeof word);
        expect_hex(&c, "unit", i, word, 8, json_array_get(bits, i));
    }
    ops_close(&c);
}

/* gain * sqrt(6 / fan_in) as every language must compute it. */
static void bound_case(struct ops_run *run, const json_t *item) {
    struct ops_case c;
    ops_open(&c, run, "bound for fan-in %lld",
             (long long)json_integer_value(json_object_get(item, "fan_in")));
    double bound = ops_number(&c, item, "gain") * sqrt(6.0 / ops_number(&c, item, "fan_in"));
    uint64_t word;
    memcpy(&word, &bound, sizeof word);
    expect_hex(&c, "bound", 0, word, 16, ops_get(&c, item, "double_bits"));
    ops_close(&c);
}

static void uniform_case(struct ops_run *run, const json_t *item) {
    struct ops_case c;
    const char *bound = json_string_value(json_object_get(item, "bound"));
    ops_open(&c, run, "values within %s", bound);
    const json_t *bits = ops_get(&c, item, "float32_bits");
    float values[16];
    size_t count = json_array_size(bits);
    ops_check(&c, bound != NULL && count > 0 && count <= 16, "there are not 1 to 16 values");
    if (!c.failed)
        test_generate(ops_text(&c, item, "name"), 0, strtod(bound, NULL), values, count);
    for (size_t i = 0; !c.failed && i < count; i++) {
        uint32_t word;
        memcpy(&word, &values[i], sizeof word);
        expect_hex(&c, "value", i, word, 8, json_array_get(bits, i));
    }
    ops_close(&c);
}

void ops_run_generator(struct ops_run *run, const json_t *file) {
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(file, "names"), i, item) name_case(run, item);
    json_array_foreach(json_object_get(file, "bounds"), i, item) bound_case(run, item);
    json_array_foreach(json_object_get(file, "uniform_examples"), i, item) uniform_case(run, item);
}
