/* Decoding of YOLOv5 heads; see core/ops/yolo_decode.h. */
#include "core/ops/yolo_decode.h"

#include "core/candidates.h"
#include "core/ops/head.h"

enum { SETTINGS, FIRST_LEVEL };
enum { COLUMN_X, COLUMN_Y, COLUMN_W, COLUMN_H, COLUMN_OBJECTNESS, COLUMN_CLASSES };

static enum spot_status infer(struct spot_op_types *types, struct spot_error *error) {
    const struct spot_yolo_decode *a = types->attrs;
    if (a->classes < 1 || a->classes > SPOT_CLASSES_MAX || a->anchors < 1 ||
        a->anchors > SPOT_YOLO_ANCHORS_MAX || a->max_candidates < 1)
        return spot_fail(error, SPOT_INVALID,
                         "%d classes, %d anchors or %d candidates are out of range", a->classes,
                         a->anchors, a->max_candidates);
    for (int i = FIRST_LEVEL; i < types->n_in; i++) {
        const struct spot_shape *map = &types->in[i].shape;
        char text[64];
        if (map->rank != 4 || map->dim[1] != a->anchors * (COLUMN_CLASSES + a->classes))
            return spot_fail(error, SPOT_INVALID, "map %s does not hold %d anchors x (5 + %d)",
                             spot_shape_format(map, text, sizeof text), a->anchors, a->classes);
    }
    types->out[0].shape =
        spot_shape3(types->in[SETTINGS].shape.dim[0], a->max_candidates, SPOT_CAND_FIELDS);
    return SPOT_OK;
}

static size_t scratch(const struct spot_op_types *types) {
    return spot_collector_bytes(((const struct spot_yolo_decode *)types->attrs)->max_candidates);
}

/* One prior: column j of its row is row[j * step]. */
struct prior {
    const float *row;
    size_t step;
    int x, y;
    float stride;
    struct spot_yolo_anchor anchor;
};

static float column(const struct prior *prior, int j) {
    return prior->row[(size_t)j * prior->step];
}

static float side(float logit, float anchor) {
    float twice = 2 * spot_sigmoid(logit);
    return twice * twice * anchor;
}

/* The box of a prior in picture pixels. */
static void decode_box(const struct prior *prior, const float *s, float box[4]) {
    float cx = (2 * spot_sigmoid(column(prior, COLUMN_X)) - 0.5F + (float)prior->x) * prior->stride;
    float cy = (2 * spot_sigmoid(column(prior, COLUMN_Y)) - 0.5F + (float)prior->y) * prior->stride;
    float half_w = side(column(prior, COLUMN_W), prior->anchor.width) / 2;
    float half_h = side(column(prior, COLUMN_H), prior->anchor.height) / 2;
    box[0] = (cx - half_w - s[SPOT_SET_PAD_X]) / s[SPOT_SET_SCALE_X];
    box[1] = (cy - half_h - s[SPOT_SET_PAD_Y]) / s[SPOT_SET_SCALE_Y];
    box[2] = (cx + half_w - s[SPOT_SET_PAD_X]) / s[SPOT_SET_SCALE_X];
    box[3] = (cy + half_h - s[SPOT_SET_PAD_Y]) / s[SPOT_SET_SCALE_Y];
}

static void decode_prior(const struct spot_yolo_decode *a, const float *s,
                         const struct prior *prior, struct spot_collector *collector) {
    float objectness = spot_sigmoid(column(prior, COLUMN_OBJECTNESS));
    if (!(objectness >= s[SPOT_SET_CONFIDENCE]))
        return;
    const float *logits = prior->row + COLUMN_CLASSES * prior->step;
    int first = a->all_classes ? 0 : spot_best_class(logits, prior->step, a->classes);
    int last = a->all_classes ? a->classes - 1 : first;
    bool have_box = false;
    float box[4];
    for (int c = first; c <= last; c++) {
        float score = objectness * spot_sigmoid(column(prior, COLUMN_CLASSES + c));
        if (!(score >= s[SPOT_SET_CONFIDENCE]))
            continue;
        if (!have_box)
            decode_box(prior, s, box);
        have_box = true;
        spot_collector_offer(collector, box, score, c);
    }
}

void spot_yolo_decode_prior(const struct spot_yolo_decode *a, const float *s, int level, int anchor,
                            int y, int x, const float *row, size_t step,
                            struct spot_collector *collector) {
    struct prior prior = {row, step, x, y, (float)a->stride[level], a->anchor[level][anchor]};
    decode_prior(a, s, &prior, collector);
}

static void decode_level(const struct spot_yolo_decode *a, const float *s, int level,
                         const float *map, int height, int width,
                         struct spot_collector *collector) {
    size_t plane = (size_t)height * (size_t)width;
    struct prior prior = {.step = plane, .stride = (float)a->stride[level]};
    for (int anchor = 0; anchor < a->anchors; anchor++) {
        prior.anchor = a->anchor[level][anchor];
        prior.row = map + (size_t)(anchor * (COLUMN_CLASSES + a->classes)) * plane;
        for (prior.y = 0; prior.y < height; prior.y++)
            for (prior.x = 0; prior.x < width; prior.x++, prior.row++)
                decode_prior(a, s, &prior, collector);
    }
}

static void reference(const struct spot_op_args *args) {
    const struct spot_yolo_decode *a = args->attrs;
    float *out = args->out[0].data;
    for (int n = 0; n < args->out[0].type.shape.dim[0]; n++) {
        const float *s = (const float *)args->in[SETTINGS].data + (size_t)n * SPOT_SETTINGS;
        struct spot_collector collector;
        spot_collector_init(&collector, args->scratch, a->max_candidates);
        for (int level = 0; level < args->n_in - FIRST_LEVEL; level++) {
            const struct spot_tensor *map = &args->in[FIRST_LEVEL + level];
            const int *dim = map->type.shape.dim;
            size_t picture = (size_t)dim[1] * (size_t)dim[2] * (size_t)dim[3];
            decode_level(a, s, level, (const float *)map->data + (size_t)n * picture, dim[2],
                         dim[3], &collector);
        }
        spot_collector_finish(&collector,
                              out + (size_t)n * (size_t)a->max_candidates * SPOT_CAND_FIELDS);
    }
}

const struct spot_op spot_op_yolo_decode = {
    .name = "yolo_decode",
    .attrs_size = sizeof(struct spot_yolo_decode),
    .n_in_min = 2,
    .n_in_max = 1 + SPOT_YOLO_LEVELS_MAX,
    .n_out_min = 1,
    .n_out_max = 1,
    .infer = infer,
    .scratch = scratch,
    .reference = reference,
};

struct spot_value *spot_yolo_decode(struct spot_graph *graph, struct spot_value *settings,
                                    struct spot_value *const *levels, int n_levels,
                                    struct spot_yolo_decode attrs) {
    struct spot_value *in[1 + SPOT_YOLO_LEVELS_MAX] = {settings};
    for (int i = 0; i < n_levels && i < SPOT_YOLO_LEVELS_MAX; i++)
        in[1 + i] = levels[i];
    return spot_graph_add(graph, &spot_op_yolo_decode, NULL, &attrs, in, 1 + n_levels, NULL, 1);
}
