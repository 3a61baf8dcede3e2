/* PNG, through libspng. Checksums of the picture's own chunks must be right. */
#include <string.h>

#include <spng.h>

#include "server/image/codec.h"

/* Profiles and texts are not used; larger ones are not worth the memory. */
enum { CHUNK_BYTES_MAX = 4 << 20 };

static bool is_png(const uint8_t *bytes, size_t size) {
    return size >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0;
}

static enum spot_status png_fail(struct spot_error *error, int code, size_t size) {
    switch (code) {
    case SPNG_EMEM:
        return spot_fail(error, SPOT_NO_MEMORY, "picture: not enough memory to decode the PNG");
    case SPNG_EOF:
    case SPNG_IO_EOF:
        return spot_fail(error, SPOT_INVALID,
                         "picture: the PNG data ends early, %zu bytes do not hold all of it", size);
    default:
        return spot_fail(error, SPOT_INVALID, "picture: the PNG cannot be decoded (%s)",
                         spng_strerror(code));
    }
}

/* The eXIf chunk may stand before or after the pixels, so the chunks are walked here. */
static int find_orientation(const uint8_t *bytes, size_t size) {
    for (size_t at = 8; size - at >= 12;) {
        const uint8_t *chunk = bytes + at;
        size_t length = (size_t)chunk[0] << 24 | (size_t)chunk[1] << 16 | (size_t)chunk[2] << 8 |
                        (size_t)chunk[3];
        if (length > size - at - 12)
            break;
        if (memcmp(chunk + 4, "eXIf", 4) == 0)
            return spot_exif_orientation(chunk + 8, length);
        at += length + 12;
    }
    return 1;
}

/* *png is returned owned, with its header read and its size within the limits. */
static enum spot_status open_png(const struct spot_image_source *source, spng_ctx **png,
                                 struct spng_ihdr *header, struct spot_error *error) {
    *png = spng_ctx_new(0);
    if (*png == NULL)
        return png_fail(error, SPNG_EMEM, source->size);
    spng_set_crc_action(*png, SPNG_CRC_ERROR, SPNG_CRC_DISCARD);
    spng_set_chunk_limits(*png, CHUNK_BYTES_MAX, CHUNK_BYTES_MAX);
    int code = spng_set_png_buffer(*png, source->bytes, source->size);
    if (code == 0)
        code = spng_get_ihdr(*png, header);
    enum spot_status status =
        code != 0 ? png_fail(error, code, source->size)
                  : spot_image_check_size(header->width, header->height, source->limits, error);
    if (status != SPOT_OK) {
        spng_ctx_free(*png);
        *png = NULL;
    }
    return status;
}

static enum spot_status probe(const struct spot_image_source *source, struct spot_image_info *info,
                              struct spot_error *error) {
    spng_ctx *png;
    struct spng_ihdr header;
    enum spot_status status = open_png(source, &png, &header, error);
    if (status != SPOT_OK)
        return status;
    spng_ctx_free(png);
    info->width = (int)header.width;
    info->height = (int)header.height;
    info->orientation = find_orientation(source->bytes, source->size);
    return SPOT_OK;
}

struct pixels_wanted {
    spng_ctx *png;
    const struct spot_image_source *source;
    size_t bytes; /* of all pixels */
};

static enum spot_status fill(void *context, uint8_t *pixels, size_t stride,
                             struct spot_error *error) {
    (void)stride;
    struct pixels_wanted *wanted = context;
    int code = spng_decode_image(wanted->png, pixels, wanted->bytes, SPNG_FMT_RGB8, 0);
    return code == 0 ? SPOT_OK : png_fail(error, code, wanted->source->size);
}

static enum spot_status decode(const struct spot_image_source *source, struct spot_image *image,
                               struct spot_error *error) {
    struct spng_ihdr header;
    struct pixels_wanted wanted = {.source = source};
    enum spot_status status = open_png(source, &wanted.png, &header, error);
    if (status != SPOT_OK)
        return status;
    wanted.bytes = (size_t)header.width * header.height * 3;
    status =
        spot_image_fill_turned(image, (int)header.width, (int)header.height,
                               find_orientation(source->bytes, source->size), fill, &wanted, error);
    spng_ctx_free(wanted.png);
    return status;
}

const struct spot_codec spot_codec_png = {is_png, probe, decode};
