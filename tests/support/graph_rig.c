/* Graphs on backends, side by side; see graph_rig.h. */
#include "graph_rig.h"

#include "core/ops/conv2d.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

float rig_random(struct rig_random *random) {
    random->state = random->state * 1664525U + 1013904223U;
    return (float)(random->state >> 8) / 8388608.0F - 1;
}

static void *must(void *memory) {
    if (memory == NULL)
        abort();
    return memory;
}

struct spot_value *rig_constant(struct spot_graph *graph, struct rig_random *random,
                                const char *name, struct spot_shape shape, float scale) {
    size_t count = spot_shape_elements(&shape);
    float *data = must(calloc(count + 1, sizeof *data));
    for (size_t i = 0; i < count; i++)
        data[i] = scale * rig_random(random);
    struct spot_value *value = spot_graph_constant(graph, name, shape, data);
    free(data);
    return value;
}

struct spot_value *rig_copy(struct spot_graph *graph, struct spot_value *x) {
    if (x == NULL)
        return NULL;
    int channels = x->type.shape.dim[1];
    float *ones = must(calloc((size_t)channels, sizeof *ones));
    for (int c = 0; c < channels; c++)
        ones[c] = 1;
    struct spot_value *weight =
        spot_graph_constant(graph, "copy.weight", spot_shape4(channels, 1, 1, 1), ones);
    free(ones);
    return spot_conv2d(graph, x, weight, NULL, spot_conv2d_same(1, 1, 1, channels));
}

static void check(enum spot_status status, const struct spot_error *error) {
    if (status == SPOT_OK)
        return;
    fprintf(stderr, "rig: %s: %s\n", spot_status_name(status), error->text);
    abort();
}

static float **new_outputs(const struct spot_graph *graph, int batch) {
    float **outputs = must(calloc((size_t)(batch * graph->n_outputs), sizeof *outputs));
    for (int i = 0; i < batch * graph->n_outputs; i++) {
        size_t count = spot_shape_elements(&graph->outputs[i % graph->n_outputs]->type.shape);
        outputs[i] = must(malloc(count * sizeof **outputs));
        for (size_t k = 0; k < count; k++)
            outputs[i][k] = NAN; /* what a backend forgets to write is seen */
    }
    return outputs;
}

float **rig_compute(const struct spot_graph *graph, const struct rig_run *run,
                    const void *const *inputs) {
    struct spot_error error;
    struct spot_device_options options = {.settings = run->settings};
    struct spot_device *device;
    check(spot_device_open(run->backend, &options, &device, &error), &error);
    const struct spot_backend *backend = device->backend;
    struct spot_program_options wanted = {
        .precision = run->precision, .batch_max = run->batch, .calibration = run->calibration};
    struct spot_program *program;
    enum spot_status status = backend->compile(device, graph, &wanted, &program, &error);
    if (status == SPOT_UNSUPPORTED) {
        spot_device_close(&device);
        return NULL;
    }
    check(status, &error);
    struct spot_lane *lane;
    check(backend->lane_new(program, &lane, &error), &error);
    float **outputs = new_outputs(graph, run->batch);
    struct spot_binding *bindings = must(calloc((size_t)run->batch, sizeof *bindings));
    for (int b = 0; b < run->batch; b++) {
        for (int i = 0; i < graph->n_inputs; i++)
            bindings[b].in[i] = inputs[b * graph->n_inputs + i];
        for (int i = 0; i < graph->n_outputs; i++)
            bindings[b].out[i] = outputs[b * graph->n_outputs + i];
    }
    check(backend->submit(lane, bindings, run->batch, &error), &error);
    check(backend->wait(lane, &error), &error);
    free(bindings);
    backend->lane_free(lane);
    backend->program_free(program);
    spot_device_close(&device);
    return outputs;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct spot_range *)a)->name, ((const struct spot_range *)b)->name);
}

struct ranges {
    const struct spot_graph *graph;
    struct spot_range *items;
    size_t count;
};

static void widen(void *context, const struct spot_value *value, const float *data, size_t count) {
    struct ranges *ranges = context;
    char name[SPOT_CALIBRATION_NAME_MAX];
    size_t i = 0;
    spot_calibration_name(ranges->graph, value, name);
    while (i < ranges->count && strcmp(ranges->items[i].name, name) != 0)
        i++;
    if (i == ranges->count)
        ranges->items[ranges->count++] = (struct spot_range){must(strdup(name)), 0, 0};
    for (size_t k = 0; k < count; k++) {
        ranges->items[i].low = fminf(ranges->items[i].low, data[k]);
        ranges->items[i].high = fmaxf(ranges->items[i].high, data[k]);
    }
}

