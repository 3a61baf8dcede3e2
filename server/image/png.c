/*
 * PNG, through libspng. It is shown only the chunks that hold the picture (IHDR, PLTE, IDAT, IEND),
 * whose checksums must be right. Texts, profiles, transparency and whatever else a file carries are
 * stepped over: they are not used, and inflating them is not worth the memory.
 */
#include <string.h>

#include <spng.h>

#include "server/image/codec.h"

enum {
    SIGNATURE_BYTES = 8,
    FRAME_BYTES = 12, /* of a chunk: length, type, and checksum behind its body */
    HEADER_END = 33,  /* signature and IHDR, which has 13 bytes */
};

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

static uint32_t read32(const uint8_t *b) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* The eXIf chunk may stand before or after the pixels. */
static int find_orientation(const uint8_t *bytes, size_t size) {
    for (size_t at = SIGNATURE_BYTES; size - at >= FRAME_BYTES;) {
        size_t length = read32(bytes + at);
        if (length > size - at - FRAME_BYTES)
            break;
        if (memcmp(bytes + at + 4, "eXIf", 4) == 0)
            return spot_exif_orientation(bytes + at + 8, length);
        at += FRAME_BYTES + length;
    }
    return 1;
}

/* The critical chunks of a file, one after another. */
struct chunks {
    const uint8_t *bytes;
    size_t size;
    size_t at, end; /* what is being passed on now: the signature first, then a chunk */
};

static bool next_critical_chunk(struct chunks *chunks) {
    while (chunks->size - chunks->at >= FRAME_BYTES) {
        const uint8_t *chunk = chunks->bytes + chunks->at;
        size_t length = read32(chunk), rest = chunks->size - chunks->at - FRAME_BYTES;
        chunks->end = length <= rest ? chunks->at + FRAME_BYTES + length : chunks->size;
        bool ancillary = (chunk[4] & 0x20) != 0; /* a small letter */
        if (!ancillary)
            return true;
        chunks->at = chunks->end;
    }
    return false;
}

static int read_chunks(spng_ctx *png, void *context, void *to, size_t length) {
    (void)png;
    struct chunks *chunks = context;
    for (uint8_t *out = to; length != 0;) {
        if (chunks->at == chunks->end && !next_critical_chunk(chunks))
            return SPNG_IO_EOF;
        size_t count = chunks->end - chunks->at < length ? chunks->end - chunks->at : length;
        memcpy(out, chunks->bytes + chunks->at, count);
        chunks->at += count;
        out += count;
        length -= count;
    }
    return 0;
}

/* libspng could not read the header. When that is for its size, the answer is that of our limits.
 */
static enum spot_status header_fail(const struct spot_image_source *source, int code,
                                    struct spot_error *error) {
    const uint8_t *bytes = source->bytes;
    enum spot_status status = SPOT_OK;
    if (source->size >= HEADER_END && memcmp(bytes + 12, "IHDR", 4) == 0)
        status =
            spot_image_check_size(read32(bytes + 16), read32(bytes + 20), source->limits, error);
    return status != SPOT_OK ? status : png_fail(error, code, source->size);
}

/*
 * *png is returned owned, with its header read and its size within the limits. It reads from
 * *chunks as long as it lives.
 */
static enum spot_status open_png(const struct spot_image_source *source, struct chunks *chunks,
                                 spng_ctx **png, struct spng_ihdr *header,
                                 struct spot_error *error) {
    *png = spng_ctx_new(0);
    if (*png == NULL)
        return png_fail(error, SPNG_EMEM, source->size);
    *chunks = (struct chunks){source->bytes, source->size, .end = SIGNATURE_BYTES};
    int code = spng_set_png_stream(*png, read_chunks, chunks);
    if (code == 0)
        code = spng_get_ihdr(*png, header);
    enum spot_status status =
        code != 0 ? header_fail(source, code, error)
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
    struct chunks chunks;
    struct spng_ihdr header = {0};
    enum spot_status status = open_png(source, &chunks, &png, &header, error);
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
    struct chunks chunks;
    struct spng_ihdr header = {0};
    struct pixels_wanted wanted = {.source = source};
    enum spot_status status = open_png(source, &chunks, &wanted.png, &header, error);
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
