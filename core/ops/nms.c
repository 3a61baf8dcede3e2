/* Non-maximum suppression; see core/ops/nms.h. */
#include "core/ops/nms.h"

#include "core/candidates.h"

#include <string.h>

enum { CANDIDATES, SETTINGS };

static enum spot_status infer(struct spot_op_types *types, struct spot_error *error) {
    const struct spot_nms *a = types->attrs;
    struct spot_shape shape = types->in[CANDIDATES].shape;
    char text[64];
    if (shape.rank != 3 || shape.dim[2] != SPOT_CAND_FIELDS || a->max_detections < 1)
        return spot_fail(error, SPOT_INVALID, "%s is no list of candidates for %d detections",
                         spot_shape_format(&shape, text, sizeof text), a->max_detections);
    shape.dim[1] = a->max_detections;
    types->out[0].shape = shape;
    return SPOT_OK;
}

static float area(const float *box, float extra) {
    return (box[2] - box[0] + extra) * (box[3] - box[1] + extra);
}

/* Not fminf and fmaxf: calls, where compilers must mind NaN. Coordinates are finite. */
static inline float least(float a, float b) {
    return a < b ? a : b;
}
static inline float most(float a, float b) {
    return a > b ? a : b;
}

float spot_box_iou(const float *a, const float *b, float extra) {
    float width = least(a[2], b[2]) - most(a[0], b[0]) + extra;
    float height = least(a[3], b[3]) - most(a[1], b[1]) + extra;
    if (!(width > 0 && height > 0))
        return 0;
    float both = width * height;
    float either = area(a, extra) + area(b, extra) - both;
    return either > 0 ? both / either : 0;
}

static bool suppressed(const struct spot_nms *a, const float *row, const float *kept, int n_kept,
                       float threshold) {
    for (int k = 0; k < n_kept; k++, kept += SPOT_CAND_FIELDS)
        if ((a->class_agnostic || kept[SPOT_CAND_CLASS] == row[SPOT_CAND_CLASS]) &&
            spot_box_iou(kept, row, a->inclusive_pixels ? 1 : 0) > threshold)
            return true;
    return false;
}

static void reference(const struct spot_op_args *args) {
    const struct spot_nms *a = args->attrs;
    const int *dim = args->in[CANDIDATES].type.shape.dim;
    const float *rows = args->in[CANDIDATES].data, *settings = args->in[SETTINGS].data;
    float *out = args->out[0].data;
    for (int n = 0; n < dim[0]; n++) {
        int kept = 0;
        float threshold = settings[(size_t)n * SPOT_SETTINGS + SPOT_SET_IOU];
        const float *row = rows + (size_t)n * (size_t)dim[1] * SPOT_CAND_FIELDS;
        float *list = out + (size_t)n * (size_t)a->max_detections * SPOT_CAND_FIELDS;
        for (int i = 0; i < dim[1] && row[SPOT_CAND_SCORE] >= 0 && kept < a->max_detections;
             i++, row += SPOT_CAND_FIELDS)
            if (!suppressed(a, row, list, kept, threshold))
                memcpy(list + (size_t)SPOT_CAND_FIELDS * (size_t)kept++, row,
                       SPOT_CAND_FIELDS * sizeof *row);
        for (int i = kept * SPOT_CAND_FIELDS; i < a->max_detections * SPOT_CAND_FIELDS; i++)
            list[i] = -1;
    }
}

const struct spot_op spot_op_nms = {
    .name = "nms",
    .attrs_size = sizeof(struct spot_nms),
    .n_in_min = 2,
    .n_in_max = 2,
    .n_out_min = 1,
    .n_out_max = 1,
    .infer = infer,
    .reference = reference,
};

struct spot_value *spot_nms(struct spot_graph *graph, struct spot_value *candidates,
                            struct spot_value *settings, struct spot_nms attrs) {
    struct spot_value *in[] = {candidates, settings};
    return spot_graph_add(graph, &spot_op_nms, NULL, &attrs, in, 2, NULL, 1);
}
