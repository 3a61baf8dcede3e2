/* Detectors with made-up weights; see tests/support/model.h. */
#include "tests/support/model.h"

#include "core/backends/builtin.h"
#include "tests/support/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(enum spot_status status, const struct spot_error *error) {
    if (status == SPOT_OK)
        return;
    fprintf(stderr, "test_model: %s\n", error->text);
    abort();
}

static void *must_have(void *memory) {
    if (memory == NULL) {
        fputs("test_model: out of memory\n", stderr);
        abort();
    }
    return memory;
}

/* He et al., 2015: with variance 2 / fan_in the signal neither dies nor explodes behind ReLU. */
static void fill(const struct spot_shape *shape, float *values, uint64_t *seed) {
    size_t count = spot_shape_elements(shape);
    size_t fan_in = shape->rank > 1 ? count / (size_t)shape->dim[0] : 0;
    float bound = fan_in > 0 ? sqrtf(6.0F / (float)fan_in) : 0.1F;
    test_fill(seed, values, count, -bound, bound);
}

static int compare_name(const void *a, const void *b) {
    return strcmp(((const struct spot_weight *)a)->name, ((const struct spot_weight *)b)->name);
}

void test_model_init(struct test_model *model, const char *detector, uint64_t seed) {
    struct spot_error error;
    *model = (struct test_model){0};
    must(spot_detector_find(detector, &model->detector, &error), &error);
    struct spot_graph *graph = must_have(spot_graph_new(NULL));
    struct spot_detector_options options = {.tensor_input = true, .raw_outputs = true};
    model->detector.family->build(&model->detector, &options, graph);
    must(spot_graph_finish(graph, &error), &error);

    struct spot_weight *items =
        must_have(calloc((size_t)graph->n_values + 1, sizeof *model->weights.items));
    size_t count = 0;
    for (int i = 0; i < graph->n_values; i++) {
        const struct spot_value *value = graph->values[i];
        if (value->kind != SPOT_VALUE_CONSTANT || value->data != NULL)
            continue;
        float *values = must_have(calloc(spot_shape_elements(&value->type.shape), sizeof *values));
        fill(&value->type.shape, values, &seed);
        char *name = must_have(strdup(value->name));
        items[count++] = (struct spot_weight){name, value->type, values};
    }
    qsort(items, count, sizeof *items, compare_name);
    model->weights = (struct spot_weights){items, count};
    spot_graph_free(&graph);
}

float *test_model_weight(const struct test_model *model, const char *name) {
    const struct spot_weight *weight = spot_weights_find(&model->weights, name);
    return must_have(weight != NULL ? (void *)(uintptr_t)weight->data : NULL);
}

void test_model_build(struct test_model *model, const struct spot_detector_options *options) {
    struct spot_error error;
    model->graph = must_have(spot_graph_new(&model->weights));
    model->detector.family->build(&model->detector, options, model->graph);
    must(spot_graph_finish(model->graph, &error), &error);
    must(spot_graph_prepare(model->graph, &error), &error);
    const struct spot_backend *backend = &spot_backend_reference;
    must(backend->open(&(struct spot_device_options){0}, &model->device, &error), &error);
    must(backend->compile(
             model->device, model->graph,
             &(struct spot_program_options){.precision = SPOT_PRECISION_F32, .batch_max = 1},
             &model->program, &error),
         &error);
    must(backend->lane_new(model->program, &model->lane, &error), &error);
}

void test_model_run(struct test_model *model, const struct spot_binding *binding) {
    struct spot_error error;
    const struct spot_backend *backend = &spot_backend_reference;
    must(backend->submit(model->lane, binding, 1, &error), &error);
    must(backend->wait(model->lane, &error), &error);
}

void test_model_fini(struct test_model *model) {
    const struct spot_backend *backend = &spot_backend_reference;
    if (model->lane != NULL)
        backend->lane_free(model->lane);
    if (model->program != NULL)
        backend->program_free(model->program);
    if (model->device != NULL)
        backend->close(model->device);
    spot_graph_free(&model->graph);
    for (size_t i = 0; i < model->weights.count; i++) {
        free((void *)(uintptr_t)model->weights.items[i].name);
        free((void *)(uintptr_t)model->weights.items[i].data);
    }
    free((void *)(uintptr_t)model->weights.items);
    *model = (struct test_model){0};
}
