/* Cases of the operators on maps and rows: convolution, pooling, shuffle, fully connected. */
#include "tests/ops/harness.h"

#include "core/ops/channel_shuffle.h"
#include "core/ops/conv2d.h"
#include "core/ops/fully_connected.h"
#include "core/ops/pool2d.h"
#include "core/ops/softmax.h"
#include "models/blocks/large_separable_conv.h"

#include <string.h>

/* A file without "params" is the dilated 3x3 that its note describes. */
void ops_run_conv2d(struct ops_run *run, const json_t *file) {
    struct ops_case c;
    ops_open(&c, run, "%s", "");
    struct spot_value *x = ops_input(&c, ops_get(&c, file, "inputs.data"));
    struct spot_value *weight = ops_constant(&c, "weight", ops_get(&c, file, "inputs.weight"));
    struct spot_conv2d attrs = spot_conv2d_same(3, 1, 2, 1);
    struct spot_value *y = spot_conv2d(c.graph, x, weight, NULL, attrs);
    ops_run_graph(&c, &y, 1);
    ops_expect(&c, 0, ops_get(&c, file, "expected.output"), ops_tolerance(&c, file));
    ops_close(&c);
}

void ops_run_fully_connected(struct ops_run *run, const json_t *file) {
    struct ops_case c;
    ops_open(&c, run, "%s", "");
    struct spot_value *x = ops_input(&c, ops_get(&c, file, "inputs.data"));
    struct spot_value *weight = ops_constant(&c, "weight", ops_get(&c, file, "inputs.weight"));
    struct spot_value *bias = ops_constant(&c, "bias", ops_get(&c, file, "inputs.bias"));
    struct spot_fully_connected attrs = {{SPOT_ACT_RELU, 0}};
    struct spot_value *y = spot_fully_connected(c.graph, x, weight, bias, attrs);
    ops_run_graph(&c, &y, 1);
    ops_expect(&c, 0, ops_get(&c, file, "expected.output"), ops_tolerance(&c, file));
    ops_close(&c);
}

void ops_run_softmax(struct ops_run *run, const json_t *file) {
    struct ops_case c;
    ops_open(&c, run, "%s", "");
    struct spot_value *y = spot_softmax(c.graph, ops_input(&c, ops_get(&c, file, "inputs.data")));
    ops_run_graph(&c, &y, 1);
    ops_expect(&c, 0, ops_get(&c, file, "expected.output"), ops_tolerance(&c, file));
    ops_close(&c);
}

/* Runs one pooling over the data of case i and compares it with the tensor at `path`. */
static void run_pool(struct ops_run *run, const json_t *file, size_t i, const char *label,
                     const char *path, struct spot_pool2d attrs) {
    struct ops_case c;
    const json_t *item = json_array_get(json_object_get(file, "cases"), i);
    ops_open(&c, run, "case %zu, %s", i + 1, label);
    struct spot_value *x = ops_input(&c, ops_get(&c, item, "inputs.data"));
    struct spot_value *y = spot_pool2d(c.graph, x, attrs);
    ops_run_graph(&c, &y, 1);
    ops_expect(&c, 0, ops_get(&c, item, path), ops_tolerance(&c, file));
    ops_close(&c);
}

/* TensorFlow's "SAME": ceil(size / 2) outputs, an odd padding goes right and below. */
static struct spot_pool2d same_padding(const json_t *item) {
    struct spot_pool2d attrs = {.mode = SPOT_POOL_MAX, .kernel = 3, .stride = 2};
    const json_t *shape =
        json_object_get(json_object_get(json_object_get(item, "inputs"), "data"), "shape");
    int pads[2];
    for (int axis = 0; axis < 2; axis++) {
        int size = (int)json_integer_value(json_array_get(shape, (size_t)(2 + axis)));
        pads[axis] = ((size + 1) / 2 - 1) * 2 + 3 - size;
    }
    attrs.pad_top = pads[0] / 2;
    attrs.pad_bottom = pads[0] - attrs.pad_top;
    attrs.pad_left = pads[1] / 2;
    attrs.pad_right = pads[1] - attrs.pad_left;
    return attrs;
}

