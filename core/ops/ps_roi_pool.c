/* Position-sensitive RoI pooling; see core/ops/ps_roi_pool.h. */
#include "core/ops/ps_roi_pool.h"

#include <math.h>

enum { DATA, ROIS };
enum { BINS_MAX = 64 }; /* on a side; so that channel arithmetic fits an int */

enum spot_status spot_ps_roi_infer(struct spot_op_types *types, float spatial_scale, int group_size,
                                   int pooled_size, int output_dim, struct spot_error *error) {
    const struct spot_shape *data = &types->in[DATA].shape, *rois = &types->in[ROIS].shape;
    char left[64], right[64];
    if (!(spatial_scale > 0 && spatial_scale <= 1) || group_size < 1 || group_size > BINS_MAX ||
        pooled_size < 1 || pooled_size > BINS_MAX || output_dim < 1)
        return spot_fail(error, SPOT_INVALID,
                         "scale %g, %d groups, %d bins or %d outputs are out of range",
                         (double)spatial_scale, group_size, pooled_size, output_dim);
    if (data->rank != 4 || data->dim[1] % (group_size * group_size) != 0 ||
        data->dim[1] / (group_size * group_size) != output_dim)
        return spot_fail(error, SPOT_INVALID, "data %s does not hold %d x %d x %d channels",
                         spot_shape_format(data, left, sizeof left), output_dim, group_size,
                         group_size);
    if (rois->rank != 2 || rois->dim[1] != SPOT_ROI_FIELDS)
        return spot_fail(error, SPOT_INVALID, "%s is no list of regions",
                         spot_shape_format(rois, right, sizeof right));
    types->out[0].shape = spot_shape4(rois->dim[0], output_dim, pooled_size, pooled_size);
    return SPOT_OK;
}

static enum spot_status infer(struct spot_op_types *types, struct spot_error *error) {
    const struct spot_ps_roi_pool *a = types->attrs;
    return spot_ps_roi_infer(types, a->spatial_scale, a->group_size, a->pooled_size, a->output_dim,
                             error);
}

static int clamp_edge(float edge, int limit) {
    return edge <= 0 ? 0 : edge >= (float)limit ? limit : (int)edge;
}

struct spot_ps_roi_span spot_ps_roi_span(float low, float high, float spatial_scale,
                                         int pooled_size, int bin, int limit) {
    float start = roundf(low) * spatial_scale;
    float end = (roundf(high) + 1) * spatial_scale;
    float size = fmaxf(end - start, 0.1F) / (float)pooled_size;
    return (struct spot_ps_roi_span){
        clamp_edge(floorf((float)bin * size + start), limit),
        clamp_edge(ceilf((float)(bin + 1) * size + start), limit),
    };
}

static float mean(const float *plane, int width, struct spot_ps_roi_span rows,
                  struct spot_ps_roi_span columns) {
    if (rows.begin >= rows.end || columns.begin >= columns.end)
        return 0;
    float sum = 0;
    for (int y = rows.begin; y < rows.end; y++)
        for (int x = columns.begin; x < columns.end; x++)
            sum += plane[(size_t)y * (size_t)width + (size_t)x];
    return sum / (float)((rows.end - rows.begin) * (columns.end - columns.begin));
}

/* out [D,P,P] of one region; data [C,H,W] of its picture. */
static void pool_region(const struct spot_ps_roi_pool *a, const struct spot_roi *roi,
                        const float *data, int height, int width, float *out) {
    int bins = a->pooled_size, group = a->group_size;
    size_t plane = (size_t)height * (size_t)width;
    for (int c = 0; c < a->output_dim; c++) {
        for (int ph = 0; ph < bins; ph++) {
            struct spot_ps_roi_span rows =
                spot_ps_roi_span(roi->y1, roi->y2, a->spatial_scale, bins, ph, height);
            for (int pw = 0; pw < bins; pw++) {
                struct spot_ps_roi_span columns =
                    spot_ps_roi_span(roi->x1, roi->x2, a->spatial_scale, bins, pw, width);
                int channel = (c * group + ph * group / bins) * group + pw * group / bins;
                *out++ = mean(data + (size_t)channel * plane, width, rows, columns);
            }
        }
    }
}

static void reference(const struct spot_op_args *args) {
    const struct spot_ps_roi_pool *a = args->attrs;
    const int *dim = args->in[DATA].type.shape.dim;
    const float *data = args->in[DATA].data, *row = args->in[ROIS].data;
    float *out = args->out[0].data;
    size_t picture = (size_t)dim[1] * (size_t)dim[2] * (size_t)dim[3];
    size_t block = (size_t)a->output_dim * (size_t)a->pooled_size * (size_t)a->pooled_size;
    for (int r = 0; r < args->in[ROIS].type.shape.dim[0]; r++, row += SPOT_ROI_FIELDS) {
        struct spot_roi roi;
        if (spot_roi_read(row, dim[0], &roi))
            pool_region(a, &roi, data + (size_t)roi.image * picture, dim[2], dim[3], out);
        else
            for (size_t i = 0; i < block; i++)
                out[i] = 0;
        out += block;
    }
}

const struct spot_op spot_op_ps_roi_pool = {
    .name = "ps_roi_pool",
    .attrs_size = sizeof(struct spot_ps_roi_pool),
    .n_in_min = 2,
    .n_in_max = 2,
    .n_out_min = 1,
    .n_out_max = 1,
    .infer = infer,
    .reference = reference,
};

struct spot_value *spot_ps_roi_pool(struct spot_graph *graph, struct spot_value *data,
                                    struct spot_value *rois, struct spot_ps_roi_pool attrs) {
    struct spot_value *in[] = {data, rois};
    return spot_graph_add(graph, &spot_op_ps_roi_pool, NULL, &attrs, in, 2, NULL, 1);
}
