/* Cases of the operator test driver; see tests/ops/harness.h. */
#include "tests/ops/harness.h"

#include "tests/golden/generator.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * How far a precision may be off, as a part of the largest value expected: a few roundings of its
 * 11 or 8 bits of significand. The integer and box operators compute in float32 everywhere, so
 * lists of indices stay exact.
 */
static const double precision_slack[SPOT_PRECISION_COUNT] = {
    [SPOT_PRECISION_F16] = 4e-3, [SPOT_PRECISION_BF16] = 3e-2, [SPOT_PRECISION_INT8] = 1e-1};

void ops_fail(struct ops_case *c, const char *format, ...) {
    if (c->failed)
        return;
    c->failed = true;
    va_list args;
    va_start(args, format);
    vsnprintf(c->why, sizeof c->why, format, args);
    va_end(args);
}

void ops_check(struct ops_case *c, bool holds, const char *what) {
    if (!holds)
        ops_fail(c, "%s", what);
}

static void *allocate(struct ops_case *c, size_t bytes) {
    void *memory = spot_arena_alloc(&c->arena, bytes);
    if (memory == NULL) {
        fprintf(stderr, "spotter-ops: out of memory\n");
        exit(2);
    }
    return memory;
}

static void new_graph(struct ops_case *c, const struct spot_weights *weights) {
    c->graph = spot_graph_new(weights);
    if (c->graph == NULL)
        ops_fail(c, "out of memory");
}

void ops_open(struct ops_case *c, struct ops_run *run, const char *label, ...) {
    *c = (struct ops_case){.run = run};
    va_list args;
    va_start(args, label);
    vsnprintf(c->label, sizeof c->label, label, args);
    va_end(args);
    new_graph(c, NULL);
}

static int compare_weights(const void *a, const void *b) {
    return strcmp(((const struct spot_weight *)a)->name, ((const struct spot_weight *)b)->name);
}

void ops_open_weights(struct ops_case *c, struct ops_run *run, const char *label,
                      const json_t *tensors, const char *except) {
    *c = (struct ops_case){.run = run};
    snprintf(c->label, sizeof c->label, "%s", label);
    struct spot_weight *items = allocate(c, (json_object_size(tensors) + 1) * sizeof *items);
    const char *name;
    json_t *tensor;
    json_object_foreach((json_t *)(uintptr_t)tensors, name, tensor) {
        if (strcmp(name, except) == 0)
            continue;
        struct spot_weight *weight = &items[c->weight_table.count++];
        weight->name = name;
        weight->data = ops_tensor(c, tensor, &weight->type.shape);
    }
    qsort(items, c->weight_table.count, sizeof *items, compare_weights);
    c->weight_table.items = items;
    new_graph(c, &c->weight_table);
}

void ops_close(struct ops_case *c) {
    printf("%s %s%s%s%s%s\n", c->failed ? "FAIL" : "ok  ", c->run->file,
           c->label[0] != '\0' ? ", " : "", c->label, c->failed ? ": " : "", c->why);
    c->run->passed += !c->failed;
    c->run->failed += c->failed;
    spot_graph_free(&c->graph);
    spot_arena_free(&c->arena);
}

/* ---- reading ---- */

const json_t *ops_get(struct ops_case *c, const json_t *object, const char *path) {
    for (const char *at = path; object != NULL && *at != '\0';) {
        char name[64];
        size_t length = strcspn(at, ".");
        snprintf(name, sizeof name, "%.*s", (int)length, at);
        object = json_object_get(object, name);
        at += length + (at[length] == '.');
    }
    if (object == NULL)
        ops_fail(c, "the file has no '%s' here", path);
    return object;
}

double ops_number(struct ops_case *c, const json_t *object, const char *path) {
    const json_t *value = ops_get(c, object, path);
    if (value != NULL && !json_is_number(value))
        ops_fail(c, "'%s' is no number", path);
    return json_number_value(value);
}

int ops_int(struct ops_case *c, const json_t *object, const char *path) {
    return (int)ops_number(c, object, path);
}

const char *ops_text(struct ops_case *c, const json_t *object, const char *path) {
    const json_t *value = ops_get(c, object, path);
    if (value != NULL && !json_is_string(value))
        ops_fail(c, "'%s' is no text", path);
    return json_is_string(value) ? json_string_value(value) : "";
}

static bool read_number(const json_t *value, float *number) {
    if (json_is_number(value)) {
        *number = (float)json_number_value(value);
        return true;
    }
    static const struct {
        const char *text;
        float value;
    } words[] = {{"nan", NAN}, {"inf", INFINITY}, {"-inf", -INFINITY}};
    for (size_t i = 0; json_is_string(value) && i < sizeof words / sizeof *words; i++) {
        if (strcmp(json_string_value(value), words[i].text) == 0) {
            *number = words[i].value;
            return true;
        }
    }
    return false;
}

const float *ops_list(struct ops_case *c, const json_t *list, int *count) {
    *count = (int)json_array_size(list);
    float *values = allocate(c, ((size_t)*count + 1) * sizeof *values);
    if (!json_is_array(list))
        ops_fail(c, "a list of numbers is missing");
    for (int i = 0; i < *count; i++)
        if (!read_number(json_array_get(list, (size_t)i), &values[i]))
            ops_fail(c, "element %d of a list is no number", i);
    return values;
}

static bool read_shape(const json_t *tensor, struct spot_shape *shape) {
    const json_t *dims = json_object_get(tensor, "shape");
    *shape = (struct spot_shape){.rank = (int)json_array_size(dims)};
    if (shape->rank < 1 || shape->rank > SPOT_RANK_MAX)
        return false;
    for (int i = 0; i < shape->rank; i++)
        shape->dim[i] = (int)json_integer_value(json_array_get(dims, (size_t)i));
    return true;
}

/* A generated tensor, checked against the hash that the file gives for it. */
static const float *generate(struct ops_case *c, const json_t *tensor, size_t count) {
    float *values = allocate(c, count * sizeof *values);
    test_generate(ops_text(c, tensor, "generator.name"), 0,
                  ops_number(c, tensor, "generator.bound"), values, count);
    char hash[20];
    snprintf(hash, sizeof hash, "%016llx",
             (unsigned long long)test_fnv1a(values, count * sizeof *values));
    if (strcmp(hash, ops_text(c, tensor, "fnv64_of_float32_le_bytes")) != 0)
        ops_fail(c, "the generated tensor has the hash %s", hash);
    return values;
}

const float *ops_tensor(struct ops_case *c, const json_t *tensor, struct spot_shape *shape) {
    struct spot_shape own;
    shape = shape != NULL ? shape : &own;
    if (!read_shape(tensor, shape)) {
        ops_fail(c, "a tensor without a shape of 1 to %d dimensions", SPOT_RANK_MAX);
        *shape = spot_shape1(1);
        return NULL;
    }
    size_t expected = spot_shape_elements(shape);
    if (json_object_get(tensor, "generator") != NULL)
        return generate(c, tensor, expected);
    int count;
    const float *values = ops_list(c, json_object_get(tensor, "values"), &count);
    if ((size_t)count != expected)
        ops_fail(c, "a tensor of %zu elements has %d values", expected, count);
    return values;
}

/* ---- graphs ---- */

struct spot_value *ops_input_data(struct ops_case *c, struct spot_shape shape, const float *data) {
    if (c->failed)
        return NULL;
    char name[16];
    snprintf(name, sizeof name, "in%d", c->graph->n_inputs);
    struct spot_value *value =
        spot_graph_input(c->graph, name, (struct spot_type){SPOT_F32, shape});
    if (value != NULL)
        c->binding.in[c->graph->n_inputs - 1] = data;
    return value;
}

struct spot_value *ops_input(struct ops_case *c, const json_t *tensor) {
    struct spot_shape shape;
    const float *data = ops_tensor(c, tensor, &shape);
    return ops_input_data(c, shape, data);
}

struct spot_value *ops_constant(struct ops_case *c, const char *name, const json_t *tensor) {
    struct spot_shape shape;
    const float *data = ops_tensor(c, tensor, &shape);
    return c->failed ? NULL : spot_graph_constant(c->graph, name, shape, data);
}

