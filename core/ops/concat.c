/* Joining along an axis; see core/ops/concat.h. */
#include "core/ops/concat.h"

#include <string.h>

static enum spot_status infer(struct spot_op_types *types, struct spot_error *error) {
    const struct spot_concat *a = types->attrs;
    struct spot_shape out = types->in[0].shape;
    if (a->axis < 1 || a->axis >= out.rank)
        return spot_fail(error, SPOT_INVALID, "axis %d is not in 1 to %d", a->axis, out.rank - 1);
    for (int i = 1; i < types->n_in; i++) {
        struct spot_shape same = types->in[i].shape;
        int length = same.dim[a->axis];
        same.dim[a->axis] = out.dim[a->axis];
        if (!spot_shape_equal(&same, &out)) {
            char first[64], other[64];
            return spot_fail(error, SPOT_INVALID, "shapes %s and %s differ beside axis %d",
                             spot_shape_format(&types->in[0].shape, first, sizeof first),
                             spot_shape_format(&types->in[i].shape, other, sizeof other), a->axis);
        }
        out.dim[a->axis] += length;
    }
    types->out[0].shape = out;
    return SPOT_OK;
}

/* Elements from the axis on, of one slice of the dimensions before it. */
static size_t slice(const struct spot_shape *shape, int axis) {
    size_t count = 1;
    for (int i = axis; i < shape->rank; i++)
        count *= (size_t)shape->dim[i];
    return count;
}

static void reference(const struct spot_op_args *args) {
    const struct spot_concat *a = args->attrs;
    float *out = args->out[0].data;
    size_t row = slice(&args->out[0].type.shape, a->axis);
    size_t rows = spot_shape_elements(&args->out[0].type.shape) / row;
    for (int i = 0; i < args->n_in; i++) {
        const float *in = args->in[i].data;
        size_t length = slice(&args->in[i].type.shape, a->axis);
        for (size_t r = 0; r < rows; r++)
            memcpy(out + r * row, in + r * length, length * sizeof *out);
        out += length;
    }
}

const struct spot_op spot_op_concat = {
    .name = "concat",
    .attrs_size = sizeof(struct spot_concat),
    .n_in_min = 2,
    .n_in_max = SPOT_NODE_INPUTS_MAX,
    .n_out_min = 1,
    .n_out_max = 1,
    .infer = infer,
    .reference = reference,
};

struct spot_value *spot_concat(struct spot_graph *graph, struct spot_value *const *in, int n_in,
                               struct spot_concat attrs) {
    return spot_graph_add(graph, &spot_op_concat, NULL, &attrs, in, n_in, NULL, 1);
}

struct spot_value *spot_concat_pair(struct spot_graph *graph, struct spot_value *a,
                                    struct spot_value *b) {
    struct spot_value *parts[] = {a, b};
    return spot_concat(graph, parts, 2, (struct spot_concat){.axis = 1});
}
