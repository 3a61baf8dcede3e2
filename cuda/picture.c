/* Taking along what resizing reads of a picture; see cuda/picture.h. */
#include "cuda/picture.h"

#include <string.h>

#include "core/ops/resize.h"

/* One axis: how it is resized, and whether only the taps are taken along. */
struct axis {
    int size, resized; /* pixels of the picture; network pixels it comes to lie on */
    bool fixed, horizontal;
    bool packed;
};

static struct axis make_axis(const struct spot_preprocess *attrs, int size, float resized,
                             bool horizontal) {
    struct axis axis = {size, (int)resized, attrs->arithmetic == SPOT_PREPROCESS_FIXED, horizontal,
                        false};
    axis.packed = size > 2 * axis.resized;
    return axis;
}

/* Rows or columns that are taken along, and which one is number i of them. */
static int taken(const struct axis *axis) {
    return axis->packed ? 2 * axis->resized : axis->size;
}

static int source_of(const struct axis *axis, int i) {
    if (!axis->packed)
        return i;
    if (axis->fixed) {
        struct spot_fixed_tap tap =
            spot_fixed_tap(i / 2, axis->resized, axis->size, axis->horizontal);
        return i % 2 == 0 ? tap.low : tap.high;
    }
    struct spot_resize_tap tap = spot_resize_tap(i / 2, axis->resized, axis->size);
    return i % 2 == 0 ? tap.low : tap.high;
}

size_t spot_cuda_picture_bytes_max(const struct spot_preprocess *attrs) {
    return (size_t)attrs->width * 2 * 3 * (size_t)attrs->height * 2;
}

/* sources[count]: which pixels of the row; NULL: the first ones. */
static void take_row(const uint8_t *row, int count, const int *sources, uint8_t *packed) {
    if (sources == NULL) {
        memcpy(packed, row, (size_t)count * 3);
        return;
    }
    for (int x = 0; x < count; x++)
        memcpy(packed + (size_t)x * 3, row + (size_t)sources[x] * 3, 3);
}

size_t spot_cuda_picture_pack(const struct spot_preprocess *attrs,
                              const struct spot_picture *picture, const float *settings,
                              uint8_t *packed, struct spot_cuda_picture *out) {
    struct axis rows = make_axis(attrs, picture->height, settings[SPOT_SET_RESIZED_H], false);
    struct axis columns = make_axis(attrs, picture->width, settings[SPOT_SET_RESIZED_W], true);
    int sources[SPOT_PICTURE_SIDE_MAX];
    int count = taken(&columns);
    for (int x = 0; columns.packed && x < count; x++)
        sources[x] = source_of(&columns, x);
    size_t stride = (size_t)count * 3;
    for (int y = 0; y < taken(&rows); y++)
        take_row(picture->pixels + (size_t)source_of(&rows, y) * picture->stride, count,
                 columns.packed ? sources : NULL, packed + (size_t)y * stride);
    *out = (struct spot_cuda_picture){
        .source = {.width = picture->width, .height = picture->height, .stride = stride},
        .packed_rows = rows.packed,
        .packed_columns = columns.packed};
    return (size_t)taken(&rows) * stride;
}
