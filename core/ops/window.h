/* The sliding window shared by convolution and pooling: its attributes and output size. */
#ifndef SPOT_CORE_OPS_WINDOW_H
#define SPOT_CORE_OPS_WINDOW_H

#include "core/error.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One axis. Padding lies outside the map at its start and end. */
struct spot_window {
    int kernel, stride, dilation, pad_begin, pad_end;
    bool ceil; /* round the output size up, as pooling layers may (Caffe, "full") */
};

/*
 * floor((in + pads - dilation * (kernel - 1) - 1) / stride) + 1, or the ceiling of the quotient;
 * with ceil, a last window that would begin beyond the map and its begin padding is dropped.
 * SPOT_INVALID when an attribute is out of range or nothing is left.
 */
enum spot_status spot_window_output(const struct spot_window *window, int in, int *out,
                                    struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif
