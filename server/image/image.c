/*
 * Which decoder, how large, where the pixels go. The decoders themselves are in jpeg.c, png.c and
 * webp.c, one for each format, registered in the table below.
 */
#include "server/image/image.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "server/image/codec.h"

const struct spot_image_limits spot_image_limits_default = {
    .pixels = 50000000,
    .side = SPOT_PICTURE_SIDE_MAX,
    .jpeg_scans = 100,
};

static const struct {
    const char *name, *media_type;
    const struct spot_codec *codec;
} formats[SPOT_IMAGE_FORMAT_COUNT] = {
    [SPOT_IMAGE_UNKNOWN] = {"unknown", "application/octet-stream", NULL},
    [SPOT_IMAGE_JPEG] = {"jpeg", "image/jpeg", &spot_codec_jpeg},
    [SPOT_IMAGE_PNG] = {"png", "image/png", &spot_codec_png},
    [SPOT_IMAGE_WEBP] = {"webp", "image/webp", &spot_codec_webp},
};

/* Types that people send by mistake; naming them saves a guess. */
static const struct {
    size_t offset;
    const char *magic, *name;
} strangers[] = {
    {0, "GIF8", "a GIF"},      {0, "BM", "a BMP"},           {0, "II*", "a TIFF"},
    {0, "MM", "a TIFF"},       {4, "ftypheic", "a HEIC"},    {4, "ftypheix", "a HEIC"},
    {4, "ftypmif1", "a HEIF"}, {4, "ftypavif", "an AVIF"},   {4, "ftypavis", "an AVIF"},
    {4, "JXL ", "a JPEG XL"},  {0, "\xff\x0a", "a JPEG XL"}, {4, "jP  ", "a JPEG 2000"},
    {0, "%PDF", "a PDF"},      {0, "<svg", "an SVG"},        {0, "<?xml", "an XML text"},
    {0, "{", "a JSON text"},
};

enum spot_image_format spot_image_sniff(const uint8_t *bytes, size_t size) {
    for (int i = 0; i < SPOT_IMAGE_FORMAT_COUNT; i++)
        if (formats[i].codec != NULL && formats[i].codec->sniff(bytes, size))
            return (enum spot_image_format)i;
    return SPOT_IMAGE_UNKNOWN;
}

const char *spot_image_format_name(enum spot_image_format format) {
    return formats[(unsigned)format < SPOT_IMAGE_FORMAT_COUNT ? format : 0].name;
}

const char *spot_image_media_type(enum spot_image_format format) {
    return formats[(unsigned)format < SPOT_IMAGE_FORMAT_COUNT ? format : 0].media_type;
}

/* Says why there is no codec for these bytes. */
static enum spot_status refuse(const uint8_t *bytes, size_t size, struct spot_error *error) {
    if (size == 0)
        return spot_fail(error, SPOT_INVALID,
                         "picture is empty: the bytes of a JPEG, PNG or WebP are expected");
    const char *name = "of an unknown type";
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        size_t length = strlen(strangers[i].magic), offset = strangers[i].offset;
        if (size >= offset + length && memcmp(bytes + offset, strangers[i].magic, length) == 0) {
            name = strangers[i].name;
            break;
        }
    }
    return spot_fail(error, SPOT_UNSUPPORTED, "picture is %s: JPEG, PNG and WebP are allowed",
                     name);
}

enum spot_status spot_image_check_size(int64_t width, int64_t height,
                                       const struct spot_image_limits *limits,
                                       struct spot_error *error) {
    if (width < 1 || height < 1)
        return spot_fail(error, SPOT_INVALID,
                         "picture is %" PRId64 "x%" PRId64 " pixels: it has no pixel", width,
                         height);
    if (width <= limits->side && height <= limits->side && width <= limits->pixels / height)
        return SPOT_OK;
    return spot_fail(error, SPOT_LIMIT,
                     "picture is %" PRId64 "x%" PRId64 " pixels, at most %" PRId64
                     " pixels and %d a side are allowed",
                     width, height, limits->pixels, limits->side);
}

/*
 * Decoders do not tell a lack of memory from a damaged picture; errno does, when it was 0 before.
 * The one is our fault, the other the sender's.
 */
static enum spot_status whose_fault(enum spot_status status, struct spot_error *error) {
    if (status != SPOT_INVALID || errno != ENOMEM)
        return status;
    return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
}

enum spot_status spot_image_probe(const uint8_t *bytes, size_t size,
                                  const struct spot_image_limits *limits,
                                  struct spot_image_info *info, struct spot_error *error) {
    struct spot_image_info found = {.format = spot_image_sniff(bytes, size), .orientation = 1};
    const struct spot_codec *codec = formats[found.format].codec;
    if (codec == NULL)
        return refuse(bytes, size, error);
    struct spot_image_source source = {
        bytes, size, limits != NULL ? limits : &spot_image_limits_default, .scale_denom = 1};
    errno = 0;
    enum spot_status status = whose_fault(codec->probe(&source, &found, error), error);
    if (status != SPOT_OK)
        return status;
    *info = found;
    if (found.orientation >= 5) {
        info->width = found.height;
        info->height = found.width;
    }
    return SPOT_OK;
}

enum spot_status spot_image_decode_scaled(const uint8_t *bytes, size_t size,
                                          const struct spot_image_limits *limits, int scale_denom,
                                          struct spot_image *image, struct spot_error *error) {
    image->width = image->height = 0;
    image->stride = 0;
    image->format = SPOT_IMAGE_UNKNOWN;
    enum spot_image_format format = spot_image_sniff(bytes, size);
    const struct spot_codec *codec = formats[format].codec;
    if (codec == NULL)
        return refuse(bytes, size, error);
    struct spot_image_source source = {
        bytes, size, limits != NULL ? limits : &spot_image_limits_default, scale_denom};
    errno = 0;
    enum spot_status status = whose_fault(codec->decode(&source, image, error), error);
    if (status == SPOT_OK)
        image->format = format;
    else
        image->width = image->height = 0;
    return status;
}

enum spot_status spot_image_decode(const uint8_t *bytes, size_t size,
                                   const struct spot_image_limits *limits, struct spot_image *image,
                                   struct spot_error *error) {
    return spot_image_decode_scaled(bytes, size, limits, 1, image, error);
}

void spot_image_free(struct spot_image *image) {
    free(image->pixels);
    *image = (struct spot_image){0};
}
