/*
 * Resizes maps, in: [N,C,H,W], out: [N,C,OH,OW].
 *
 * Nearest takes in[floor(y * H / OH)]. Bilinear samples at (y + 0.5) * H / OH - 0.5 between two
 * rows clamped to the map, without anti-aliasing (half-pixel centres; so OH = H / 2 is the mean of
 * each 2x2 block).
 */
#ifndef SPOT_CORE_OPS_RESIZE_H
#define SPOT_CORE_OPS_RESIZE_H

#include "core/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

enum spot_resize_mode { SPOT_RESIZE_NEAREST, SPOT_RESIZE_BILINEAR };

struct spot_resize {
    enum spot_resize_mode mode;
    int height, width; /* of the output */
};

extern const struct spot_op spot_op_resize;

struct spot_value *spot_resize(struct spot_graph *graph, struct spot_value *x,
                               struct spot_resize attrs);

/* The same to the height and width of another map. */
struct spot_value *spot_resize_like(struct spot_graph *graph, struct spot_value *x,
                                    const struct spot_value *like, enum spot_resize_mode mode);

/* The two taps of bilinear resizing on one axis: in[low] * (1 - fraction) + in[high] * fraction. */
struct spot_resize_tap {
    int low, high;
    float fraction;
};
struct spot_resize_tap spot_resize_tap(int out_index, int out_size, int in_size);

#ifdef __cplusplus
}
#endif
#endif