void ops_run_max_pool2d(struct ops_run *run, const json_t *file) {
    struct spot_pool2d floor_padded = {SPOT_POOL_MAX, 3, 2, 1, 1, 1, 1, false, false};
    struct spot_pool2d ceil_bare = {.mode = SPOT_POOL_MAX, .kernel = 3, .stride = 2, .ceil = true};
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(file, "cases"), i, item) {
        run_pool(run, file, i, "padding 1, floor", "expected.pad1_floor", floor_padded);
        run_pool(run, file, i, "no padding, ceil", "expected.ceil_nopad", ceil_bare);
        run_pool(run, file, i, "same", "expected.same", same_padding(item));
    }
}

void ops_run_avg_pool2d(struct ops_run *run, const json_t *file) {
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(file, "cases"), i, item) {
        int stride = (int)json_integer_value(json_object_get(item, "stride"));
        run_pool(run, file, i, stride == 1 ? "stride 1" : "stride 2", "expected.output",
                 (struct spot_pool2d){SPOT_POOL_AVERAGE, 3, stride, 1, 1, 1, 1, false, true});
    }
}

/* The input of a case, unless it is given, is its own flat index. */
static struct spot_value *shuffle_input(struct ops_case *c, const json_t *item) {
    const json_t *inputs = json_object_get(item, "inputs");
    struct spot_shape shape;
    if (inputs != NULL)
        return ops_input(c, ops_get(c, inputs, "data"));
    ops_tensor(c, ops_get(c, item, "expected.output"), &shape);
    float *data = spot_arena_alloc(&c->arena, spot_shape_elements(&shape) * sizeof *data);
    for (size_t k = 0; data != NULL && k < spot_shape_elements(&shape); k++)
        data[k] = (float)k;
    return ops_input_data(c, shape, data);
}

void ops_run_channel_shuffle(struct ops_run *run, const json_t *file) {
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(file, "cases"), i, item) {
        struct ops_case c;
        struct spot_channel_shuffle attrs = {
            (int)json_integer_value(json_object_get(item, "groups"))};
        ops_open(&c, run, "case %zu, %d groups", i + 1, attrs.groups);
        struct spot_value *y = spot_channel_shuffle(c.graph, shuffle_input(&c, item), attrs);
        ops_run_graph(&c, &y, 1);
        ops_expect(&c, 0, ops_get(&c, item, "expected.output"), ops_tolerance(&c, file));
        ops_close(&c);
    }
}

void ops_run_large_separable_conv(struct ops_run *run, const json_t *file) {
    static const char *const expected[] = {
        [SPOT_SEPARABLE_RELU_EACH] = "expected.relu_each",
        [SPOT_SEPARABLE_RELU_AFTER_SUM] = "expected.relu_after_sum",
    };
    for (int relu = SPOT_SEPARABLE_RELU_EACH; relu <= SPOT_SEPARABLE_RELU_AFTER_SUM; relu++) {
        struct ops_case c;
        ops_open_weights(&c, run, strchr(expected[relu], '.') + 1, json_object_get(file, "inputs"),
                         "data");
        struct spot_large_separable_conv attrs = {
            .kernel = ops_int(&c, file, "params.k"),
            .mid = ops_int(&c, file, "params.mid_channels"),
            .out = ops_int(&c, file, "params.out_channels"),
            .relu = (enum spot_separable_relu)relu,
        };
        struct spot_value *x = ops_input(&c, ops_get(&c, file, "inputs.data"));
        struct spot_value *y = spot_large_separable_conv(c.graph, x, "", &attrs);
        ops_run_graph(&c, &y, 1);
        ops_expect(&c, 0, ops_get(&c, file, expected[relu]), ops_tolerance(&c, file));
        ops_close(&c);
    }
}
