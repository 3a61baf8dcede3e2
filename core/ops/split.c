/* Cutting along the channels; see core/ops/split.h. */
#include "core/ops/split.h"

#include <string.h>

static enum spot_status infer(struct spot_op_types *types, struct spot_error *error) {
    struct spot_shape part = types->in[0].shape;
    char text[64];
    if (part.rank != 4 || part.dim[1] % types->n_out != 0)
        return spot_fail(error, SPOT_INVALID, "%s does not split into %d equal parts",
                         spot_shape_format(&part, text, sizeof text), types->n_out);
    part.dim[1] /= types->n_out;
    for (int i = 0; i < types->n_out; i++)
        types->out[i].shape = part;
    return SPOT_OK;
}

static void reference(const struct spot_op_args *args) {
    const float *in = args->in[0].data;
    size_t pictures = (size_t)args->in[0].type.shape.dim[0];
    size_t part = spot_shape_elements(&args->out[0].type.shape) / pictures;
    for (size_t n = 0; n < pictures; n++)
        for (int i = 0; i < args->n_out; i++, in += part)
            memcpy((float *)args->out[i].data + n * part, in, part * sizeof *in);
}

const struct spot_op spot_op_split = {
    .name = "split",
    .attrs_size = 0,
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out_min = 2,
    .n_out_max = SPOT_NODE_OUTPUTS_MAX,
    .infer = infer,
    .reference = reference,
};

void spot_split(struct spot_graph *graph, struct spot_value *x, struct spot_value **parts,
                int n_parts) {
    spot_graph_add(graph, &spot_op_split, NULL, NULL, &x, 1, parts, n_parts);
}
