/* Region proposals; see core/ops/proposals.h. */
#include "core/ops/proposals.h"

#include "core/candidates.h"
#include "core/ops/nms.h"

#include <math.h>
#include <string.h>

enum { CLASSES, BOXES, SETTINGS };
enum { PICK_PROBABILITY, PICK_ANCHOR, PICK_FIELDS };
enum { FLAT_INDEX_MAX = 1 << 24 }; /* a float32 holds every anchor index below it */

void spot_rpn_channels(enum spot_rpn_layout layout, int anchors, int a, int *background,
                       int *object) {
    *background = layout == SPOT_RPN_SPLIT ? a : 2 * a;
    *object = layout == SPOT_RPN_SPLIT ? anchors + a : 2 * a + 1;
}

static enum spot_status check_attrs(const struct spot_proposals *a, struct spot_error *error) {
    if (!spot_anchors_valid(&a->anchors) || a->stride < 1)
        return spot_fail(error, SPOT_INVALID, "its anchors or their stride %d are out of range",
                         a->stride);
    if (a->pre_nms < 1 || a->pre_nms > SPOT_PROPOSALS_PRE_NMS_MAX || a->post_nms < 1 ||
        a->post_nms > SPOT_PROPOSALS_POST_NMS_MAX)
        return spot_fail(error, SPOT_LIMIT,
                         "%d boxes before and %d after suppression, allowed are 1 to %d and %d",
                         a->pre_nms, a->post_nms, SPOT_PROPOSALS_PRE_NMS_MAX,
                         SPOT_PROPOSALS_POST_NMS_MAX);
    return SPOT_OK;
}

static enum spot_status infer(struct spot_op_types *types, struct spot_error *error) {
    const struct spot_proposals *a = types->attrs;
    enum spot_status status = check_attrs(a, error);
    if (status != SPOT_OK)
        return status;
    const struct spot_shape *classes = &types->in[CLASSES].shape, *boxes = &types->in[BOXES].shape;
    int count = spot_anchors_count(&a->anchors), pictures = classes->dim[0];
    struct spot_shape expected = spot_shape4(pictures, 2 * count, classes->dim[2], classes->dim[3]);
    bool fits = spot_shape_equal(classes, &expected);
    expected.dim[1] = 4 * count;
    char left[64], right[64];
    if (!fits || !spot_shape_equal(boxes, &expected))
        return spot_fail(error, SPOT_INVALID,
                         "maps %s and %s do not hold classes and boxes of %d anchors",
                         spot_shape_format(classes, left, sizeof left),
                         spot_shape_format(boxes, right, sizeof right), count);
    expected = spot_shape2(pictures, SPOT_SETTINGS);
    if (!spot_shape_equal(&types->in[SETTINGS].shape, &expected))
        return spot_fail(error, SPOT_INVALID, "its third input must be a settings row");
    if (spot_shape_elements(boxes) / 4 > FLAT_INDEX_MAX)
        return spot_fail(error, SPOT_LIMIT, "map %s has more than %d anchors",
                         spot_shape_format(boxes, left, sizeof left), FLAT_INDEX_MAX);
    types->out[0].shape = spot_shape2(pictures * a->post_nms, SPOT_ROI_FIELDS);
    types->out[1].shape = spot_shape2(pictures * a->post_nms, PICK_FIELDS);
    return SPOT_OK;
}

/* The collector's heap, and the rows that it sorts its candidates into. */
static size_t scratch(const struct spot_op_types *types) {
    const struct spot_proposals *a = types->attrs;
    return spot_collector_bytes(a->pre_nms) + (size_t)a->pre_nms * SPOT_CAND_FIELDS * sizeof(float);
}

bool spot_proposals_box(const struct spot_proposals *a, const float base[4], int x, int y,
                        const float delta[4], const float *settings, float box[4]) {
    float shift[2] = {(float)(a->stride * x), (float)(a->stride * y)};
    float anchor[4];
    for (int i = 0; i < 4; i++)
        anchor[i] = base[i] + shift[i % 2];
    spot_box_decode(a->coding, anchor, delta, box);
    spot_box_clip(box, settings[SPOT_SET_RESIZED_W], settings[SPOT_SET_RESIZED_H]);
    for (int i = 0; i < 4; i++)
        if (!isfinite(box[i]))
            return false;
    return !(a->min_size > 0) || (box[2] - box[0] + 1 >= a->min_size * settings[SPOT_SET_SCALE_X] &&
                                  box[3] - box[1] + 1 >= a->min_size * settings[SPOT_SET_SCALE_Y]);
}

void spot_proposals_keep(const float box[4], float margin, int anchor, int picture, int row,
                         float *rois, float *picks) {
    float *roi = rois + (size_t)row * SPOT_ROI_FIELDS;
    roi[0] = (float)picture;
    memcpy(roi + 1, box, 4 * sizeof *roi);
    if (picks == NULL)
        return;
    picks += (size_t)row * PICK_FIELDS;
    picks[PICK_PROBABILITY] = 1 / (1 + expf(-margin));
    picks[PICK_ANCHOR] = (float)anchor;
}

