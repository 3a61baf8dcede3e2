/* Concatenation, shuffle and split in one; see core/ops/shuffle_join.h. */
#include "core/ops/shuffle_join.h"

#include <string.h>

static enum spot_status infer(struct spot_op_types *types, struct spot_error *error) {
    struct spot_shape half = types->in[0].shape;
    char left[64], right[64];
    if (half.rank != 4 || !spot_shape_equal(&half, &types->in[1].shape))
        return spot_fail(error, SPOT_INVALID, "shapes %s and %s must be equal maps",
                         spot_shape_format(&half, left, sizeof left),
                         spot_shape_format(&types->in[1].shape, right, sizeof right));
    half.dim[1] *= types->n_out == 1 ? 2 : 1;
    for (int i = 0; i < types->n_out; i++)
        types->out[i].shape = half;
    return SPOT_OK;
}

static void reference(const struct spot_op_args *args) {
    const int *dim = args->in[0].type.shape.dim;
    size_t plane = (size_t)dim[2] * (size_t)dim[3], channels = (size_t)dim[1];
    size_t out_channels = 2 * channels / (size_t)args->n_out;
    for (size_t n = 0; n < (size_t)dim[0]; n++) {
        for (size_t k = 0; k < 2 * channels; k++) {
            const float *in = args->in[k % 2].data;
            float *out = args->out[k / out_channels].data;
            memcpy(out + (n * out_channels + k % out_channels) * plane,
                   in + (n * channels + k / 2) * plane, plane * sizeof *out);
        }
    }
}

const struct spot_op spot_op_shuffle_join = {
    .name = "shuffle_join",
    .attrs_size = 0,
    .n_in_min = 2,
    .n_in_max = 2,
    .n_out_min = 1,
    .n_out_max = 2,
    .infer = infer,
    .reference = reference,
};
