/* The pixel buffer of a picture, and how EXIF orientation puts stored rows into it. */
#include <stdlib.h>
#include <string.h>

#include "server/image/codec.h"

/* A buffer up to this size is always kept; a larger one only for pictures that use a quarter. */
static const size_t keep_bytes = (size_t)32 << 20;

enum spot_status spot_image_reserve(struct spot_image *image, int width, int height,
                                    int orientation, struct spot_error *error) {
    size_t bytes = (size_t)width * (size_t)height * 3;
    bool wasteful = image->capacity > keep_bytes && image->capacity / 4 > bytes;
    if (image->capacity < bytes || wasteful) {
        free(image->pixels);
        image->pixels = malloc(bytes);
        image->capacity = image->pixels != NULL ? bytes : 0;
        if (image->pixels == NULL) {
            spot_fail(error, SPOT_NO_MEMORY,
                      "picture of %dx%d pixels: not enough memory to decode it", width, height);
            return SPOT_NO_MEMORY;
        }
    }
    image->width = orientation >= 5 ? height : width;
    image->height = orientation >= 5 ? width : height;
    image->stride = (size_t)image->width * 3;
    return SPOT_OK;
}

/* Which way the picture must be turned, for orientation 1 to 8: transposed, then mirrored. */
static const struct {
    bool transpose, mirror_x, mirror_y;
} turns[9] = {
    [1] = {false, false, false}, [2] = {false, true, false}, [3] = {false, true, true},
    [4] = {false, false, true},  [5] = {true, false, false}, [6] = {true, true, false},
    [7] = {true, true, true},    [8] = {true, false, true},
};

void spot_image_place(struct spot_image *image, int orientation, int first, int count,
                      const uint8_t *const *rows) {
    bool transpose = turns[orientation].transpose;
    ptrdiff_t right = turns[orientation].mirror_x ? -3 : 3;
    ptrdiff_t down = (ptrdiff_t)image->stride * (turns[orientation].mirror_y ? -1 : 1);
    uint8_t *origin = image->pixels;
    if (right < 0)
        origin += ((size_t)image->width - 1) * 3;
    if (down < 0)
        origin += ((size_t)image->height - 1) * image->stride;

    /* A step along a stored row, or to the next stored row, is this far in the image. */
    ptrdiff_t along = transpose ? down : right, across = transpose ? right : down;
    int width = transpose ? image->height : image->width;
    origin += first * across;
    if (along == 3) {
        for (int y = 0; y < count; y++)
            memcpy(origin + y * across, rows[y], (size_t)width * 3);
        return;
    }
    for (int x = 0; x < width; x++) {
        for (int y = 0; y < count; y++)
            memcpy(origin + x * along + y * across, rows[y] + (size_t)x * 3, 3);
    }
}

enum spot_status spot_image_fill_turned(struct spot_image *image, int width, int height,
                                        int orientation, spot_image_fill fill, void *context,
                                        struct spot_error *error) {
    enum spot_status status = spot_image_reserve(image, width, height, orientation, error);
    if (status != SPOT_OK)
        return status;
    size_t stride = (size_t)width * 3;
    if (orientation == 1)
        return fill(context, image->pixels, stride, error);

    uint8_t *stored = malloc(stride * (size_t)height);
    if (stored == NULL)
        return spot_fail(error, SPOT_NO_MEMORY,
                         "picture of %dx%d pixels: not enough memory to turn it", width, height);
    status = fill(context, stored, stride, error);
    for (int y = 0; status == SPOT_OK && y < height; y += SPOT_IMAGE_STRIP) {
        const uint8_t *rows[SPOT_IMAGE_STRIP];
        int count = height - y < SPOT_IMAGE_STRIP ? height - y : SPOT_IMAGE_STRIP;
        for (int i = 0; i < count; i++)
            rows[i] = stored + (size_t)(y + i) * stride;
        spot_image_place(image, orientation, y, count, rows);
    }
    free(stored);
    return status;
}
