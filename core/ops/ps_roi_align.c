/* Position-sensitive RoI align; see core/ops/ps_roi_align.h. */
#include "core/ops/ps_roi_align.h"

#include "core/ops/ps_roi_pool.h"

#include <math.h>

enum { DATA, ROIS };

static enum spot_status infer(struct spot_op_types *types, struct spot_error *error) {
    const struct spot_ps_roi_align *a = types->attrs;
    if ((unsigned)a->mode > SPOT_ROI_ALIGN_TORCHVISION || a->samples < 1 ||
        a->samples > SPOT_ROI_ALIGN_SAMPLES_MAX)
        return spot_fail(error, SPOT_INVALID, "mode %d or %d samples are out of range",
                         (int)a->mode, a->samples);
    return spot_ps_roi_infer(types, a->spatial_scale, a->group_size, a->pooled_size, a->output_dim,
                             error);
}

struct spot_roi_axis spot_roi_align_axis(const struct spot_ps_roi_align *a, float low, float high,
                                         int limit) {
    float shift = a->mode == SPOT_ROI_ALIGN_TORCHVISION ? 0.5F : 0;
    float start = low * a->spatial_scale - shift;
    float size = high * a->spatial_scale - shift - start;
    if (a->mode != SPOT_ROI_ALIGN_TORCHVISION)
        size = fmaxf(size, 0);
    return (struct spot_roi_axis){start, size / (float)a->pooled_size, limit};
}

struct spot_roi_tap spot_roi_align_tap(const struct spot_ps_roi_align *a,
                                       const struct spot_roi_axis *axis, int bin, int sample) {
    float at = axis->start + axis->bin * ((float)bin + ((float)sample + 0.5F) / (float)a->samples);
    float limit = (float)axis->limit;
    struct spot_roi_tap none = {0, 0, 0, 0};
    if (a->mode == SPOT_ROI_ALIGN_TORCHVISION && (at < -1 || at > limit))
        return none;
    if (a->mode == SPOT_ROI_ALIGN_ZERO_MAX && (at <= -1 || at >= limit))
        return none;
    if (a->mode != SPOT_ROI_ALIGN_ZERO_MAX)
        at = fminf(fmaxf(at, 0), limit - 1);
    float floor_at = floorf(at), fraction = at - floor_at;
    struct spot_roi_tap tap = {(int)floor_at, (int)floor_at + 1, 1 - fraction, fraction};
    if (tap.low < 0) { /* ZERO_MAX only: half outside */
        tap.low = 0;
        tap.weight_low = 0;
    }
    if (tap.high >= axis->limit) {
        tap.high = axis->limit - 1;
        tap.weight_high = a->mode == SPOT_ROI_ALIGN_ZERO_MAX ? 0 : tap.weight_high;
    }
    return tap;
}

/* A sample between four cells of a channel: their places, and the taps' weights. */
struct point {
    int cells[4]; /* low row: low, high column; high row */
    float y_low, y_high, x_low, x_high;
};

static struct point make_point(struct spot_roi_tap y, struct spot_roi_tap x, int width) {
    int low = y.low * width, high = y.high * width;
    return (struct point){{low + x.low, low + x.high, high + x.low, high + x.high},
                          y.weight_low,
                          y.weight_high,
                          x.weight_low,
                          x.weight_high};
}

static float interpolate(const float *plane, const struct point *p) {
    return p->y_low * (p->x_low * plane[p->cells[0]] + p->x_high * plane[p->cells[1]]) +
           p->y_high * (p->x_low * plane[p->cells[2]] + p->x_high * plane[p->cells[3]]);
}

static float mean(const struct point *points, int count, const float *plane) {
    float sum = 0;
    for (int i = 0; i < count; i++)
        sum += interpolate(plane, &points[i]);
    return sum / (float)count;
}

static float largest(const struct point *points, int count, const float *plane) {
    float max = -INFINITY;
    for (int i = 0; i < count; i++) {
        float value = interpolate(plane, &points[i]);
        max = value > max || isnan(value) ? value : max;
    }
    return max;
}

/*
 * The bin of every output channel, whose samples lie in the same places: out [D,P,P] from its place
 * on, data [C,H,W].
 */
static void align_bin(const struct spot_ps_roi_align *a, const struct point *points, int count,
                      int ph, int pw, const float *data, size_t plane, float *out) {
    int bins = a->pooled_size, group = a->group_size;
    for (int c = 0; c < a->output_dim; c++) {
        int channel = (c * group + ph * group / bins) * group + pw * group / bins;
        const float *from = data + (size_t)channel * plane;
        out[(size_t)c * (size_t)bins * (size_t)bins] = a->mode == SPOT_ROI_ALIGN_ZERO_MAX
                                                           ? largest(points, count, from)
                                                           : mean(points, count, from);
    }
}

/* out [D,P,P] of one region; data [C,H,W] of its picture. */
static void align_region(const struct spot_ps_roi_align *a, const struct spot_roi *roi,
                         const float *data, int height, int width, float *out) {
    struct spot_roi_axis rows = spot_roi_align_axis(a, roi->y1, roi->y2, height);
    struct spot_roi_axis columns = spot_roi_align_axis(a, roi->x1, roi->x2, width);
    struct spot_roi_tap y[SPOT_ROI_ALIGN_SAMPLES_MAX];
    struct point points[SPOT_ROI_ALIGN_SAMPLES_MAX * SPOT_ROI_ALIGN_SAMPLES_MAX];
    for (int ph = 0; ph < a->pooled_size; ph++) {
        for (int i = 0; i < a->samples; i++)
            y[i] = spot_roi_align_tap(a, &rows, ph, i);
        for (int pw = 0; pw < a->pooled_size; pw++) {
            int count = 0;
            for (int i = 0; i < a->samples; i++)
                for (int j = 0; j < a->samples; j++)
                    points[count++] =
                        make_point(y[i], spot_roi_align_tap(a, &columns, pw, j), width);
            align_bin(a, points, count, ph, pw, data, (size_t)height * (size_t)width, out++);
        }
    }
}

static void reference(const struct spot_op_args *args) {
    const struct spot_ps_roi_align *a = args->attrs;
    const int *dim = args->in[DATA].type.shape.dim;
    const float *data = args->in[DATA].data, *row = args->in[ROIS].data;
    float *out = args->out[0].data;
    size_t picture = (size_t)dim[1] * (size_t)dim[2] * (size_t)dim[3];
    size_t block = (size_t)a->output_dim * (size_t)a->pooled_size * (size_t)a->pooled_size;
    for (int r = 0; r < args->in[ROIS].type.shape.dim[0]; r++, row += SPOT_ROI_FIELDS) {
        struct spot_roi roi;
        if (spot_roi_read(row, dim[0], &roi))
            align_region(a, &roi, data + (size_t)roi.image * picture, dim[2], dim[3], out);
        else
            for (size_t i = 0; i < block; i++)
                out[i] = 0;
        out += block;
    }
}

const struct spot_op spot_op_ps_roi_align = {
    .name = "ps_roi_align",
    .attrs_size = sizeof(struct spot_ps_roi_align),
    .n_in_min = 2,
    .n_in_max = 2,
    .n_out_min = 1,
    .n_out_max = 1,
    .infer = infer,
    .reference = reference,
};

struct spot_value *spot_ps_roi_align(struct spot_graph *graph, struct spot_value *data,
                                     struct spot_value *rois, struct spot_ps_roi_align attrs) {
    struct spot_value *in[] = {data, rois};
    return spot_graph_add(graph, &spot_op_ps_roi_align, NULL, &attrs, in, 2, NULL, 1);
}
