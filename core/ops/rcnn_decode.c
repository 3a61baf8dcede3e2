/* Decoding of a two-stage detector's second stage; see core/ops/rcnn_decode.h. */
#include "core/ops/rcnn_decode.h"

#include "core/candidates.h"

enum { SETTINGS, ROIS, PROBABILITIES, DELTAS };
enum { AGNOSTIC_BOXES = 2 }; /* background and the rest */

static enum spot_status infer(struct spot_op_types *types, struct spot_error *error) {
    const struct spot_rcnn_decode *a = types->attrs;
    const struct spot_shape *settings = &types->in[SETTINGS].shape;
    const struct spot_shape *rois = &types->in[ROIS].shape;
    const struct spot_shape *classes = &types->in[PROBABILITIES].shape;
    const struct spot_shape *deltas = &types->in[DELTAS].shape;
    struct spot_shape expected = spot_shape2(settings->dim[0], SPOT_SETTINGS);
    if (!spot_shape_equal(settings, &expected) || a->max_candidates < 1)
        return spot_fail(error, SPOT_INVALID,
                         "its first input must be a settings row, its %d candidates at least 1",
                         a->max_candidates);
    int rows = rois->dim[0];
    bool fits = rois->rank == 2 && rois->dim[1] == SPOT_ROI_FIELDS && classes->rank == 2 &&
                classes->dim[0] == rows && classes->dim[1] >= 2 && deltas->rank == 2 &&
                deltas->dim[0] == rows && rows % settings->dim[0] == 0;
    fits = fits && (deltas->dim[1] == 4 * AGNOSTIC_BOXES || deltas->dim[1] == 4 * classes->dim[1]);
    char text[3][64];
    if (!fits)
        return spot_fail(error, SPOT_INVALID,
                         "regions %s, probabilities %s and deltas %s do not fit together",
                         spot_shape_format(rois, text[0], sizeof text[0]),
                         spot_shape_format(classes, text[1], sizeof text[1]),
                         spot_shape_format(deltas, text[2], sizeof text[2]));
    types->out[0].shape = spot_shape3(settings->dim[0], a->max_candidates, SPOT_CAND_FIELDS);
    return SPOT_OK;
}

static size_t scratch(const struct spot_op_types *types) {
    return spot_collector_bytes(((const struct spot_rcnn_decode *)types->attrs)->max_candidates);
}

/* The box of one region in picture pixels. */
static void decode_box(const struct spot_rcnn_decode *a, const float *s, const float *roi,
                       const float *deltas, float box[4]) {
    float scaled[4];
    for (int i = 0; i < 4; i++)
        scaled[i] = deltas[i] * a->deviation[i];
    spot_box_decode(a->coding, roi + 1, scaled, box);
    spot_box_clip(box, s[SPOT_SET_RESIZED_W], s[SPOT_SET_RESIZED_H]);
    for (int i = 0; i < 4; i++)
        box[i] /= s[i % 2 == 0 ? SPOT_SET_SCALE_X : SPOT_SET_SCALE_Y];
}

/* What there is of one picture. */
struct picture {
    int index, regions, classes, boxes; /* boxes: K */
    const float *settings, *rois, *probabilities, *deltas;
};

static void offer_class(const struct spot_rcnn_decode *a, const struct picture *p, int class_id,
                        struct spot_collector *collector) {
    int column = 4 * (p->boxes == p->classes ? class_id : 1);
    for (int r = 0; r < p->regions; r++) {
        const float *roi = p->rois + (size_t)r * SPOT_ROI_FIELDS;
        float score = p->probabilities[(size_t)r * (size_t)p->classes + (size_t)class_id];
        if (roi[0] != (float)p->index || !(score > p->settings[SPOT_SET_CONFIDENCE]))
            continue;
        float box[4];
        decode_box(a, p->settings, roi, p->deltas + (size_t)r * 4 * (size_t)p->boxes + column, box);
        spot_collector_offer(collector, box, score, class_id - 1);
    }
}

static void reference(const struct spot_op_args *args) {
    const struct spot_rcnn_decode *a = args->attrs;
    int pictures = args->in[SETTINGS].type.shape.dim[0];
    struct picture p = {
        .regions = args->in[ROIS].type.shape.dim[0] / pictures,
        .classes = args->in[PROBABILITIES].type.shape.dim[1],
        .boxes = args->in[DELTAS].type.shape.dim[1] / 4,
        .settings = args->in[SETTINGS].data,
        .rois = args->in[ROIS].data,
        .probabilities = args->in[PROBABILITIES].data,
        .deltas = args->in[DELTAS].data,
    };
    float *out = args->out[0].data;
    for (; p.index < pictures; p.index++) {
        struct spot_collector collector;
        spot_collector_init(&collector, args->scratch, a->max_candidates);
        for (int c = 1; c < p.classes; c++)
            offer_class(a, &p, c, &collector);
        spot_collector_finish(&collector, out);
        out += (size_t)a->max_candidates * SPOT_CAND_FIELDS;
        p.settings += SPOT_SETTINGS;
        p.rois += (size_t)p.regions * SPOT_ROI_FIELDS;
        p.probabilities += (size_t)p.regions * (size_t)p.classes;
        p.deltas += (size_t)p.regions * 4 * (size_t)p.boxes;
    }
}

const struct spot_op spot_op_rcnn_decode = {
    .name = "rcnn_decode",
    .attrs_size = sizeof(struct spot_rcnn_decode),
    .n_in_min = 4,
    .n_in_max = 4,
    .n_out_min = 1,
    .n_out_max = 1,
    .infer = infer,
    .scratch = scratch,
    .reference = reference,
};

struct spot_value *spot_rcnn_decode(struct spot_graph *graph, struct spot_value *settings,
                                    struct spot_value *rois, struct spot_value *probabilities,
                                    struct spot_value *deltas, struct spot_rcnn_decode attrs) {
    struct spot_value *in[] = {settings, rois, probabilities, deltas};
    return spot_graph_add(graph, &spot_op_rcnn_decode, NULL, &attrs, in, 4, NULL, 1);
}
