/*
 * Pictures on their way to the GPU. A lane has room for a fixed number of bytes a picture, however
 * large pictures are: bilinear resizing reads two source rows for each row of the network input, so
 * of a picture that is more than twice as high as it comes to lie, only those rows are taken along,
 * and likewise columns. That is never more than four times the pixels of the network input.
 */
#ifndef SPOT_CUDA_PICTURE_H
#define SPOT_CUDA_PICTURE_H

#include "core/ops/preprocess.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A picture as spot_cuda_preprocess reads it. The sizes in `source` are always the whole picture's.
 * Of a packed axis only the taps are there: those of output index i at 2 * i and 2 * i + 1.
 */
struct spot_cuda_picture {
    struct spot_picture source; /* pixels: device memory; stride: of what is there */
    bool packed_rows, packed_columns;
};

/* The most bytes that a picture takes for this network input. */
size_t spot_cuda_picture_bytes_max(const struct spot_preprocess *attrs);

/*
 * Copies what the network input needs of a picture that lies as settings say to `packed`, which
 * has room for spot_cuda_picture_bytes_max. Fills *out but for its pixels; returns the bytes used.
 */
size_t spot_cuda_picture_pack(const struct spot_preprocess *attrs,
                              const struct spot_picture *picture, const float *settings,
                              uint8_t *packed, struct spot_cuda_picture *out);

#ifdef __cplusplus
}
#endif
#endif
