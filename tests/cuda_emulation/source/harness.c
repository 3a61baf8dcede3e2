/* See harness.h. */
#include "tests/cuda_emulation/source/harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/pack.h"
#include "tests/cuda_emulation/source/runtime.h"
#include "tests/support/random.h"
#include "tests/support/run_op.h"

enum { POISON = 0xff }; /* of every byte: a NaN in float32 and float16 */

static const struct {
    const char *name;
    enum emu_order order;
    uint64_t seed;
} orders[] = {
    {"random", EMU_RANDOM, 1},
#if !defined(__SANITIZE_THREAD__) /* which sees a race in any order, and takes its time */
    {"forward", EMU_FORWARD, 0},
    {"reverse", EMU_REVERSE, 0},
#endif
};

const enum spot_dtype kernel_dtypes[2] = {SPOT_F32, SPOT_F16};

void kernel_begin(struct kernel_test *t, enum spot_dtype dtype, const char *format, ...) {
    va_list arguments;
    memset(t, 0, sizeof *t);
    t->dtype = dtype;
    t->random = 1;
    va_start(arguments, format);
    int length = vsnprintf(t->what, sizeof t->what, format, arguments);
    va_end(arguments);
    if (length >= 0 && (size_t)length < sizeof t->what)
        snprintf(t->what + length, sizeof t->what - (size_t)length, " %s", spot_dtype_name(dtype));
}

void kernel_end(struct kernel_test *t) {
    for (int i = 0; i < t->n_buffers; i++) {
        cudaFree(t->buffers[i].device);
        free(t->buffers[i].initial);
        free(t->buffers[i].first);
    }
    for (int i = 0; i < t->n_owned; i++)
        free(t->owned[i]);
    t->n_buffers = t->n_owned = 0;
}

static void *must(void *memory) {
    assert_non_null(memory);
    return memory;
}

/* ---- host tensors ---- */

static void own(struct kernel_test *t, void *memory) {
    assert_true(t->n_owned < KERNEL_BUFFERS_MAX);
    t->owned[t->n_owned++] = memory;
}

struct spot_tensor kernel_tensor(struct kernel_test *t, struct spot_shape shape) {
    float *data = must(calloc(spot_shape_elements(&shape) + 1, sizeof *data));
    own(t, data);
    return (struct spot_tensor){{SPOT_F32, shape}, data};
}

static float round_to(enum spot_dtype dtype, float value) {
    return dtype == SPOT_F16 ? spot_f32_from_f16(spot_cuda_f16(value)) : value;
}

void kernel_round(const struct kernel_test *t, const struct spot_tensor *tensor) {
    float *values = tensor->data;
    size_t count = spot_shape_elements(&tensor->type.shape);
    for (size_t i = 0; i < count; i++)
        values[i] = round_to(t->dtype, values[i]);
}

struct spot_tensor kernel_random(struct kernel_test *t, struct spot_shape shape, float low,
                                 float high) {
    struct spot_tensor tensor = kernel_tensor(t, shape);
    test_fill(&t->random, tensor.data, spot_shape_elements(&shape), low, high);
    kernel_round(t, &tensor);
    return tensor;
}

void kernel_reference(struct kernel_test *t, const struct spot_op *op, const void *attrs,
                      const struct spot_tensor *in, int n_in, struct spot_tensor *out, int n_out) {
    test_run_op(op, attrs, in, n_in, out, n_out);
    for (int i = 0; i < n_out; i++)
        own(t, out[i].data);
}

/* ---- device memory ---- */

static struct kernel_buffer *add_buffer(struct kernel_test *t, size_t bytes) {
    assert_true(t->n_buffers < KERNEL_BUFFERS_MAX);
    struct kernel_buffer *buffer = &t->buffers[t->n_buffers++];
    buffer->bytes = bytes;
    buffer->initial = must(malloc(bytes));
    memset(buffer->initial, POISON, bytes);
    assert_int_equal(cudaMalloc(&buffer->device, bytes), cudaSuccess);
    return buffer;
}

static size_t map_bytes(const struct spot_cuda_map *map) {
    return (size_t)map->pictures * (size_t)map->height * (size_t)map->width * (size_t)map->pitch *
           spot_dtype_size(map->dtype);
}

static struct spot_cuda_map make_map(const struct kernel_test *t, const struct spot_shape *shape) {
    bool matrix = shape->rank == 2;
    assert_true(matrix || shape->rank == 4);
    return (struct spot_cuda_map){.dtype = t->dtype,
                                  .pictures = shape->dim[0],
                                  .height = matrix ? 1 : shape->dim[2],
                                  .width = matrix ? 1 : shape->dim[3],
                                  .channels = shape->dim[1],
                                  .pitch = spot_cuda_padded(shape->dim[1]) + t->extra_pitch};
}

