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

/* Kept boxes in blocks, a coordinate at a time, so that a compiler's vectors compare many at once.
 */
enum { BLOCK = 16 };
struct block {
    float x1[BLOCK], y1[BLOCK], x2[BLOCK], y2[BLOCK];
};

static size_t blocks_of(int boxes) {
    return ((size_t)boxes + BLOCK - 1) / BLOCK;
}

/* The collector's heap, the rows that it sorts its candidates into, the boxes kept. */
static size_t scratch(const struct spot_op_types *types) {
    const struct spot_proposals *a = types->attrs;
    return spot_collector_bytes(a->pre_nms) +
           (size_t)a->pre_nms * SPOT_CAND_FIELDS * sizeof(float) +
           blocks_of(a->post_nms) * sizeof(struct block);
}

static bool is_large_enough(const float box[4], float min_size, const float *s) {
    return box[2] - box[0] + 1 >= min_size * s[SPOT_SET_SCALE_X] &&
           box[3] - box[1] + 1 >= min_size * s[SPOT_SET_SCALE_Y];
}

/* Offers every anchor of one picture, in flat order: the score is the margin, the class the index.
 */
static void offer_anchors(const struct spot_proposals *a, const float *classes, const float *boxes,
                          const float *s, int height, int width, struct spot_collector *collector) {
    float base[SPOT_ANCHORS_MAX][4];
    spot_anchors_base(&a->anchors, base);
    int count = spot_anchors_count(&a->anchors);
    size_t plane = (size_t)height * (size_t)width;
    for (size_t cell = 0; cell < plane; cell++) {
        float shift[2] = {(float)(a->stride * (int)(cell % (size_t)width)),
                          (float)(a->stride * (int)(cell / (size_t)width))};
        for (int k = 0; k < count; k++) {
            float anchor[4], delta[4], box[4];
            int background, object;
            spot_rpn_channels(a->layout, count, k, &background, &object);
            float margin =
                classes[(size_t)object * plane + cell] - classes[(size_t)background * plane + cell];
            if (!spot_collector_wants(collector, margin))
                continue;
            for (int i = 0; i < 4; i++) {
                anchor[i] = base[k][i] + shift[i % 2];
                delta[i] = boxes[(size_t)(4 * k + i) * plane + cell];
            }
            spot_box_decode(a->coding, anchor, delta, box);
            spot_box_clip(box, s[SPOT_SET_RESIZED_W], s[SPOT_SET_RESIZED_H]);
            if (a->min_size > 0 && !is_large_enough(box, a->min_size, s))
                continue;
            spot_collector_offer(collector, box, margin, (int)cell * count + k);
        }
    }
}

/*
 * Whether a box of the block may overlap the row by more than iou: without a division, so with
 * room for what the two ways round differently. Places without a box count as some pixel's.
 */
static bool may_overlap(const struct block *block, const float *row, float iou) {
    const float nearly = 0.9999F * iou;
    float own = (row[2] - row[0] + 1) * (row[3] - row[1] + 1);
    int found = 0;
    for (int k = 0; k < BLOCK; k++) {
        float x1 = block->x1[k] > row[0] ? block->x1[k] : row[0];
        float y1 = block->y1[k] > row[1] ? block->y1[k] : row[1];
        float x2 = block->x2[k] < row[2] ? block->x2[k] : row[2];
        float y2 = block->y2[k] < row[3] ? block->y2[k] : row[3];
        float width = x2 - x1 + 1, height = y2 - y1 + 1;
        float both = (width > 0 ? width : 0) * (height > 0 ? height : 0);
        float other = (block->x2[k] - block->x1[k] + 1) * (block->y2[k] - block->y1[k] + 1);
        found |= both >= nearly * (own + other - both);
    }
    return found != 0;
}

static bool overlaps_one(const float *row, const float *rois, const struct block *blocks, int kept,
                         float iou) {
    for (int first = 0; first < kept; first += BLOCK) {
        if (!may_overlap(&blocks[first / BLOCK], row, iou))
            continue;
        for (int k = first; k < first + BLOCK && k < kept; k++)
            if (spot_box_iou(rois + (size_t)k * SPOT_ROI_FIELDS + 1, row, 1) > iou)
                return true;
    }
    return false;
}

static void block_put(struct block *blocks, int at, const float *row) {
    struct block *block = &blocks[at / BLOCK];
    block->x1[at % BLOCK] = row[0];
    block->y1[at % BLOCK] = row[1];
    block->x2[at % BLOCK] = row[2];
    block->y2[at % BLOCK] = row[3];
}

/* Greedy suppression of one picture's sorted rows into its rois and picks (NULL: not wanted). */
static void suppress(const struct spot_proposals *a, const float *rows, int n_rows, int picture,
                     struct block *blocks, float *rois, float *picks) {
    int kept = 0;
    memset(blocks, 0, blocks_of(a->post_nms) * sizeof *blocks);
    for (int i = 0; i < n_rows && kept < a->post_nms; i++, rows += SPOT_CAND_FIELDS) {
        if (overlaps_one(rows, rois, blocks, kept, a->iou))
            continue;
        block_put(blocks, kept, rows);
        float *roi = rois + (size_t)kept * SPOT_ROI_FIELDS;
        roi[0] = (float)picture;
        memcpy(roi + 1, rows, 4 * sizeof *roi);
        if (picks != NULL) {
            float *pick = picks + (size_t)kept * PICK_FIELDS;
            pick[PICK_PROBABILITY] = 1 / (1 + expf(-rows[SPOT_CAND_SCORE]));
            pick[PICK_ANCHOR] = rows[SPOT_CAND_CLASS];
        }
        kept++;
    }
    for (int i = kept * SPOT_ROI_FIELDS; i < a->post_nms * SPOT_ROI_FIELDS; i++)
        rois[i] = -1;
    for (int i = kept * PICK_FIELDS; picks != NULL && i < a->post_nms * PICK_FIELDS; i++)
        picks[i] = -1;
}

static void reference(const struct spot_op_args *args) {
    const struct spot_proposals *a = args->attrs;
    const int *dim = args->in[CLASSES].type.shape.dim;
    size_t plane = (size_t)dim[2] * (size_t)dim[3], channels = (size_t)dim[1];
    float *rows = (float *)((char *)args->scratch + spot_collector_bytes(a->pre_nms));
    struct block *blocks = (struct block *)(rows + (size_t)a->pre_nms * SPOT_CAND_FIELDS);
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
        suppress(a, rows, n_rows, n, blocks, (float *)args->out[0].data + first * SPOT_ROI_FIELDS,
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
