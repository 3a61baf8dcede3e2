/* Letterboxing, resizing and normalising of 8-bit pictures; see core/ops/preprocess.h. */
#include "core/ops/preprocess.h"

#include "core/ops/resize.h"

#include <math.h>

enum { PICTURE, SETTINGS };

static enum spot_status infer(struct spot_op_types *types, struct spot_error *error) {
    const struct spot_preprocess *a = types->attrs;
    if (types->in[PICTURE].dtype != SPOT_PICTURE)
        return spot_fail(error, SPOT_INVALID, "its first input must be a picture");
    struct spot_shape settings = spot_shape2(types->in[PICTURE].shape.dim[0], SPOT_SETTINGS);
    if (!spot_shape_equal(&types->in[SETTINGS].shape, &settings))
        return spot_fail(error, SPOT_INVALID, "its second input must be a settings row");
    if (a->height < 1 || a->width < 1)
        return spot_fail(error, SPOT_INVALID, "the input size %d x %d is not positive", a->width,
                         a->height);
    types->out[0].shape = spot_shape4(types->in[PICTURE].shape.dim[0], 3, a->height, a->width);
    return SPOT_OK;
}

static void fit_letterbox(const struct spot_preprocess *a, double w, double h, float *s) {
    double ratio = fmin(a->width / w, a->height / h);
    double resized_w = fmax(1, floor(w * ratio + 0.5)), resized_h = fmax(1, floor(h * ratio + 0.5));
    s[SPOT_SET_RESIZED_W] = (float)resized_w;
    s[SPOT_SET_RESIZED_H] = (float)resized_h;
    s[SPOT_SET_PAD_X] = (float)floor((a->width - resized_w) / 2);
    s[SPOT_SET_PAD_Y] = (float)floor((a->height - resized_h) / 2);
    s[SPOT_SET_SCALE_X] = s[SPOT_SET_SCALE_Y] = (float)ratio;
}

static void fit_top_left(const struct spot_preprocess *a, double w, double h, float *s) {
    double factor = fmin(a->short_side / fmin(w, h), a->long_side / fmax(w, h));
    factor = fmin(factor, fmin(a->width / w, a->height / h));
    double resized_w = fmax(1, rint(w * factor)), resized_h = fmax(1, rint(h * factor));
    s[SPOT_SET_RESIZED_W] = (float)resized_w;
    s[SPOT_SET_RESIZED_H] = (float)resized_h;
    s[SPOT_SET_PAD_X] = s[SPOT_SET_PAD_Y] = 0;
    s[SPOT_SET_SCALE_X] = s[SPOT_SET_SCALE_Y] = (float)(resized_h / h);
}

void spot_preprocess_geometry(const struct spot_preprocess *attrs, int picture_width,
                              int picture_height, float *settings) {
    double w = picture_width, h = picture_height;
    settings[SPOT_SET_PICTURE_W] = (float)w;
    settings[SPOT_SET_PICTURE_H] = (float)h;
    switch (attrs->fit) {
    case SPOT_FIT_LETTERBOX:
        fit_letterbox(attrs, w, h, settings);
        break;
    case SPOT_FIT_TOP_LEFT:
        fit_top_left(attrs, w, h, settings);
        break;
    case SPOT_FIT_STRETCH:
        settings[SPOT_SET_RESIZED_W] = (float)attrs->width;
        settings[SPOT_SET_RESIZED_H] = (float)attrs->height;
        settings[SPOT_SET_PAD_X] = settings[SPOT_SET_PAD_Y] = 0;
        settings[SPOT_SET_SCALE_X] = (float)(attrs->width / w);
        settings[SPOT_SET_SCALE_Y] = (float)(attrs->height / h);
        break;
    }
}

struct spot_fixed_tap spot_fixed_tap(int out_index, int out_size, int in_size, bool horizontal) {
    double scale = 1.0 / ((double)out_size / in_size);
    float at = (float)((out_index + 0.5) * scale - 0.5);
    int low = (int)floorf(at);
    float fraction = at - (float)low;
    if (horizontal && (low < 0 || low >= in_size - 1)) {
        low = low < 0 ? 0 : in_size - 1;
        fraction = 0;
    }
    int high = low + 1 < in_size ? low + 1 : in_size - 1;
    return (struct spot_fixed_tap){low < 0         ? 0
                                   : low < in_size ? low
                                                   : in_size - 1,
                                   high < 0 ? 0 : high, (int)rintf((1 - fraction) * 2048),
                                   (int)rintf(fraction * 2048)};
}

