/*
 * Greedy non-maximum suppression, per class unless class_agnostic.
 *
 *   in: candidates [1,M,6], best first (core/candidates.h), settings [1,SPOT_SETTINGS]
 *   out: detections [1,max_detections,6], the same rows that were kept, in order, then -1
 *
 * A candidate is dropped when its IoU with a kept one is > SPOT_SET_IOU. inclusive_pixels counts
 * box sides as x2 - x1 + 1, as in the code of Fast R-CNN and SSD.
 */
#ifndef SPOT_CORE_OPS_NMS_H
#define SPOT_CORE_OPS_NMS_H

#include "core/graph.h"
#include "core/settings.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_nms {
    int max_detections;
    bool inclusive_pixels;
    bool class_agnostic;
};

extern const struct spot_op spot_op_nms;

struct spot_value *spot_nms(struct spot_graph *graph, struct spot_value *candidates,
                            struct spot_value *settings, struct spot_nms attrs);

/* Intersection over union of boxes x1, y1, x2, y2; 0 when both are empty. extra is 0 or 1 (+1). */
float spot_box_iou(const float *a, const float *b, float extra);

#ifdef __cplusplus
}
#endif
#endif
