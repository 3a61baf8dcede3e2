/*
 * From an 8-bit picture to the network's input: resize, place, normalise, to planes.
 *
 *   in: "picture" [1] (SPOT_PICTURE), "settings" [1,SPOT_SETTINGS]
 *   out: [1,3,height,width], out[c] = (v - mean[c]) * scale[c]
 *
 * where v is the resized value of channel c, or pad[c] outside the picture. Bilinear with
 * half-pixel centres and edge clamping, no anti-aliasing; in float, or in OpenCV's 8-bit fixed
 * point with SPOT_PREPROCESS_FIXED. Where the picture comes to lie is decided once, by
 * spot_preprocess_geometry, and read from the settings.
 */
#ifndef SPOT_CORE_OPS_PREPROCESS_H
#define SPOT_CORE_OPS_PREPROCESS_H

#include "core/graph.h"
#include "core/settings.h"

#ifdef __cplusplus
extern "C" {
#endif

enum spot_preprocess_fit {
    SPOT_FIT_LETTERBOX, /* keep the aspect ratio, centre; odd pixels go right and below */
    SPOT_FIT_STRETCH,   /* to the whole input */
    SPOT_FIT_TOP_LEFT,  /* top left; short side to `short_side`, but long side at most `long_side`
                           and both within the input */
};

enum spot_preprocess_arithmetic {
    SPOT_PREPROCESS_FLOAT, /* float taps from double coordinates, no rounding to 8 bits */
    SPOT_PREPROCESS_FIXED, /* OpenCV's 8-bit bilinear, bit for bit (specification of RFSong, 1.1) */
};

struct spot_preprocess {
    enum spot_preprocess_fit fit;
    enum spot_preprocess_arithmetic arithmetic;
    int height, width;         /* of the network input */
    int short_side, long_side; /* SPOT_FIT_TOP_LEFT only */
    bool bgr;                  /* plane 0 is blue; else red */
    float pad[3];              /* by plane, in pixel units, before normalising */
    float mean[3], scale[3];   /* by plane */
};

extern const struct spot_op spot_op_preprocess;

struct spot_value *spot_preprocess(struct spot_graph *graph, struct spot_value *picture,
                                   struct spot_value *settings, struct spot_preprocess attrs);

/*
 * Fills the geometry entries of a settings row (PICTURE_*, RESIZED_*, PAD_*, SCALE_*) for a picture
 * of this size.
 */
void spot_preprocess_geometry(const struct spot_preprocess *attrs, int picture_width,
                              int picture_height, float *settings);

/*
 * The taps of the fixed-point resize for one output index, for kernels: source indices (clamped)
 * and weights in 1/2048. On the horizontal axis the weights are clamped with the indices.
 */
struct spot_fixed_tap {
    int low, high, weight_low, weight_high;
};
struct spot_fixed_tap spot_fixed_tap(int out_index, int out_size, int in_size, bool horizontal);

#ifdef __cplusplus
}
#endif
#endif