/* Elements from the start of a map to channel c of pixel number `pixel` of all pictures. */
static size_t map_index(const struct spot_cuda_map *map, size_t pixel, int c) {
    return pixel * (size_t)map->pitch + (size_t)c;
}

static float read_element(const void *data, enum spot_dtype dtype, size_t at) {
    return dtype == SPOT_F16 ? spot_f32_from_f16(((const uint16_t *)data)[at])
                             : ((const float *)data)[at];
}

static void write_element(void *data, enum spot_dtype dtype, size_t at, float value) {
    if (dtype == SPOT_F16)
        ((uint16_t *)data)[at] = spot_cuda_f16(value);
    else
        ((float *)data)[at] = value;
}

/* The index in dense [N,C,H,W] of channel c of pixel number `pixel` of all pictures. */
static size_t dense_index(const struct spot_cuda_map *map, size_t pixel, int c) {
    size_t plane = (size_t)map->height * (size_t)map->width;
    return (pixel / plane * (size_t)map->channels + (size_t)c) * plane + pixel % plane;
}

static size_t map_pixels(const struct spot_cuda_map *map) {
    return (size_t)map->pictures * (size_t)map->height * (size_t)map->width;
}

struct spot_cuda_map kernel_map(struct kernel_test *t, const struct spot_tensor *tensor) {
    struct spot_cuda_map map = make_map(t, &tensor->type.shape);
    struct kernel_buffer *buffer = add_buffer(t, map_bytes(&map));
    map.data = buffer->device;
    const float *values = tensor->data;
    for (size_t pixel = 0; pixel < map_pixels(&map); pixel++)
        for (int c = 0; c < spot_cuda_padded(map.channels); c++)
            write_element(buffer->initial, map.dtype, map_index(&map, pixel, c),
                          c < map.channels ? values[dense_index(&map, pixel, c)] : 0);
    return map;
}

static void expect(struct kernel_buffer *buffer, const struct spot_tensor *expected,
                   struct kernel_tolerance tolerance) {
    buffer->expected = *expected;
    buffer->tolerance = tolerance;
    buffer->first = must(malloc(buffer->bytes));
}

struct spot_cuda_map kernel_out_map(struct kernel_test *t, const struct spot_tensor *expected,
                                    struct kernel_tolerance tolerance) {
    struct spot_cuda_map map = make_map(t, &expected->type.shape);
    struct kernel_buffer *buffer = add_buffer(t, map_bytes(&map));
    map.data = buffer->device;
    buffer->map = map;
    expect(buffer, expected, tolerance);
    return map;
}

void kernel_in_place(struct kernel_test *t, const struct spot_cuda_map *map,
                     const struct spot_tensor *expected, struct kernel_tolerance tolerance) {
    for (int i = 0; i < t->n_buffers; i++) {
        if (t->buffers[i].device != map->data)
            continue;
        t->buffers[i].map = *map;
        expect(&t->buffers[i], expected, tolerance);
        return;
    }
    fail_msg("%s: no such map", t->what);
}

float *kernel_out(struct kernel_test *t, const struct spot_tensor *expected,
                  struct kernel_tolerance tolerance) {
    size_t bytes = spot_shape_elements(&expected->type.shape) * sizeof(float);
    struct kernel_buffer *buffer = add_buffer(t, bytes);
    expect(buffer, expected, tolerance);
    return buffer->device;
}

void *kernel_data(struct kernel_test *t, const void *bytes, size_t size) {
    if (size == 0)
        return NULL;
    struct kernel_buffer *buffer = add_buffer(t, size);
    memcpy(buffer->initial, bytes, size);
    return buffer->device;
}

float *kernel_floats(struct kernel_test *t, const struct spot_tensor *tensor) {
    return kernel_data(t, tensor->data, spot_shape_elements(&tensor->type.shape) * sizeof(float));
}

void *kernel_scratch(struct kernel_test *t, size_t size) {
    struct kernel_buffer *buffer = add_buffer(t, size);
    buffer->scratch = true;
    return buffer->device;
}

/* ---- comparison ---- */

/*
 * nvcc has an expf, and its like, of its own, which may differ in the last place from the host's,
 * that the reference uses; the corners of a box some tens of pixels wide then differ by this.
 */
#if defined(KERNEL_COMPILED_BY_NVCC)
static const struct kernel_tolerance FUNCTIONS = {1e-4F, 1e-6F};
#else
static const struct kernel_tolerance FUNCTIONS = {0, 0};
#endif

