/* Output size of a sliding window; see core/ops/window.h. */
#include "core/ops/window.h"

enum { WINDOW_SIDE_MAX = 1024 };

enum spot_status spot_window_output(const struct spot_window *window, int in, int *out,
                                    struct spot_error *error) {
    const struct spot_window *w = window;
    if (w->kernel < 1 || w->kernel > WINDOW_SIDE_MAX || w->stride < 1 ||
        w->stride > WINDOW_SIDE_MAX || w->dilation < 1 || w->dilation > WINDOW_SIDE_MAX ||
        w->pad_begin < 0 || w->pad_begin > WINDOW_SIDE_MAX || w->pad_end < 0 ||
        w->pad_end > WINDOW_SIDE_MAX)
        return spot_fail(
            error, SPOT_INVALID,
            "kernel %d, stride %d, dilation %d and padding %d, %d are not all in range", w->kernel,
            w->stride, w->dilation, w->pad_begin, w->pad_end);
    int room = in + w->pad_begin + w->pad_end - w->dilation * (w->kernel - 1) - 1;
    if (room < 0)
        return spot_fail(error, SPOT_INVALID,
                         "kernel %d with dilation %d is larger than the input %d with its padding",
                         w->kernel, w->dilation, in);
    *out = room / w->stride + 1;
    if (w->ceil && room % w->stride != 0 && *out * w->stride < in + w->pad_begin)
        *out += 1;
    return SPOT_OK;
}
