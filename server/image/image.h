/*
 * Pictures from outside: what type they are, how large, and their pixels.
 *
 * Bytes of a JPEG, PNG or WebP become an 8-bit RGB picture as a viewer would show it: EXIF
 * orientation applied, grey repeated into three channels, palettes expanded, 16 bits cut to 8,
 * CMYK turned to RGB, transparency dropped (not blended). Nothing is trusted: the size is checked
 * against the limits before any pixel is allocated, and data that is damaged or cut short is an
 * error, never a half-grey picture.
 *
 * Failures: SPOT_UNSUPPORTED, not one of the three types; SPOT_LIMIT, larger than allowed;
 * SPOT_INVALID, cannot be decoded; SPOT_NO_MEMORY. No function here keeps state: any thread may
 * call any of them, with a struct spot_image of its own.
 */
#ifndef SPOT_SERVER_IMAGE_IMAGE_H
#define SPOT_SERVER_IMAGE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

enum spot_image_format {
    SPOT_IMAGE_UNKNOWN,
    SPOT_IMAGE_JPEG,
    SPOT_IMAGE_PNG,
    SPOT_IMAGE_WEBP,
    SPOT_IMAGE_FORMAT_COUNT
};

struct spot_image_limits {
    int64_t pixels; /* width * height */
    int side;       /* pixels; what the formats can hold ends at 65535 */
    int jpeg_scans; /* passes over a progressive JPEG: each one costs time in proportion to pixels
                     */
};

/* 50,000,000 pixels, 16,384 a side, 100 scans. Used where NULL is given for limits. */
extern const struct spot_image_limits spot_image_limits_default;

/* What the header says. */
struct spot_image_info {
    enum spot_image_format format;
    int width, height; /* pixels, as shown: after EXIF orientation */
    int orientation;   /* EXIF, 1 to 8; 1 is upright */
};

/*
 * A decoded picture that owns its pixels. All zeros is an empty one, ready for use. It can be
 * decoded into again and again and keeps its buffer as far as sizes stay alike.
 */
struct spot_image {
    uint8_t *pixels;               /* owned; R, G, B interleaved, rows from top to bottom */
    int width, height;             /* pixels; 0 when it holds no picture */
    size_t stride;                 /* bytes from one row to the next: 3 * width */
    enum spot_image_format format; /* what it was decoded from */
    size_t capacity;               /* bytes that pixels has room for */
};

/* The type by the first bytes. */
enum spot_image_format spot_image_sniff(const uint8_t *bytes, size_t size);

/* "jpeg", "png", "webp" or "unknown"; "image/jpeg", … or "application/octet-stream". */
const char *spot_image_format_name(enum spot_image_format format);
const char *spot_image_media_type(enum spot_image_format format);

/* Reads the header only and checks the limits (NULL for the default ones). */
enum spot_status spot_image_probe(const uint8_t *bytes, size_t size,
                                  const struct spot_image_limits *limits,
                                  struct spot_image_info *info, struct spot_error *error);

/*
 * Decodes into *image, reusing its buffer. After a failure *image holds no picture but still owns
 * its buffer. Beside the buffer, a decoder needs for a while: next to nothing for an upright PNG
 * or a baseline JPEG, up to 6 bytes a pixel for a progressive JPEG, about 5 for a WebP, 3 for a
 * PNG or WebP that EXIF turns.
 */
enum spot_status spot_image_decode(const uint8_t *bytes, size_t size,
                                   const struct spot_image_limits *limits, struct spot_image *image,
                                   struct spot_error *error);

/*
 * The same, at 1/scale_denom of the size, rounded up, where that saves time: scale_denom is 1, 2,
 * 4 or 8 for a JPEG and has no effect on other types. Limits hold for the full size.
 */
enum spot_status spot_image_decode_scaled(const uint8_t *bytes, size_t size,
                                          const struct spot_image_limits *limits, int scale_denom,
                                          struct spot_image *image, struct spot_error *error);

/* Releases the buffer; the image is empty and ready again. */
void spot_image_free(struct spot_image *image);

/* The picture, borrowed, as detectors take it. */
static inline struct spot_picture spot_image_picture(const struct spot_image *image) {
    struct spot_picture picture = {image->pixels, image->width, image->height, image->stride};
    return picture;
}

/*
 * Encodes *image. *bytes is returned owned, to be released with free(). Quality is 1 to 100; from
 * 90 on colour is stored at full resolution, so that thin coloured lines stay sharp.
 */
enum spot_status spot_image_encode_png(const struct spot_image *image, uint8_t **bytes,
                                       size_t *size, struct spot_error *error);
enum spot_status spot_image_encode_jpeg(const struct spot_image *image, int quality,
                                        uint8_t **bytes, size_t *size, struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif
