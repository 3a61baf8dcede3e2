/*
 * int8 on the CPU backend: the integers are those of a plain C loop, the same on every instruction
 * set, whatever the shape and batch; what is computed is close to float32; what was not calibrated
 * is refused.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/ops/add.h"
#include "core/ops/channel_shuffle.h"
#include "core/ops/concat.h"
#include "core/ops/conv2d.h"
#include "core/ops/split.h"
#include "cpu/conv_u8.h"
#include "cpu/cpu.h"
#include "cpu/kernel.h"
#include "tests/support/graph_rig.h"

enum { BATCH = 2, WEIGHTS_MAX = 128 * 1024 };

static const char *const isas[] = {
    "isa=portable,onednn=off", "isa=avx2,onednn=off", "isa=avx512,onednn=off",
    "isa=vnni,onednn=off",     "onednn=off",          "own=off"};
enum { ISAS = sizeof isas / sizeof *isas, OWN = ISAS - 1 };

struct conv_case {
    int in, out, kernel, stride, dilation, height, width;
    enum spot_activation_kind activation;
    bool bias, depthwise;
};

static struct spot_value *conv(struct spot_graph *graph, struct rig_random *random,
                               struct spot_value *x, const struct conv_case *c) {
    int ins = c->depthwise ? 1 : c->in;
    float scale = 1.0F / (float)(c->kernel * (ins > 4 ? ins / 4 : 1));
    struct spot_value *weight = rig_constant(graph, random, "weight",
                                             spot_shape4(c->out, ins, c->kernel, c->kernel), scale);
    struct spot_value *bias =
        c->bias ? rig_constant(graph, random, "bias", spot_shape1(c->out), 0.5F) : NULL;
    struct spot_conv2d attrs =
        spot_conv2d_same(c->kernel, c->stride, c->dilation, c->depthwise ? c->out : 1);
    attrs.activation = (struct spot_activation){c->activation, 0.1F};
    return spot_conv2d(graph, x, weight, bias, attrs);
}

static struct spot_value *point(struct spot_graph *graph, struct rig_random *random,
                                struct spot_value *x, int out,
                                enum spot_activation_kind activation) {
    struct conv_case c = {.in = x->type.shape.dim[1],
                          .out = out,
                          .kernel = 1,
                          .stride = 1,
                          .dilation = 1,
                          .activation = activation,
                          .bias = true};
    return conv(graph, random, x, &c);
}

/* A float32 map that was computed: inputs of a graph are not calibrated. */
static struct spot_value *map_input(struct spot_graph *graph, int channels, int height, int width) {
    struct spot_type type = {SPOT_F32, spot_shape4(1, channels, height, width)};
    return rig_copy(graph, spot_graph_input(graph, "x", type));
}

static void finish(struct spot_graph *graph, struct spot_value *y) {
    struct spot_error error;
    spot_graph_output(graph, y, "y");
    if (spot_graph_finish(graph, &error) != SPOT_OK || spot_graph_prepare(graph, &error) != SPOT_OK)
        fail_msg("%s", error.text);
}

/* Root of the mean square of a - b, relative to that of b. */
static double noise(float *const *a, float *const *b, const struct spot_graph *graph) {
    double error = 0, signal = 0;
    size_t count = spot_shape_elements(&graph->outputs[0]->type.shape);
    for (int i = 0; i < BATCH; i++) {
        for (size_t k = 0; k < count; k++) {
            error += pow((double)a[i][k] - (double)b[i][k], 2);
            signal += pow((double)b[i][k], 2);
        }
    }
    return sqrt(error / (signal > 0 ? signal : 1));
}

/*
 * Computes the graph in int8 everywhere: near float32, and the same bytes on every instruction set
 * (`exact`: also with operators on their references). Takes the graph.
 */
