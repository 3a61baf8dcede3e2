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

/* A region on one axis, in cells. */
struct axis {
    float start, bin;
    int limit; /* cells of the map */
};

static struct axis make_axis(const struct spot_ps_roi_align *a, float low, float high, int limit) {
    float shift = a->mode == SPOT_ROI_ALIGN_TORCHVISION ? 0.5F : 0;
    float start = low * a->spatial_scale - shift;
    float size = high * a->spatial_scale - shift - start;
    if (a->mode != SPOT_ROI_ALIGN_TORCHVISION)
        size = fmaxf(size, 0);
    return (struct axis){start, size / (float)a->pooled_size, limit};
}

/* The two cells about a sample on one axis. weight 0 stands for a cell outside the map. */
struct tap {
    int low, high;
    float weight_low, weight_high;
};

static struct tap make_tap(const struct spot_ps_roi_align *a, const struct axis *axis, int bin,
                           int sample) {
    float at = axis->start + axis->bin * ((float)bin + ((float)sample + 0.5F) / (float)a->samples);
    float limit = (float)axis->limit;
    struct tap none = {0, 0, 0, 0};
    if (a->mode == SPOT_ROI_ALIGN_TORCHVISION && (at < -1 || at > limit))
        return none;
    if (a->mode == SPOT_ROI_ALIGN_ZERO_MAX && (at <= -1 || at >= limit))
        return none;
    if (a->mode != SPOT_ROI_ALIGN_ZERO_MAX)
        at = fminf(fmaxf(at, 0), limit - 1);
    float floor_at = floorf(at), fraction = at - floor_at;
    struct tap tap = {(int)floor_at, (int)floor_at + 1, 1 - fraction, fraction};
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

static float interpolate(const float *plane, int width, struct tap y, struct tap x) {
    const float *low = plane + (size_t)y.low * (size_t)width;
    const float *high = plane + (size_t)y.high * (size_t)width;
    return y.weight_low * (x.weight_low * low[x.low] + x.weight_high * low[x.high]) +
           y.weight_high * (x.weight_low * high[x.low] + x.weight_high * high[x.high]);
}

/* Where the samples of one bin lie, which is the same in every channel. */
struct bin {
    struct tap rows[SPOT_ROI_ALIGN_SAMPLES_MAX], columns[SPOT_ROI_ALIGN_SAMPLES_MAX];
};

static float sample_bin(const struct spot_ps_roi_align *a, const struct bin *bin,
                        const float *plane, int width) {
    float sum = 0, max = -INFINITY;
    for (int i = 0; i < a->samples; i++) {
        for (int j = 0; j < a->samples; j++) {
            float value = interpolate(plane, width, bin->rows[i], bin->columns[j]);
            sum += value;
            max = value > max || isnan(value) ? value : max;
        }
    }
    return a->mode == SPOT_ROI_ALIGN_ZERO_MAX ? max : sum / (float)(a->samples * a->samples);
}

/* The bin of every output channel: out [D,P,P] from its place on, data [C,H,W]. */
static void align_bin(const struct spot_ps_roi_align *a, const struct bin *bin, int ph, int pw,
                      const float *data, int height, int width, float *out) {
    int bins = a->pooled_size, group = a->group_size;
    size_t plane = (size_t)height * (size_t)width;
    for (int c = 0; c < a->output_dim; c++) {
        int channel = (c * group + ph * group / bins) * group + pw * group / bins;
        out[(size_t)c * (size_t)bins * (size_t)bins] =
            sample_bin(a, bin, data + (size_t)channel * plane, width);
    }
}

/* out [D,P,P] of one region; data [C,H,W] of its picture. */
static void align_region(const struct spot_ps_roi_align *a, const struct spot_roi *roi,
                         const float *data, int height, int width, float *out) {
    struct axis rows = make_axis(a, roi->y1, roi->y2, height);
    struct axis columns = make_axis(a, roi->x1, roi->x2, width);
    struct bin bin;
    for (int ph = 0; ph < a->pooled_size; ph++) {
        for (int i = 0; i < a->samples; i++)
            bin.rows[i] = make_tap(a, &rows, ph, i);
        for (int pw = 0; pw < a->pooled_size; pw++) {
            for (int j = 0; j < a->samples; j++)
                bin.columns[j] = make_tap(a, &columns, pw, j);
            align_bin(a, &bin, ph, pw, data, height, width, out++);
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
