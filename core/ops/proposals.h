/*
 * Region proposals: decodes the maps of a region proposal network and keeps the best boxes (Ren et
 * al., "Faster R-CNN", 2015, section 3).
 *
 *   in: class logits [1,2A,H,W], box deltas [1,4A,H,W], settings [1,SPOT_SETTINGS]
 *   out: rois [post_nms,5], rows (batch index, x1, y1, x2, y2) in network pixels (core/roi.h), best
 *        first, unused rows -1;
 *        optionally picks [post_nms,2], rows (object probability, flat anchor index), unused -1
 *
 * For every anchor (core/anchors.h) of the map: margin = object - background logit, probability =
 * 1 / (1 + exp(-margin)); its box is decoded from channels 4*a + (dx, dy, dw, dh)
 * (core/box_coding.h) and clipped to the picture's own resized size; the picture lies at the top
 * left of the network input. An anchor is passed over when its margin is not finite, a coordinate
 * is NaN, or a side (x2 - x1 + 1) is below min_size * scale. The pre_nms best by margin, equal ones
 * by flat index, go through greedy suppression (dropped at IoU > iou with a kept one, sides counted
 * with +1) until post_nms are kept.
 *
 * Ordering by the margin is ordering by probability without the false ties of its saturated end.
 */
#ifndef SPOT_CORE_OPS_PROPOSALS_H
#define SPOT_CORE_OPS_PROPOSALS_H

#include "core/anchors.h"
#include "core/box_coding.h"
#include "core/graph.h"
#include "core/roi.h"
#include "core/settings.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SPOT_PROPOSALS_PRE_NMS_MAX = 1 << 16,
    SPOT_PROPOSALS_POST_NMS_MAX = 1 << 14,
};

/* Which channel holds class k (0 background, 1 object) of anchor a. */
enum spot_rpn_layout {
    SPOT_RPN_SPLIT, /* k*A + a */
    SPOT_RPN_PAIR,  /* 2*a + k */
};

struct spot_proposals {
    struct spot_anchors anchors;
    int stride; /* network pixels of a cell */
    enum spot_rpn_layout layout;
    enum spot_box_coding coding;
    int pre_nms, post_nms;
    float iou;
    float min_size; /* pixels of the picture; 0 keeps every box */
};

extern const struct spot_op spot_op_proposals;

/* Returns the rois; picks (may be NULL) gets the second output. */
struct spot_value *spot_proposals(struct spot_graph *graph, struct spot_value *classes,
                                  struct spot_value *boxes, struct spot_value *settings,
                                  struct spot_proposals attrs, struct spot_value **picks);

/* The channels of the class map that hold the background and the object logit of anchor a. */
void spot_rpn_channels(enum spot_rpn_layout layout, int anchors, int a, int *background,
                       int *object);

/*
 * For kernels: decodes and clips the box of the anchor `base` (of cell (0, 0)) at cell (x, y).
 * False when it is passed over. Its margin is the caller's to judge.
 */
bool spot_proposals_box(const struct spot_proposals *attrs, const float base[4], int x, int y,
                        const float delta[4], const float *settings, float box[4]);

/* For kernels: writes row `row` of one picture's rois and picks (NULL: not wanted). */
void spot_proposals_keep(const float box[4], float margin, int anchor, int picture, int row,
                         float *rois, float *picks);

/* For kernels: writes the unused rows, from row `kept` on. */
void spot_proposals_end(const struct spot_proposals *attrs, int kept, float *rois, float *picks);

#ifdef __cplusplus
}
#endif
#endif