static void check_graph(struct spot_graph *graph, double tolerance, bool exact, const char *what) {
    struct rig_random random = {9};
    float **inputs = rig_inputs(graph, &random, BATCH);
    const void *const *in = (const void *const *)inputs;
    struct spot_calibration calibration = rig_calibrate(graph, in, BATCH);
    struct rig_run reference = {
        .backend = "reference", .precision = SPOT_PRECISION_F32, .batch = BATCH};
    float **expected = rig_compute(graph, &reference, in), **first = NULL;
    size_t bytes = spot_shape_elements(&graph->outputs[0]->type.shape) * sizeof(float);
    for (int i = 0; i < ISAS; i++) {
        struct rig_run run = {.backend = "cpu",
                              .settings = isas[i],
                              .precision = SPOT_PRECISION_INT8,
                              .batch = BATCH,
                              .calibration = &calibration};
        float **found = rig_compute(graph, &run, in);
        assert_non_null(found);
        double far = noise(found, expected, graph);
        if (!(far <= tolerance))
            fail_msg("%s, '%s': noise of %g", what, isas[i], far);
        for (int b = 0; exact && i != OWN && first != NULL && b < BATCH; b++)
            if (memcmp(found[b], first[b], bytes) != 0)
                fail_msg("%s: '%s' and '%s' differ", what, isas[i], isas[0]);
        run.batch = 1;
        float **alone = rig_compute(graph, &run, in + graph->n_inputs);
        if (memcmp(alone[0], found[1], bytes) != 0)
            fail_msg("%s, '%s': the second of a batch differs from itself alone", what, isas[i]);
        rig_free(alone, graph, 1);
        if (first == NULL)
            first = found;
        else
            rig_free(found, graph, BATCH);
    }
    rig_free(first, graph, BATCH);
    rig_free(expected, graph, BATCH);
    rig_calibration_free(&calibration);
    rig_inputs_free(inputs, graph, BATCH);
    spot_graph_free(&graph);
}

/* Activations computed without a library's exp are exact everywhere. */
static bool is_exact(enum spot_activation_kind kind) {
    return kind == SPOT_ACT_NONE || kind == SPOT_ACT_RELU || kind == SPOT_ACT_LEAKY_RELU;
}

/* A convolution that reads and writes bytes, between two that cross over. */
static void check_conv(const struct conv_case *c) {
    char what[128];
    struct rig_random random = {3};
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_value *x = map_input(graph, 9, c->height, c->width);
    x = point(graph, &random, x, c->in, SPOT_ACT_LEAKY_RELU);
    x = conv(graph, &random, x, c);
    finish(graph, point(graph, &random, x, 7, SPOT_ACT_NONE));
    snprintf(what, sizeof what, "conv %d->%d k%d s%d d%d %dx%d %s%s", c->in, c->out, c->kernel,
             c->stride, c->dilation, c->height, c->width, spot_activation_name(c->activation),
             c->depthwise ? " depthwise" : "");
    check_graph(graph, 0.03, is_exact(c->activation), what);
}

static const int channel_counts[] = {5, 17, 58, 64, 130};
static const int sides[][2] = {{1, 1}, {3, 11}, {7, 13}, {5, 8}};

static void convolutions_of_one_pixel_agree(void **state) {
    (void)state;
    for (int i = 0; i < 5; i++)
        for (int o = 0; o < 5; o++) {
            const int *side = sides[(i + o) % 4];
            struct conv_case c = {channel_counts[i],
                                  channel_counts[o],
                                  1,
                                  1,
                                  1,
                                  side[0],
                                  side[1],
                                  (enum spot_activation_kind)((i + 2 * o) % SPOT_ACT_COUNT),
                                  o % 2 == 0,
                                  false};
            check_conv(&c);
        }
}

