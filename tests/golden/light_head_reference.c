/* Cases of Light-Head R-CNN; see tests/golden/light_head_reference.h. */
#include "tests/golden/light_head_reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/ops/preprocess.h"
#include "tests/golden/generator.h"
#include "tests/support/run_op.h"

static void *checked(void *memory) {
    if (memory == NULL)
        fail_msg("out of memory");
    return memory;
}

const json_t *light_head_get(const json_t *object, const char *path) {
    const json_t *found = object;
    for (const char *at = path; found != NULL && *at != '\0';) {
        char name[64];
        size_t length = strcspn(at, ".");
        snprintf(name, sizeof name, "%.*s", (int)length, at);
        found = json_object_get(found, name);
        at += length + (at[length] == '.');
    }
    if (found == NULL)
        fail_msg("the case has no '%s'", path);
    return found;
}

double light_head_number(const json_t *object, const char *path) {
    return json_number_value(light_head_get(object, path));
}

static const char *text(const json_t *object, const char *path) {
    return json_string_value(light_head_get(object, path));
}

float *light_head_floats(const json_t *list, size_t *count) {
    if (json_is_object(list))
        list = light_head_get(list, "values");
    *count = json_array_size(list);
    float *values = checked(malloc((*count + 1) * sizeof *values));
    for (size_t i = 0; i < *count; i++)
        values[i] = (float)json_number_value(json_array_get(list, i));
    return values;
}

static void check_hash(const char *what, const void *bytes, size_t size, const char *expected) {
    char hash[20];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)test_fnv1a(bytes, size));
    if (strcmp(hash, expected) != 0)
        fail_msg("%s has the hash %s, expected %s", what, hash, expected);
}

/* A tensor's values are offset + factor * u, u in [-1, 1), by the rule it names. */
static void read_rule(const json_t *tensor, double *offset, double *factor) {
    const char *rule = text(tensor, "rule");
    *offset = *factor = 0;
    if (strcmp(rule, "a*u") == 0) {
        *factor = strtod(text(tensor, "a"), NULL);
    } else if (strcmp(rule, "m*u") == 0) {
        *factor = light_head_number(tensor, "m");
    } else if (strcmp(rule, "0.125u") == 0) {
        *factor = 0.125;
    } else if (strcmp(rule, "g*(1+0.25u)") == 0) {
        *offset = light_head_number(tensor, "g");
        *factor = 0.25 * *offset;
    } else if (strcmp(rule, "s*(1+0.5u)") == 0) {
        *offset = light_head_number(tensor, "s");
        *factor = 0.5 * *offset;
    } else {
        fail_msg("the rule '%s' is not known", rule);
    }
}

static struct spot_weight make_weight(const json_t *tensor, const char *prefix) {
    char full[256];
    struct spot_weight weight = {.name = text(tensor, "name")};
    const json_t *dims = light_head_get(tensor, "shape");
    weight.type.shape.rank = (int)json_array_size(dims);
    for (size_t i = 0; i < json_array_size(dims); i++)
        weight.type.shape.dim[i] = (int)json_integer_value(json_array_get(dims, i));
    size_t count = spot_shape_elements(&weight.type.shape);
    float *values = checked(malloc(count * sizeof *values));
    double offset, factor;
    read_rule(tensor, &offset, &factor);
    snprintf(full, sizeof full, "%s%s", prefix, weight.name);
    test_generate(full, offset, factor, values, count);
    check_hash(weight.name, values, count * sizeof *values, text(tensor, "fnv64"));
    weight.data = values;
    return weight;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const struct spot_weight *)a)->name, ((const struct spot_weight *)b)->name);
}

static void make_weights(struct light_head_case *c) {
    json_t *list = golden_json("goldens/light-head-rcnn/%s.weights.json", c->name);
    const json_t *tensors = light_head_get(list, "tensors");
    c->weights.count = json_array_size(tensors);
    c->weights.items = c->items = checked(calloc(c->weights.count, sizeof *c->items));
    for (size_t i = 0; i < c->weights.count; i++)
        c->items[i] = make_weight(json_array_get(tensors, i), text(list, "prefix"));
    qsort(c->items, c->weights.count, sizeof *c->items, compare_names);
    json_object_set_new(c->json, "weight list", list); /* the names are borrowed from it */
}

/* The whole input batch, which has a hash of its own. */
static void check_input(const struct light_head_case *c) {
    struct spot_preprocess attrs;
    golden_attributes(c->detector.name, &spot_op_preprocess, &attrs);
    attrs.width = c->detector.input_width;
    attrs.height = c->detector.input_height;
    const struct spot_tensor in[] = {
        {{SPOT_PICTURE, spot_shape1(c->pictures)}, (void *)(uintptr_t)c->picture},
        test_tensor(spot_shape2(c->pictures, SPOT_SETTINGS), c->settings[0])};
    struct spot_tensor out;
    test_run_op(&spot_op_preprocess, &attrs, in, 2, &out, 1);
    check_hash("the input", out.data, spot_shape_elements(&out.type.shape) * sizeof(float),
               text(c->json, "input.fnv64_of_float32_le_bytes"));
    free(out.data);
}

