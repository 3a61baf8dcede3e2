/* Channel shuffle; see core/ops/channel_shuffle.h. */
#include "core/ops/channel_shuffle.h"

#include <string.h>

static enum spot_status infer(struct spot_op_types *types, struct spot_error *error) {
    const struct spot_channel_shuffle *a = types->attrs;
    const struct spot_shape *x = &types->in[0].shape;
    char text[64];
    if (x->rank != 4 || a->groups < 1 || x->dim[1] % a->groups != 0)
        return spot_fail(error, SPOT_INVALID, "%s cannot be shuffled in %d groups",
                         spot_shape_format(x, text, sizeof text), a->groups);
    types->out[0].shape = *x;
    return SPOT_OK;
}

static void reference(const struct spot_op_args *args) {
    const struct spot_channel_shuffle *a = args->attrs;
    const int *dim = args->in[0].type.shape.dim;
    const float *in = args->in[0].data;
    float *out = args->out[0].data;
    size_t plane = (size_t)dim[2] * (size_t)dim[3], width = (size_t)(dim[1] / a->groups);
    for (int n = 0; n < dim[0]; n++, in += (size_t)dim[1] * plane)
        for (size_t i = 0; i < width; i++)
            for (size_t j = 0; j < (size_t)a->groups; j++, out += plane)
                memcpy(out, in + (j * width + i) * plane, plane * sizeof *out);
}

const struct spot_op spot_op_channel_shuffle = {
    .name = "channel_shuffle",
    .attrs_size = sizeof(struct spot_channel_shuffle),
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out_min = 1,
    .n_out_max = 1,
    .infer = infer,
    .reference = reference,
};

struct spot_value *spot_channel_shuffle(struct spot_graph *graph, struct spot_value *x,
                                        struct spot_channel_shuffle attrs) {
    return spot_graph_add(graph, &spot_op_channel_shuffle, NULL, &attrs, &x, 1, NULL, 1);
}