static void convolutions_of_windows_agree(void **state) {
    (void)state;
    static const struct conv_case cases[] = {
        {17, 58, 3, 1, 1, 7, 13, SPOT_ACT_RELU, true, false},
        {64, 64, 3, 1, 1, 5, 40, SPOT_ACT_RELU, true, false},
        {70, 33, 3, 2, 1, 9, 35, SPOT_ACT_LEAKY_RELU, false, false},
        {12, 20, 3, 1, 3, 11, 9, SPOT_ACT_NONE, true, false},
        {12, 20, 5, 1, 1, 6, 33, SPOT_ACT_RELU, true, false},
        {12, 20, 1, 2, 1, 6, 33, SPOT_ACT_RELU, true, false},
        {12, 20, 3, 1, 1, 1, 1, SPOT_ACT_SWISH, true, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_conv(&cases[i]);
}

static void depthwise_convolutions_agree(void **state) {
    (void)state;
    for (int i = 0; i < 5; i++)
        for (int kernel = 3; kernel <= 5; kernel += 2)
            for (int stride = 1; stride <= 2; stride++) {
                const int *side = sides[(i + kernel) % 4];
                struct conv_case c = {channel_counts[i],
                                      channel_counts[i],
                                      kernel,
                                      stride,
                                      1,
                                      side[0],
                                      side[1],
                                      (enum spot_activation_kind)((i + stride) % SPOT_ACT_COUNT),
                                      stride == 1,
                                      true};
                check_conv(&c);
            }
}

/* Two units of ShuffleNetV2: bytes all the way, joined and split as they are. */
static void units_of_shufflenet_agree(void **state) {
    (void)state;
    static const int halves[] = {6, 26, 58, 66};
    for (size_t i = 0; i < sizeof halves / sizeof *halves; i++) {
        struct rig_random random = {5};
        struct spot_graph *graph = spot_graph_new(NULL);
        struct spot_value *x = map_input(graph, 9, 7, 9), *half[2];
        x = point(graph, &random, x, 2 * halves[i], SPOT_ACT_RELU);
        for (int unit = 0; unit < 2; unit++) {
            spot_split(graph, x, half, 2);
            struct spot_value *y = point(graph, &random, half[1], halves[i], SPOT_ACT_LEAKY_RELU);
            struct conv_case depthwise = {halves[i], halves[i],     3,    1,   1, 0,
                                          0,         SPOT_ACT_NONE, true, true};
            y = conv(graph, &random, y, &depthwise);
            y = point(graph, &random, y, halves[i], SPOT_ACT_LEAKY_RELU);
            struct spot_value *both[] = {half[0], y};
            x = spot_concat(graph, both, 2, (struct spot_concat){1});
            x = spot_channel_shuffle(graph, x, (struct spot_channel_shuffle){2});
        }
        finish(graph, point(graph, &random, x, 20, SPOT_ACT_NONE));
        char what[64];
        snprintf(what, sizeof what, "units of %d channels", halves[i]);
        check_graph(graph, 0.04, true, what);
    }
}

static void residuals_are_added_in_float32(void **state) {
    (void)state;
    struct rig_random random = {5};
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_value *x = point(graph, &random, map_input(graph, 9, 7, 9), 33, SPOT_ACT_RELU);
    struct spot_value *y = point(graph, &random, x, 33, SPOT_ACT_NONE);
    finish(graph, spot_add(graph, x, y));
    check_graph(graph, 0.03, true, "residual");
}

/* The program, and how many of its steps run on a kernel of this name. */
static int count_kernels(const struct spot_graph *graph, const struct spot_calibration *calibration,
                         const char *settings, const char *name) {
    struct spot_error error;
    struct spot_device_options options = {.settings = settings};
    struct spot_program_options wanted = {
        .precision = SPOT_PRECISION_INT8, .batch_max = 1, .calibration = calibration};
    struct spot_device *device;
    struct spot_program *program;
    int count = 0;
    assert_int_equal(spot_device_open("cpu", &options, &device, &error), SPOT_OK);
    assert_int_equal(device->backend->compile(device, graph, &wanted, &program, &error), SPOT_OK);
    const struct spot_cpu_program *self = (const struct spot_cpu_program *)program;
    for (int i = 0; i < self->n_steps; i++)
        count += strcmp(self->steps[i].kernel->name, name) == 0;
    device->backend->program_free(program);
    spot_device_close(&device);
    return count;
}

static void kernels_for_bytes_compute_them(void **state) {
    (void)state;
    struct rig_random random = {5};
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_value *x = point(graph, &random, map_input(graph, 9, 7, 9), 20, SPOT_ACT_RELU);
    struct conv_case window = {20, 20, 3, 1, 1, 0, 0, SPOT_ACT_RELU, true, false};
    struct conv_case depthwise = {20, 20, 3, 1, 1, 0, 0, SPOT_ACT_RELU, true, true};
    x = conv(graph, &random, conv(graph, &random, x, &window), &depthwise);
    finish(graph, point(graph, &random, x, 7, SPOT_ACT_NONE));
    float **inputs = rig_inputs(graph, &random, 1);
    struct spot_calibration calibration = rig_calibrate(graph, (const void *const *)inputs, 1);
    for (int i = 0; i < OWN; i++) {
        assert_int_equal(count_kernels(graph, &calibration, isas[i], "conv_u8"), 3);
        assert_int_equal(count_kernels(graph, &calibration, isas[i], "depthwise_u8"), 1);
    }
    rig_calibration_free(&calibration);
    rig_inputs_free(inputs, graph, 1);
    spot_graph_free(&graph);
}

/* conv of 3x3, float32 in and out, by the definition in cpu/conv_u8.h. */
static void plain_conv(const struct spot_graph *graph, const float *in, float low, float high,
                       float *out) {
    const struct spot_node *node = graph->nodes[graph->n_nodes - 1];
    const int *shape = node->in[1]->type.shape.dim, *size = node->in[0]->type.shape.dim;
    const float *weight = node->in[1]->data, *bias = node->in[2]->data;
    struct spot_quantisation by = spot_quantisation_of(low, high);
    int height = size[2], width = size[3], taps = shape[2] * shape[3], ins = shape[1];
    for (int o = 0; o < shape[0]; o++) {
        float most = 0;
        for (int i = 0; i < ins * taps; i++)
            most = fmaxf(most, fabsf(weight[o * ins * taps + i]));
        float scale = most / 127;
        int weights = 0;
        for (int i = 0; i < ins * taps; i++)
            weights += (int)rintf(weight[o * ins * taps + i] / scale);
        double multiplier = (double)by.scale * (double)scale;
        double offset = (double)bias[o] - multiplier * by.zero * weights;
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                int32_t sum = 0;
                for (int i = 0; i < ins; i++) {
                    for (int t = 0; t < taps; t++) {
                        int at_y = y + t / shape[3] - 1, at_x = x + t % shape[3] - 1;
                        bool inside = at_y >= 0 && at_y < height && at_x >= 0 && at_x < width;
                        float value = inside ? in[(i * height + at_y) * width + at_x] : 0;
                        float q = rintf(value * (1 / by.scale) + (float)by.zero);
                        q = fminf(fmaxf(q, 0), 255);
                        sum += (int)q * (int)rintf(weight[(o * ins + i) * taps + t] / scale);
                    }
                }
                float result = (float)sum * (float)multiplier + (float)offset;
                out[(o * height + y) * width + x] = result > 0 ? result : 0;
            }
        }
    }
}