static void make_pictures(struct light_head_case *c) {
    const json_t *images = light_head_get(c->json, "images");
    c->pictures = (int)json_array_size(images);
    assert_in_range(c->pictures, 1, LIGHT_HEAD_PICTURES_MAX);
    for (int i = 0; i < c->pictures; i++) {
        const json_t *image = json_array_get(images, (size_t)i);
        int height = (int)light_head_number(image, "height");
        int width = (int)light_head_number(image, "width");
        size_t bytes = (size_t)height * (size_t)width * 3;
        uint8_t *pixels = checked(malloc(bytes));
        test_generate_picture(text(image, "generator_name"), height, width, pixels);
        check_hash("a picture", pixels, bytes, text(image, "fnv64_of_uint8_hwc_rgb"));
        c->picture[i] = (struct spot_picture){pixels, width, height, (size_t)width * 3};
        float *s = c->settings[i];
        s[SPOT_SET_CONFIDENCE] = (float)light_head_number(c->json, "config.score_threshold");
        s[SPOT_SET_IOU] = (float)light_head_number(c->json, "config.nms_threshold");
        s[SPOT_SET_RESIZED_W] = (float)width;
        s[SPOT_SET_RESIZED_H] = (float)height;
        s[SPOT_SET_SCALE_X] = s[SPOT_SET_SCALE_Y] = (float)light_head_number(image, "scale");
        s[SPOT_SET_PICTURE_W] = s[SPOT_SET_RESIZED_W] / s[SPOT_SET_SCALE_X];
        s[SPOT_SET_PICTURE_H] = s[SPOT_SET_RESIZED_H] / s[SPOT_SET_SCALE_Y];
    }
}

struct light_head_case light_head_open(const char *name) {
    struct light_head_case c = {.name = name};
    struct spot_error error;
    c.json = golden_json("goldens/light-head-rcnn/%s.json", name);
    const char *detector = name[0] == 'L' ? "light-head-rcnn-l" : "light-head-rcnn-s";
    if (spot_detector_find(detector, &c.detector, &error) != SPOT_OK)
        fail_msg("%s", error.text);
    c.detector.input_height = (int)light_head_number(c.json, "config.input_height");
    c.detector.input_width = (int)light_head_number(c.json, "config.input_width");
    make_weights(&c);
    make_pictures(&c);
    check_input(&c);
    return c;
}

void light_head_close(struct light_head_case *c) {
    for (size_t i = 0; i < c->weights.count; i++)
        free((void *)(uintptr_t)c->items[i].data);
    for (int i = 0; i < c->pictures; i++)
        free((void *)(uintptr_t)c->picture[i].pixels);
    free(c->items);
    json_decref(c->json);
}

char *light_head_variant(const struct light_head_case *c, const char *roi) {
    enum { BYTES = 160 };
    char *variant = checked(malloc(BYTES));
    int used = snprintf(variant, BYTES, "roi=%s,relu=%s,pre_nms=%d,proposals=%d", roi,
                        text(c->json, "config.light_head.relu"),
                        (int)light_head_number(c->json, "config.rpn.pre_nms_top_n"),
                        (int)light_head_number(c->json, "config.rpn.post_nms_top_n"));
    if (c->name[0] == 'S')
        snprintf(variant + used, (size_t)(BYTES - used), ",stage4_stride=%d",
                 (int)light_head_number(c->json, "config.stage4_stride"));
    return variant;
}

static void build(struct light_head_run *run, const struct light_head_case *c, const char *roi,
                  bool raw) {
    struct spot_error error;
    char *variant = light_head_variant(c, roi);
    const struct spot_detector_options options = {.raw_outputs = raw, .variant = variant};
    run->graph = checked(spot_graph_new(&c->weights));
    c->detector.family->build(&c->detector, &options, run->graph);
    if (spot_graph_finish(run->graph, &error) != SPOT_OK ||
        spot_graph_prepare(run->graph, &error) != SPOT_OK)
        fail_msg("%s", error.text);
    free(variant);
}

struct light_head_run light_head_run(const struct light_head_case *c, const char *backend,
                                     const char *roi, bool raw) {
    struct light_head_run run = {.device = NULL};
    struct spot_error error;
    build(&run, c, roi, raw);
    for (int b = 0; b < c->pictures; b++) {
        run.bindings[b].in[0] = &c->picture[b];
        run.bindings[b].in[1] = c->settings[b];
        for (int i = 0; i < run.graph->n_outputs; i++) {
            size_t count = spot_shape_elements(&run.graph->outputs[i]->type.shape);
            run.bindings[b].out[i] = checked(malloc(count * sizeof(float)));
        }
    }
    if (spot_device_open(backend, NULL, &run.device, &error) != SPOT_OK)
        fail_msg("%s", error.text);
    const struct spot_backend *table = run.device->backend;
    const struct spot_program_options options = {.precision = SPOT_PRECISION_F32,
                                                 .batch_max = c->pictures};
    if (table->compile(run.device, run.graph, &options, &run.program, &error) != SPOT_OK ||
        table->lane_new(run.program, &run.lane, &error) != SPOT_OK ||
        table->submit(run.lane, run.bindings, c->pictures, &error) != SPOT_OK ||
        table->wait(run.lane, &error) != SPOT_OK)
        fail_msg("%s", error.text);
    return run;
}

void light_head_run_free(struct light_head_run *run) {
    run->device->backend->lane_free(run->lane);
    run->device->backend->program_free(run->program);
    spot_device_close(&run->device);
    for (int b = 0; b < LIGHT_HEAD_PICTURES_MAX; b++)
        for (int i = 0; i < run->graph->n_outputs; i++)
            free(run->bindings[b].out[i]);
    spot_graph_free(&run->graph);
}

const float *light_head_output(const struct light_head_run *run, int picture, const char *name,
                               size_t *count) {
    for (int i = 0; i < run->graph->n_outputs; i++) {
        if (strcmp(run->graph->output_names[i], name) == 0) {
            *count = spot_shape_elements(&run->graph->outputs[i]->type.shape);
            return run->bindings[picture].out[i];
        }
    }
    fail_msg("the network has no output '%s'", name);
    return NULL;
}