static bool close_enough(const struct kernel_buffer *buffer, enum spot_dtype dtype, float found,
                         float expected) {
    struct kernel_tolerance tolerance = buffer->tolerance;
    float abs = tolerance.abs + FUNCTIONS.abs, rel = tolerance.rel + FUNCTIONS.rel;
    bool exact = abs <= 0 && rel <= 0;
    expected = round_to(dtype, expected);
    if (isnan(expected) || isnan(found))
        return isnan(expected) && isnan(found);
    if (isinf(expected) || exact)
        return found == expected; /* NOLINT: bits are meant */
    if (dtype == SPOT_F16) {
        rel += 0x1p-10F;
        abs += 0x1p-24F;
    }
    return fabsf(found - expected) <= abs + rel * fabsf(expected);
}

/* A map: every element, then zeros in the padding and nothing beyond it. */
static void compare_map(const struct kernel_test *t, const struct kernel_buffer *buffer,
                        const void *bytes, const char *order) {
    const struct spot_cuda_map *map = &buffer->map;
    const float *expected = buffer->expected.data;
    size_t size = spot_dtype_size(map->dtype);
    for (size_t pixel = 0; pixel < map_pixels(map); pixel++) {
        for (int c = 0; c < map->pitch; c++) {
            size_t at = map_index(map, pixel, c);
            float found = read_element(bytes, map->dtype, at);
            const char *before = (const char *)buffer->initial + at * size;
            if (c < map->channels) {
                float wanted = expected[dense_index(map, pixel, c)];
                if (!close_enough(buffer, map->dtype, found, wanted))
                    fail_msg("%s, %s: pixel %zu channel %d is %.9g, expected %.9g", t->what, order,
                             pixel, c, (double)found, (double)round_to(map->dtype, wanted));
            } else if (c < spot_cuda_padded(map->channels)) {
                if (!(fabsf(found) <= 0))
                    fail_msg("%s, %s: pixel %zu channel %d is padding and %g", t->what, order,
                             pixel, c, (double)found);
            } else if (memcmp((const char *)bytes + at * size, before, size) != 0) {
                fail_msg("%s, %s: pixel %zu: written beyond the padding", t->what, order, pixel);
            }
        }
    }
}

static void compare_dense(const struct kernel_test *t, const struct kernel_buffer *buffer,
                          const void *bytes, const char *order) {
    const float *found = bytes, *expected = buffer->expected.data;
    size_t row = (size_t)buffer->expected.type.shape.dim[buffer->expected.type.shape.rank - 1];
    for (size_t i = 0; i < buffer->bytes / sizeof *found; i++)
        if (!close_enough(buffer, SPOT_F32, found[i], expected[i]))
            fail_msg("%s, %s: row %zu element %zu is %.9g, expected %.9g", t->what, order, i / row,
                     i % row, (double)found[i], (double)expected[i]);
}

static void compare_buffer(const struct kernel_test *t, struct kernel_buffer *buffer,
                           const void *bytes, size_t order) {
    const char *name = orders[order].name;
    if (buffer->scratch)
        return;
    if (buffer->expected.data == NULL) {
        if (memcmp(bytes, buffer->initial, buffer->bytes) != 0)
            fail_msg("%s, %s: an input was changed", t->what, name);
        return;
    }
    if (buffer->map.data != NULL)
        compare_map(t, buffer, bytes, name);
    else
        compare_dense(t, buffer, bytes, name);
    if (order == 0)
        memcpy(buffer->first, bytes, buffer->bytes);
    else if (memcmp(bytes, buffer->first, buffer->bytes) != 0)
        fail_msg("%s: the order of threads changes the bits of a result", t->what);
}

/* ---- the launch ---- */

static void check_cuda(const struct kernel_test *t, cudaError_t error, const char *order) {
    if (error != cudaSuccess)
        fail_msg("%s, %s: CUDA error %d", t->what, order, (int)error);
}

void kernel_check(struct kernel_test *t, kernel_launcher launch, const void *params) {
    for (size_t order = 0; order < sizeof orders / sizeof *orders; order++) {
        const char *name = orders[order].name;
        for (int i = 0; i < t->n_buffers; i++)
            check_cuda(t,
                       cudaMemcpy(t->buffers[i].device, t->buffers[i].initial, t->buffers[i].bytes,
                                  cudaMemcpyHostToDevice),
                       name);
        emu_set_order(orders[order].order, orders[order].seed);
        check_cuda(t, launch(params, NULL), name);
        for (int i = 0; i < t->n_buffers; i++) {
            struct kernel_buffer *buffer = &t->buffers[i];
            void *bytes = must(malloc(buffer->bytes));
            check_cuda(t, cudaMemcpy(bytes, buffer->device, buffer->bytes, cudaMemcpyDeviceToHost),
                       name);
            compare_buffer(t, buffer, bytes, order);
            free(bytes);
        }
    }
}

void kernel_refuses(kernel_launcher launch, const void *params, const char *what) {
    cudaError_t error = launch(params, NULL);
    if (error != cudaErrorInvalidValue)
        fail_msg("%s: CUDA error %d, expected cudaErrorInvalidValue", what, (int)error);
}