struct spot_calibration rig_calibrate(const struct spot_graph *graph, const void *const *inputs,
                                      int batch) {
    struct spot_error error;
    struct spot_device_options options = {.settings = "own=off"}; /* a step for every node */
    struct spot_device *device;
    struct spot_program *program;
    struct spot_lane *lane;
    struct spot_program_options wanted = {.precision = SPOT_PRECISION_F32, .batch_max = 1};
    struct ranges ranges = {graph, must(calloc((size_t)graph->n_values, sizeof *ranges.items)), 0};
    struct spot_observer observer = {widen, &ranges};
    check(spot_device_open("cpu", &options, &device, &error), &error);
    check(device->backend->compile(device, graph, &wanted, &program, &error), &error);
    check(device->backend->lane_new(program, &lane, &error), &error);
    float **outputs = new_outputs(graph, 1);
    for (int b = 0; b < batch; b++) {
        struct spot_binding binding = {.in = {NULL}};
        for (int i = 0; i < graph->n_inputs; i++)
            binding.in[i] = inputs[b * graph->n_inputs + i];
        for (int i = 0; i < graph->n_outputs; i++)
            binding.out[i] = outputs[i];
        check(device->backend->observe(lane, &binding, &observer, &error), &error);
    }
    rig_free(outputs, graph, 1);
    device->backend->lane_free(lane);
    device->backend->program_free(program);
    spot_device_close(&device);
    qsort(ranges.items, ranges.count, sizeof *ranges.items, by_name);
    return (struct spot_calibration){ranges.items, ranges.count};
}

void rig_calibration_free(struct spot_calibration *calibration) {
    for (size_t i = 0; i < calibration->count; i++)
        free((void *)(uintptr_t)calibration->items[i].name);
    free((void *)(uintptr_t)calibration->items);
    *calibration = (struct spot_calibration){NULL, 0};
}

void rig_free(float **outputs, const struct spot_graph *graph, int batch) {
    for (int i = 0; outputs != NULL && i < batch * graph->n_outputs; i++)
        free(outputs[i]);
    free(outputs);
}

float **rig_inputs(const struct spot_graph *graph, struct rig_random *random, int batch) {
    float **inputs = must(calloc((size_t)(batch * graph->n_inputs), sizeof *inputs));
    for (int i = 0; i < batch * graph->n_inputs; i++) {
        size_t count = spot_shape_elements(&graph->inputs[i % graph->n_inputs]->type.shape);
        inputs[i] = must(malloc(count * sizeof **inputs));
        for (size_t k = 0; k < count; k++)
            inputs[i][k] = 2 * rig_random(random);
    }
    return inputs;
}

void rig_inputs_free(float **inputs, const struct spot_graph *graph, int batch) {
    for (int i = 0; i < batch * graph->n_inputs; i++)
        free(inputs[i]);
    free(inputs);
}

float rig_distance(float *const *a, float *const *b, const struct spot_graph *graph, int batch) {
    float worst = 0;
    for (int i = 0; i < batch * graph->n_outputs; i++) {
        size_t count = spot_shape_elements(&graph->outputs[i % graph->n_outputs]->type.shape);
        for (size_t k = 0; k < count; k++) {
            float x = a[i][k], y = b[i][k];
            float distance = x == y || (isnan(x) && isnan(y)) ? 0 : fabsf(x - y) / (1 + fabsf(y));
            worst = distance > worst || isnan(distance) ? (isnan(distance) ? INFINITY : distance)
                                                        : worst;
        }
    }
    return worst;
}

void rig_check_cpu(const struct spot_graph *graph, const void *const *inputs, int batch, float bf16,
                   const char *what) {
    static const struct {
        const char *settings;
        enum spot_precision precision;
    } setups[] = {
        {"isa=portable,onednn=off", SPOT_PRECISION_F32},
        {"isa=avx2,onednn=off", SPOT_PRECISION_F32},
        {"isa=avx512,onednn=off", SPOT_PRECISION_F32},
        {"own=off", SPOT_PRECISION_F32},
        {"onednn=off", SPOT_PRECISION_BF16},
        {"own=off", SPOT_PRECISION_BF16},
    };
    struct rig_run run = {.backend = "reference", .precision = SPOT_PRECISION_F32, .batch = batch};
    float **expected = rig_compute(graph, &run, inputs);
    for (size_t i = 0; i < sizeof setups / sizeof *setups; i++) {
        run = (struct rig_run){.backend = "cpu",
                               .settings = setups[i].settings,
                               .precision = setups[i].precision,
                               .batch = batch};
        float **found = rig_compute(graph, &run, inputs);
        if (found == NULL) /* bf16 without AMX */
            continue;
        float distance = rig_distance(found, expected, graph, batch);
        if (!(distance <= (run.precision == SPOT_PRECISION_BF16 ? bf16 : 2e-5F)))
            fail_msg("%s, '%s' in %s: off by %g", what, run.settings,
                     spot_precision_name(run.precision), (double)distance);
        rig_free(found, graph, batch);
    }
    rig_free(expected, graph, batch);
}