void spot_proposals_end(const struct spot_proposals *a, int kept, float *rois, float *picks) {
    for (int i = kept * SPOT_ROI_FIELDS; i < a->post_nms * SPOT_ROI_FIELDS; i++)
        rois[i] = -1;
    for (int i = kept * PICK_FIELDS; picks != NULL && i < a->post_nms * PICK_FIELDS; i++)
        picks[i] = -1;
}

/* Offers every anchor of one picture, in flat order: the score is the margin, the class the index.
 */
static void offer_anchors(const struct spot_proposals *a, const float *classes, const float *boxes,
                          const float *s, int height, int width, struct spot_collector *collector) {
    float base[SPOT_ANCHORS_MAX][4];
    spot_anchors_base(&a->anchors, base);
    int count = spot_anchors_count(&a->anchors), cells = height * width;
    size_t plane = (size_t)cells;
    for (int cell = 0; cell < cells; cell++) {
        for (int k = 0; k < count; k++) {
            float delta[4], box[4];
            int background, object;
            spot_rpn_channels(a->layout, count, k, &background, &object);
            float margin = classes[(size_t)object * plane + (size_t)cell] -
                           classes[(size_t)background * plane + (size_t)cell];
            for (int i = 0; i < 4; i++)
                delta[i] = boxes[(size_t)(4 * k + i) * plane + (size_t)cell];
            if (spot_proposals_box(a, base[k], cell % width, cell / width, delta, s, box))
                spot_collector_offer(collector, box, margin, cell * count + k);
        }
    }
}

static bool overlaps_one(const float *row, const float *rois, int kept, float iou) {
    for (int k = 0; k < kept; k++)
        if (spot_box_iou(rois + (size_t)k * SPOT_ROI_FIELDS + 1, row, 1) > iou)
            return true;
    return false;
}

/* Greedy suppression of one picture's sorted rows into its rois and picks (NULL: not wanted). */
static void suppress(const struct spot_proposals *a, const float *rows, int n_rows, int picture,
                     float *rois, float *picks) {
    int kept = 0;
    for (int i = 0; i < n_rows && kept < a->post_nms; i++, rows += SPOT_CAND_FIELDS)
        if (!overlaps_one(rows, rois, kept, a->iou))
            spot_proposals_keep(rows, rows[SPOT_CAND_SCORE], (int)rows[SPOT_CAND_CLASS], picture,
                                kept++, rois, picks);
    spot_proposals_end(a, kept, rois, picks);
}

static void reference(const struct spot_op_args *args) {
    const struct spot_proposals *a = args->attrs;
    const int *dim = args->in[CLASSES].type.shape.dim;
    size_t plane = (size_t)dim[2] * (size_t)dim[3], channels = (size_t)dim[1];
    float *rows = (float *)((char *)args->scratch + spot_collector_bytes(a->pre_nms));
    for (int n = 0; n < dim[0]; n++) {
        size_t first = (size_t)n * (size_t)a->post_nms;
        struct spot_collector collector;
        spot_collector_init(&collector, args->scratch, a->pre_nms);
        offer_anchors(a, (const float *)args->in[CLASSES].data + (size_t)n * channels * plane,
                      (const float *)args->in[BOXES].data + (size_t)n * 2 * channels * plane,
                      (const float *)args->in[SETTINGS].data + (size_t)n * SPOT_SETTINGS, dim[2],
                      dim[3], &collector);
        int n_rows = collector.count;
        spot_collector_finish(&collector, rows);
        suppress(a, rows, n_rows, n, (float *)args->out[0].data + first * SPOT_ROI_FIELDS,
                 args->n_out > 1 ? (float *)args->out[1].data + first * PICK_FIELDS : NULL);
    }
}

const struct spot_op spot_op_proposals = {
    .name = "proposals",
    .attrs_size = sizeof(struct spot_proposals),
    .n_in_min = 3,
    .n_in_max = 3,
    .n_out_min = 1,
    .n_out_max = 2,
    .infer = infer,
    .scratch = scratch,
    .reference = reference,
};

struct spot_value *spot_proposals(struct spot_graph *graph, struct spot_value *classes,
                                  struct spot_value *boxes, struct spot_value *settings,
                                  struct spot_proposals attrs, struct spot_value **picks) {
    struct spot_value *in[] = {classes, boxes, settings};
    struct spot_value *out[2] = {NULL, NULL};
    spot_graph_add(graph, &spot_op_proposals, NULL, &attrs, in, 3, out, picks != NULL ? 2 : 1);
    if (picks != NULL)
        *picks = out[1];
    return out[0];
}
