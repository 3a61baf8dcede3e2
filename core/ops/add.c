/* Element-wise sum; see core/ops/add.h. */
#include "core/ops/add.h"

static enum spot_status infer(struct spot_op_types *types, struct spot_error *error) {
    const struct spot_shape *a = &types->in[0].shape, *b = &types->in[1].shape;
    char left[64], right[64];
    if (!spot_shape_equal(a, b))
        return spot_fail(error, SPOT_INVALID, "shapes %s and %s differ",
                         spot_shape_format(a, left, sizeof left),
                         spot_shape_format(b, right, sizeof right));
    types->out[0].shape = *a;
    return SPOT_OK;
}

static void reference(const struct spot_op_args *args) {
    const struct spot_add *attrs = args->attrs;
    const float *a = args->in[0].data, *b = args->in[1].data;
    float *out = args->out[0].data;
    size_t count = spot_shape_elements(&args->out[0].type.shape);
    for (size_t i = 0; i < count; i++)
        out[i] = spot_activate(attrs->activation, a[i] + b[i]);
}

static struct spot_activation *fused_activation(void *attrs) {
    return &((struct spot_add *)attrs)->activation;
}

const struct spot_op spot_op_add = {
    .name = "add",
    .attrs_size = sizeof(struct spot_add),
    .n_in_min = 2,
    .n_in_max = 2,
    .n_out_min = 1,
    .n_out_max = 1,
    .infer = infer,
    .reference = reference,
    .fused_activation = fused_activation,
};

struct spot_value *spot_add(struct spot_graph *graph, struct spot_value *a, struct spot_value *b) {
    struct spot_add attrs = {{SPOT_ACT_NONE, 0}};
    struct spot_value *in[] = {a, b};
    return spot_graph_add(graph, &spot_op_add, NULL, &attrs, in, 2, NULL, 1);
}