static int channel(const struct spot_picture *picture, int y, int x, int c) {
    return picture->pixels[(size_t)y * picture->stride + 3 * (size_t)x + (size_t)c];
}

static float sample_float(const struct spot_picture *p, int resized_w, int resized_h, int y, int x,
                          int c) {
    struct spot_resize_tap row = spot_resize_tap(y, resized_h, p->height);
    struct spot_resize_tap column = spot_resize_tap(x, resized_w, p->width);
    float top = (float)channel(p, row.low, column.low, c) * (1 - column.fraction) +
                (float)channel(p, row.low, column.high, c) * column.fraction;
    float bottom = (float)channel(p, row.high, column.low, c) * (1 - column.fraction) +
                   (float)channel(p, row.high, column.high, c) * column.fraction;
    return top * (1 - row.fraction) + bottom * row.fraction;
}

static int sample_fixed(const struct spot_picture *p, int resized_w, int resized_h, int y, int x,
                        int c) {
    if (p->width == resized_w && p->height == resized_h)
        return channel(p, y, x, c);
    if (p->width == 2 * resized_w && p->height == 2 * resized_h)
        return (channel(p, 2 * y, 2 * x, c) + channel(p, 2 * y, 2 * x + 1, c) +
                channel(p, 2 * y + 1, 2 * x, c) + channel(p, 2 * y + 1, 2 * x + 1, c) + 2) >>
               2;
    struct spot_fixed_tap row = spot_fixed_tap(y, resized_h, p->height, false);
    struct spot_fixed_tap column = spot_fixed_tap(x, resized_w, p->width, true);
    int low = channel(p, row.low, column.low, c) * column.weight_low +
              channel(p, row.low, column.high, c) * column.weight_high;
    int high = channel(p, row.high, column.low, c) * column.weight_low +
               channel(p, row.high, column.high, c) * column.weight_high;
    return (((row.weight_low * (low >> 4)) >> 16) + ((row.weight_high * (high >> 4)) >> 16) + 2) >>
           2;
}

static void reference(const struct spot_op_args *args) {
    const struct spot_preprocess *a = args->attrs;
    float *out = args->out[0].data;
    for (int n = 0; n < args->out[0].type.shape.dim[0]; n++) {
        const struct spot_picture *picture =
            (const struct spot_picture *)args->in[PICTURE].data + n;
        const float *s = (const float *)args->in[SETTINGS].data + (size_t)n * SPOT_SETTINGS;
        int width = (int)s[SPOT_SET_RESIZED_W], height = (int)s[SPOT_SET_RESIZED_H];
        int left = (int)s[SPOT_SET_PAD_X], top = (int)s[SPOT_SET_PAD_Y];
        for (int plane = 0; plane < 3; plane++) {
            int c = a->bgr ? 2 - plane : plane;
            for (int y = -top; y < a->height - top; y++) {
                for (int x = -left; x < a->width - left; x++) {
                    float v = a->pad[plane];
                    if (y >= 0 && y < height && x >= 0 && x < width)
                        v = a->arithmetic == SPOT_PREPROCESS_FIXED
                                ? (float)sample_fixed(picture, width, height, y, x, c)
                                : sample_float(picture, width, height, y, x, c);
                    *out++ = (v - a->mean[plane]) * a->scale[plane];
                }
            }
        }
    }
}

const struct spot_op spot_op_preprocess = {
    .name = "preprocess",
    .attrs_size = sizeof(struct spot_preprocess),
    .n_in_min = 2,
    .n_in_max = 2,
    .n_out_min = 1,
    .n_out_max = 1,
    .infer = infer,
    .reference = reference,
};

struct spot_value *spot_preprocess(struct spot_graph *graph, struct spot_value *picture,
                                   struct spot_value *settings, struct spot_preprocess attrs) {
    struct spot_value *in[] = {picture, settings};
    return spot_graph_add(graph, &spot_op_preprocess, NULL, &attrs, in, 2, NULL, 1);
}