float *ops_settings(struct ops_case *c, struct spot_value **value) {
    float *row = allocate(c, SPOT_SETTINGS * sizeof *row);
    row[SPOT_SET_SCALE_X] = row[SPOT_SET_SCALE_Y] = 1;
    *value = ops_input_data(c, spot_shape2(1, SPOT_SETTINGS), row);
    return row;
}

/* Compiles the finished graph and runs it once. */
static enum spot_status run_program(struct ops_case *c, struct spot_error *error) {
    const struct spot_backend *backend = c->run->device->backend;
    struct spot_program_options options = {.precision = c->run->precision, .batch_max = 1};
    struct spot_program *program = NULL;
    struct spot_lane *lane = NULL;
    enum spot_status status = spot_graph_prepare(c->graph, error);
    if (status == SPOT_OK)
        status = backend->compile(c->run->device, c->graph, &options, &program, error);
    if (status == SPOT_OK)
        status = backend->lane_new(program, &lane, error);
    if (status == SPOT_OK)
        status = backend->submit(lane, &c->binding, 1, error);
    if (status == SPOT_OK)
        status = backend->wait(lane, error);
    if (lane != NULL)
        backend->lane_free(lane);
    if (program != NULL)
        backend->program_free(program);
    return status;
}

void ops_run_graph(struct ops_case *c, struct spot_value *const *outputs, int n_outputs) {
    if (c->failed)
        return;
    struct spot_error error = {SPOT_OK, ""};
    for (int i = 0; i < n_outputs; i++)
        spot_graph_output(c->graph, outputs[i], "output");
    enum spot_status status = spot_graph_finish(c->graph, &error);
    for (int i = 0; status == SPOT_OK && i < n_outputs; i++) {
        size_t bytes = spot_shape_elements(&outputs[i]->type.shape) * sizeof(float);
        c->binding.out[i] = allocate(c, bytes);
        memset(c->binding.out[i], 0xff, bytes); /* NaN, so that what is not written shows */
    }
    if (status == SPOT_OK)
        status = run_program(c, &error);
    if (status != SPOT_OK)
        ops_fail(c, "%s", error.text);
}

const float *ops_output(const struct ops_case *c, int output) {
    return c->binding.out[output];
}

/* ---- comparing ---- */

struct ops_tolerance ops_tolerance(struct ops_case *c, const json_t *file) {
    return (struct ops_tolerance){ops_number(c, file, "tolerance.abs"),
                                  ops_number(c, file, "tolerance.rel")};
}

void ops_expect_values(struct ops_case *c, const char *what, const float *values,
                       const float *expected, size_t count, struct ops_tolerance tolerance) {
    if (c->failed)
        return;
    double largest = 0;
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs((double)expected[i]));
    double slack = precision_slack[c->run->precision] * largest;
    for (size_t i = 0; i < count; i++) {
        double want = (double)expected[i], have = (double)values[i];
        double allowed = tolerance.abs + tolerance.rel * fabs(want) + slack;
        bool equal = isnan(want) ? isnan(have) : have == want || fabs(have - want) <= allowed;
        if (!equal) {
            ops_fail(c, "%s[%zu] is %.9g, expected %.9g within %.3g", what, i, have, want, allowed);
            return;
        }
    }
}

void ops_expect(struct ops_case *c, int output, const json_t *expected,
                struct ops_tolerance tolerance) {
    struct spot_shape shape;
    const float *values = ops_tensor(c, expected, &shape);
    if (c->failed)
        return;
    const struct spot_shape *have = &c->graph->outputs[output]->type.shape;
    char left[64], right[64];
    if (!spot_shape_equal(have, &shape))
        ops_fail(c, "the output has shape %s, expected %s",
                 spot_shape_format(have, left, sizeof left),
                 spot_shape_format(&shape, right, sizeof right));
    ops_expect_values(c, "output", ops_output(c, output), values, spot_shape_elements(&shape),
                      tolerance);
}