static void a_convolution_is_what_its_definition_says(void **state) {
    (void)state;
    enum { IN = 37, OUT = 35, H = 6, W = 41 };
    struct rig_random random = {11};
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_value *x = map_input(graph, IN, H, W);
    struct conv_case c = {IN, OUT, 3, 1, 1, H, W, SPOT_ACT_RELU, true, false};
    finish(graph, conv(graph, &random, x, &c));
    float **inputs = rig_inputs(graph, &random, 1);
    struct spot_calibration calibration = rig_calibrate(graph, (const void *const *)inputs, 1);
    /* narrower than the values, so that some are cut off */
    char name[SPOT_CALIBRATION_NAME_MAX];
    const struct spot_value *read = graph->nodes[graph->n_nodes - 1]->in[0];
    struct spot_range *range = (struct spot_range *)(uintptr_t)spot_calibration_find(
        &calibration, spot_calibration_name(graph, read, name));
    assert_non_null(range);
    range->low = -1.1F;
    range->high = 1.7F;
    float *expected = malloc(sizeof(float) * OUT * H * W);
    assert_non_null(expected);
    plain_conv(graph, inputs[0], range->low, range->high, expected);
    for (int i = 0; i < OWN; i++) {
        struct rig_run run = {.backend = "cpu",
                              .settings = isas[i],
                              .precision = SPOT_PRECISION_INT8,
                              .batch = 1,
                              .calibration = &calibration};
        float **found = rig_compute(graph, &run, (const void *const *)inputs);
        for (int k = 0; k < OUT * H * W; k++)
            if (found[0][k] != expected[k])
                fail_msg("'%s': element %d is %.9g, not %.9g", isas[i], k, (double)found[0][k],
                         (double)expected[k]);
        rig_free(found, graph, 1);
    }
    free(expected);
    rig_calibration_free(&calibration);
    rig_inputs_free(inputs, graph, 1);
    spot_graph_free(&graph);
}

