/*
 * Decodes the head of an anchor-based detector of the YOLOv5 kind (Ultralytics, 2020).
 *
 *   in: settings [1,SPOT_SETTINGS], then one map [1, anchors * (5 + classes), H, W] for each level;
 *       channel a * (5 + classes) + j of a map is column j of anchor a: x, y, w, h, objectness,
 *       then the class logits
 *   out: candidates [1,max_candidates,6] (core/candidates.h)
 *
 *   with t = sigmoid(logit), in network pixels:
 *   cx = (2 tx - 0.5 + x) * stride, cy alike; w = (2 tw)^2 * anchor w, h alike
 *   score = objectness * class; a prior reports its best class (lowest index on a tie), or every
 *   class with all_classes, when score >= SPOT_SET_CONFIDENCE. Boxes are mapped to picture pixels.
 *
 * Priors are numbered by level, then anchor, then row, then column. No class scores more than 1, so
 * a prior whose objectness is below the threshold is left at once.
 */
#ifndef SPOT_CORE_OPS_YOLO_DECODE_H
#define SPOT_CORE_OPS_YOLO_DECODE_H

#include "core/graph.h"
#include "core/settings.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPOT_YOLO_LEVELS_MAX = 4, SPOT_YOLO_ANCHORS_MAX = 4 };

struct spot_yolo_anchor {
    float width, height; /* network pixels */
};

struct spot_yolo_decode {
    int classes, anchors;             /* anchors of a cell */
    int stride[SPOT_YOLO_LEVELS_MAX]; /* network pixels of a cell, by level */
    struct spot_yolo_anchor anchor[SPOT_YOLO_LEVELS_MAX][SPOT_YOLO_ANCHORS_MAX];
    int max_candidates;
    bool all_classes;
};

extern const struct spot_op spot_op_yolo_decode;

struct spot_value *spot_yolo_decode(struct spot_graph *graph, struct spot_value *settings,
                                    struct spot_value *const *levels, int n_levels,
                                    struct spot_yolo_decode attrs);

struct spot_collector; /* core/candidates.h */

enum { SPOT_YOLO_OBJECTNESS = 4, SPOT_YOLO_CLASSES = 5 }; /* columns of a prior's row */

/*
 * For kernels: offers what one prior reports. row is its first column; its columns lie `step`
 * floats apart.
 */
void spot_yolo_decode_prior(const struct spot_yolo_decode *attrs, const float *settings, int level,
                            int anchor, int y, int x, const float *row, size_t step,
                            struct spot_collector *collector);

#ifdef __cplusplus
}
#endif
#endif
