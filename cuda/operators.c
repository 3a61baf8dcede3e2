/* The table of operators that run on a GPU. */
#include "cuda/program.h"

/* clang-format off */
#define ALL_OPERATORS(X) \
    X(activation) X(add) X(batch_norm) X(channel_shuffle) X(concat) X(conv2d) X(fully_connected) \
    X(gfl_decode) X(nms) X(pool2d) X(preprocess) X(proposals) X(ps_roi_align) X(ps_roi_pool) \
    X(rcnn_decode) X(resize) X(shuffle_join) X(softmax) X(split) X(ssd_decode) X(yolo_decode)
/* clang-format on */

#define DECLARE(name) extern const struct spot_cuda_operator spot_cuda_operator_##name;
ALL_OPERATORS(DECLARE)

#define ENTRY(name) &spot_cuda_operator_##name,
const struct spot_cuda_operator *const spot_cuda_operators[] = {ALL_OPERATORS(ENTRY) NULL};