static enum spot_status compile(const struct spot_graph *graph,
                                const struct spot_calibration *calibration,
                                struct spot_error *error) {
    struct spot_device *device;
    struct spot_program *program;
    struct spot_program_options wanted = {
        .precision = SPOT_PRECISION_INT8, .batch_max = 1, .calibration = calibration};
    assert_int_equal(spot_device_open("cpu", NULL, &device, error), SPOT_OK);
    enum spot_status status = device->backend->compile(device, graph, &wanted, &program, error);
    if (status == SPOT_OK)
        device->backend->program_free(program);
    spot_device_close(&device);
    return status;
}

static void what_was_not_calibrated_is_refused(void **state) {
    (void)state;
    struct rig_random random = {11};
    struct spot_error error;
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_value *x = map_input(graph, 9, 3, 3);
    x = point(graph, &random, point(graph, &random, x, 8, SPOT_ACT_RELU), 8, SPOT_ACT_RELU);
    finish(graph, x);
    assert_int_equal(compile(graph, NULL, &error), SPOT_INVALID);
    assert_string_equal(error.text, "int8 needs a calibration");
    struct spot_calibration empty = {NULL, 0};
    assert_int_equal(compile(graph, &empty, &error), SPOT_INVALID);
    assert_string_equal(error.text,
                        "the calibration has no range of 'copy:0': it is of another network or "
                        "version; run spotter calibrate again");
    spot_graph_free(&graph);
}

static void names_of_ranges_tell_values_apart(void **state) {
    (void)state;
    struct rig_random random = {11};
    char name[SPOT_CALIBRATION_NAME_MAX];
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_value *x = map_input(graph, 9, 3, 3);
    struct spot_value *first = point(graph, &random, x, 8, SPOT_ACT_RELU);
    struct spot_value *second = point(graph, &random, first, 8, SPOT_ACT_RELU);
    assert_string_equal(spot_calibration_name(graph, first, name), "weight:0");
    assert_string_equal(spot_calibration_name(graph, second, name), "weight:0#2");
    spot_graph_free(&graph);
}

static void zero_is_a_byte_of_every_range(void **state) {
    (void)state;
    static const float ranges[][2] = {{0, 6}, {-1, 1},     {-0.1F, 25}, {-3, 0},
                                      {0, 0}, {0, 1e-30F}, {0, 1e-40F}, {-1e38F, 2e38F}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        struct spot_quantisation by = spot_quantisation_of(ranges[i][0], ranges[i][1]);
        assert_true(isnormal(by.scale) && isnormal(1 / by.scale));
        assert_true(by.zero >= 0 && by.zero <= 255);
        float low = by.scale * (float)(0 - by.zero), high = by.scale * (float)(255 - by.zero);
        assert_true(fabsf(low - ranges[i][0]) <= by.scale && high >= ranges[i][1] - by.scale);
    }
}

/* A dead channel's, whose scale is no normal number. */
static void weights_that_are_next_to_nothing_are_zeros(void **state) {
    (void)state;
    static const float channels[][2] = {{1e-44F, -1e-44F}, {2.5e-43F, 1e-43F}, {0, 0}};
    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++) {
        float scale = spot_cpu_weight_scale(channels[i], 2, INT8_MAX);
        for (int k = 0; k < 2; k++)
            assert_true(rintf(channels[i][k] / scale) == 0);
    }
    static const float small[] = {1e-30F, -0.5e-30F};
    float scale = spot_cpu_weight_scale(small, 2, INT8_MAX);
    assert_true(rintf(small[0] / scale) == INT8_MAX && rintf(small[1] / scale) == -64);
}

static int set_up(void **state) {
    (void)state;
    spot_backend_register(&spot_backend_cpu);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zero_is_a_byte_of_every_range),
        cmocka_unit_test(weights_that_are_next_to_nothing_are_zeros),
        cmocka_unit_test(names_of_ranges_tell_values_apart),
        cmocka_unit_test(what_was_not_calibrated_is_refused),
        cmocka_unit_test(a_convolution_is_what_its_definition_says),
        cmocka_unit_test(kernels_for_bytes_compute_them),
        cmocka_unit_test(convolutions_of_one_pixel_agree),
        cmocka_unit_test(convolutions_of_windows_agree),
        cmocka_unit_test(depthwise_convolutions_agree),
        cmocka_unit_test(units_of_shufflenet_agree),
        cmocka_unit_test(residuals_are_added_in_float32),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
