/* Decoding of GFL heads; see core/ops/gfl_decode.h. */
#include "core/ops/gfl_decode.h"

#include "core/candidates.h"
#include "core/ops/head.h"

enum { SETTINGS, FIRST_LEVEL };

static enum spot_status infer(struct spot_op_types *types, struct spot_error *error) {
    const struct spot_gfl_decode *a = types->attrs;
    if (a->classes < 1 || a->classes > SPOT_CLASSES_MAX || a->bins < 2 ||
        a->bins > SPOT_GFL_BINS_MAX || a->max_candidates < 1)
        return spot_fail(error, SPOT_INVALID,
                         "%d classes, %d bins or %d candidates are out of range", a->classes,
                         a->bins, a->max_candidates);
    for (int i = FIRST_LEVEL; i < types->n_in; i++) {
        const struct spot_shape *map = &types->in[i].shape;
        char text[64];
        if (map->rank != 4 || map->dim[1] != a->classes + 4 * a->bins)
            return spot_fail(error, SPOT_INVALID, "map %s does not hold %d classes and 4 x %d bins",
                             spot_shape_format(map, text, sizeof text), a->classes, a->bins);
    }
    types->out[0].shape =
        spot_shape3(types->in[SETTINGS].shape.dim[0], a->max_candidates, SPOT_CAND_FIELDS);
    return SPOT_OK;
}

static size_t scratch(const struct spot_op_types *types) {
    return spot_collector_bytes(((const struct spot_gfl_decode *)types->attrs)->max_candidates);
}

/* The mean of the distribution softmax(logits), in bins; the logits lie `step` floats apart. */
static float expected_bin(const float *logits, size_t step, int bins) {
    float max = logits[0], sum = 0, weighted = 0;
    for (int k = 1; k < bins; k++)
        max = fmaxf(max, logits[(size_t)k * step]);
    for (int k = 0; k < bins; k++) {
        float p = expf(logits[(size_t)k * step] - max);
        sum += p;
        weighted += (float)k * p;
    }
    return weighted / sum;
}

/* The box of one cell in picture pixels. `sides` is its first side logit. */
static void decode_box(const struct spot_gfl_decode *a, const float *s, float stride, int y, int x,
                       const float *sides, size_t step, float box[4]) {
    float distance[4];
    for (int side = 0; side < 4; side++)
        distance[side] =
            stride * expected_bin(sides + (size_t)(side * a->bins) * step, step, a->bins);
    float cx = ((float)x + a->offset) * stride - s[SPOT_SET_PAD_X];
    float cy = ((float)y + a->offset) * stride - s[SPOT_SET_PAD_Y];
    box[0] = (cx - distance[0]) / s[SPOT_SET_SCALE_X];
    box[1] = (cy - distance[1]) / s[SPOT_SET_SCALE_Y];
    box[2] = (cx + distance[2]) / s[SPOT_SET_SCALE_X];
    box[3] = (cy + distance[3]) / s[SPOT_SET_SCALE_Y];
}

void spot_gfl_decode_cell(const struct spot_gfl_decode *a, const float *s, int level, int y, int x,
                          const float *logits, size_t step, struct spot_collector *collector) {
    int first = a->all_classes ? 0 : spot_best_class(logits, step, a->classes);
    int last = a->all_classes ? a->classes - 1 : first;
    bool have_box = false;
    float box[4];
    for (int c = first; c <= last; c++) {
        float score = spot_sigmoid(logits[(size_t)c * step]);
        if (!(score >= s[SPOT_SET_CONFIDENCE]))
            continue;
        if (!have_box)
            decode_box(a, s, (float)a->stride[level], y, x, logits + (size_t)a->classes * step,
                       step, box);
        have_box = true;
        spot_collector_offer(collector, box, score, c);
    }
}

static void reference(const struct spot_op_args *args) {
    const struct spot_gfl_decode *a = args->attrs;
    float *out = args->out[0].data;
    for (int n = 0; n < args->out[0].type.shape.dim[0]; n++) {
        const float *s = (const float *)args->in[SETTINGS].data + (size_t)n * SPOT_SETTINGS;
        struct spot_collector collector;
        spot_collector_init(&collector, args->scratch, a->max_candidates);
        for (int level = 0; level < args->n_in - FIRST_LEVEL; level++) {
            const struct spot_tensor *map = &args->in[FIRST_LEVEL + level];
            const int *dim = map->type.shape.dim;
            size_t plane = (size_t)dim[2] * (size_t)dim[3];
            const float *logits = (const float *)map->data + (size_t)n * (size_t)dim[1] * plane;
            for (int y = 0; y < dim[2]; y++)
                for (int x = 0; x < dim[3]; x++)
                    spot_gfl_decode_cell(a, s, level, y, x, logits++, plane, &collector);
        }
        spot_collector_finish(&collector, out + (size_t)(n * a->max_candidates) * SPOT_CAND_FIELDS);
    }
}

const struct spot_op spot_op_gfl_decode = {
    .name = "gfl_decode",
    .attrs_size = sizeof(struct spot_gfl_decode),
    .n_in_min = 2,
    .n_in_max = 1 + SPOT_GFL_LEVELS_MAX,
    .n_out_min = 1,
    .n_out_max = 1,
    .infer = infer,
    .scratch = scratch,
    .reference = reference,
};

struct spot_value *spot_gfl_decode(struct spot_graph *graph, struct spot_value *settings,
                                   struct spot_value *const *levels, int n_levels,
                                   struct spot_gfl_decode attrs) {
    struct spot_value *in[1 + SPOT_GFL_LEVELS_MAX] = {settings};
    for (int i = 0; i < n_levels && i < SPOT_GFL_LEVELS_MAX; i++)
        in[1 + i] = levels[i];
    return spot_graph_add(graph, &spot_op_gfl_decode, NULL, &attrs, in, 1 + n_levels, NULL, 1);
}
