/* WebP stills, lossy and lossless, through libwebp. */
#include <string.h>

#include <webp/decode.h>

#include "server/image/codec.h"

static bool is_webp(const uint8_t *bytes, size_t size) {
    return size >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0;
}

static enum spot_status webp_fail(struct spot_error *error, VP8StatusCode code, size_t size) {
    static const char *const reasons[] = {
        [VP8_STATUS_INVALID_PARAM] = "invalid parameter",
        [VP8_STATUS_BITSTREAM_ERROR] = "its bitstream is damaged",
        [VP8_STATUS_UNSUPPORTED_FEATURE] = "it uses a feature that is not supported",
    };
    switch (code) {
    case VP8_STATUS_OUT_OF_MEMORY:
        return spot_fail(error, SPOT_NO_MEMORY, "picture: not enough memory to decode the WebP");
    case VP8_STATUS_SUSPENDED:
    case VP8_STATUS_NOT_ENOUGH_DATA:
        return spot_fail(error, SPOT_INVALID,
                         "picture: the WebP data ends early, %zu bytes do not hold all of it",
                         size);
    default: {
        const char *reason =
            (size_t)code < sizeof reasons / sizeof reasons[0] ? reasons[code] : NULL;
        return spot_fail(error, SPOT_INVALID, "picture: the WebP cannot be decoded (%s)",
                         reason != NULL ? reason : "unknown reason");
    }
    }
}

/* The EXIF chunk, if any; writers differ on whether "Exif\0\0" stands before the TIFF header. */
static int find_orientation(const uint8_t *bytes, size_t size) {
    for (size_t at = 12; size >= 8 && at <= size - 8;) {
        const uint8_t *chunk = bytes + at;
        size_t length = (size_t)chunk[4] | (size_t)chunk[5] << 8 | (size_t)chunk[6] << 16 |
                        (size_t)chunk[7] << 24;
        if (length > size - at - 8)
            break;
        if (memcmp(chunk, "EXIF", 4) == 0) {
            size_t prefix = length >= 6 && memcmp(chunk + 8, "Exif\0\0", 6) == 0 ? 6 : 0;
            return spot_exif_orientation(chunk + 8 + prefix, length - prefix);
        }
        at += 8 + length + (length & 1);
    }
    return 1;
}

static enum spot_status probe(const struct spot_image_source *source, struct spot_image_info *info,
                              struct spot_error *error) {
    WebPBitstreamFeatures features;
    VP8StatusCode code = WebPGetFeatures(source->bytes, source->size, &features);
    if (code != VP8_STATUS_OK)
        return webp_fail(error, code, source->size);
    enum spot_status status =
        spot_image_check_size(features.width, features.height, source->limits, error);
    if (status != SPOT_OK)
        return status;
    if (features.has_animation)
        return spot_fail(error, SPOT_INVALID,
                         "picture is an animated WebP: only still pictures are allowed");
    info->width = features.width;
    info->height = features.height;
    info->orientation = find_orientation(source->bytes, source->size);
    return SPOT_OK;
}

struct pixels_wanted {
    const struct spot_image_source *source;
    int height;
};

static enum spot_status fill(void *context, uint8_t *pixels, size_t stride,
                             struct spot_error *error) {
    struct pixels_wanted *wanted = context;
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return spot_fail(error, SPOT_UNSUPPORTED, "picture: libwebp is not the version built for");
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = pixels;
    config.output.u.RGBA.stride = (int)stride;
    config.output.u.RGBA.size = stride * (size_t)wanted->height;
    VP8StatusCode code = WebPDecode(wanted->source->bytes, wanted->source->size, &config);
    return code == VP8_STATUS_OK ? SPOT_OK : webp_fail(error, code, wanted->source->size);
}

static enum spot_status decode(const struct spot_image_source *source, struct spot_image *image,
                               struct spot_error *error) {
    struct spot_image_info info = {0};
    enum spot_status status = probe(source, &info, error);
    if (status != SPOT_OK)
        return status;
    struct pixels_wanted wanted = {source, info.height};
    return spot_image_fill_turned(image, info.width, info.height, info.orientation, fill, &wanted,
                                  error);
}

const struct spot_codec spot_codec_webp = {is_webp, probe, decode};
