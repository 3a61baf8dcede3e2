/*
 * What image.c and the decoders share. Private to server/image.
 */
#ifndef SPOT_SERVER_IMAGE_CODEC_H
#define SPOT_SERVER_IMAGE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/image/image.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The bytes of one picture and how to decode it. */
struct spot_image_source {
    const uint8_t *bytes; /* borrowed */
    size_t size;
    const struct spot_image_limits *limits;
    int scale_denom; /* 1, 2, 4 or 8; decoders that cannot scale ignore it */
};

/*
 * One decoder a format. `probe` fills stored width and height and orientation, having checked the
 * limits; image.c turns them to what is shown. `decode` fills *image whole or fails.
 */
struct spot_codec {
    bool (*sniff)(const uint8_t *bytes, size_t size);
    enum spot_status (*probe)(const struct spot_image_source *source, struct spot_image_info *info,
                              struct spot_error *error);
    enum spot_status (*decode)(const struct spot_image_source *source, struct spot_image *image,
                               struct spot_error *error);
};

extern const struct spot_codec spot_codec_jpeg, spot_codec_png, spot_codec_webp;

/* SPOT_LIMIT unless width x height (of any size) is within the limits. */
enum spot_status spot_image_check_size(int64_t width, int64_t height,
                                       const struct spot_image_limits *limits,
                                       struct spot_error *error);

/*
 * Gives *image room for a picture stored as width x height and shown through `orientation`, and
 * sets its width, height and stride to what is shown.
 */
enum spot_status spot_image_reserve(struct spot_image *image, int width, int height,
                                    int orientation, struct spot_error *error);

/* Rows that are best handed to spot_image_place at a time: the target's cache lines fill up. */
enum { SPOT_IMAGE_STRIP = 16 };

/*
 * Writes stored rows first, first + 1, … (count of them, 3 bytes a pixel) to where orientation
 * shows them. The image has been reserved with the same orientation.
 */
void spot_image_place(struct spot_image *image, int orientation, int first, int count,
                      const uint8_t *const *rows);

/*
 * Decoding for formats whose library fills a whole picture at once: `fill` writes width x height
 * pixels, upright as stored, to the buffer given. Turned pictures pass through a buffer in between.
 */
typedef enum spot_status (*spot_image_fill)(void *context, uint8_t *pixels, size_t stride,
                                            struct spot_error *error);
enum spot_status spot_image_fill_turned(struct spot_image *image, int width, int height,
                                        int orientation, spot_image_fill fill, void *context,
                                        struct spot_error *error);

/*
 * The orientation, 1 to 8, in an EXIF block, which starts with a TIFF header ("II" or "MM").
 * Anything missing, damaged or out of range gives 1: a picture is never refused for its EXIF.
 */
int spot_exif_orientation(const uint8_t *tiff, size_t size);

#ifdef __cplusplus
}
#endif
#endif
