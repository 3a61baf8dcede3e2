/* Small pictures of every kind for the tests of decoding. */
#include "tests/support/pictures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <spng.h>
#include <webp/encode.h>

static void check(bool right, const char *what) {
    if (!right) {
        fprintf(stderr, "making a test picture: %s\n", what);
        abort();
    }
}

uint8_t picture_value(int x, int y, int c) {
    int value = c == 0 ? 40 + 5 * x : c == 1 ? 200 - 4 * y : 60 + 2 * x + 3 * y;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

void picture_insert(struct picture_bytes *picture, size_t at, const uint8_t *piece, size_t size) {
    uint8_t *data = realloc(picture->data, picture->size + size);
    check(data != NULL && at <= picture->size, "insert");
    memmove(data + at + size, data + at, picture->size - at);
    memcpy(data + at, piece, size);
    picture->data = data;
    picture->size += size;
}

void picture_exif(uint8_t bytes[PICTURE_EXIF_BYTES], bool big_endian, int orientation) {
    static const uint8_t little[PICTURE_EXIF_BYTES] = {
        'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0,
    };
    static const uint8_t big[PICTURE_EXIF_BYTES] = {
        'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1,
    };
    memcpy(bytes, big_endian ? big : little, PICTURE_EXIF_BYTES);
    bytes[big_endian ? 19 : 18] = (uint8_t)orientation;
}

/* JPEG */

static void set_colours(struct jpeg_compress_struct *jpeg, const struct picture_jpeg *recipe) {
    switch (recipe->colour) {
    case PICTURE_RGB:
        jpeg->input_components = 3;
        jpeg->in_color_space = JCS_RGB;
        break;
    case PICTURE_GREY:
        jpeg->input_components = 1;
        jpeg->in_color_space = JCS_GRAYSCALE;
        break;
    case PICTURE_CMYK:
    case PICTURE_YCCK:
        jpeg->input_components = 4;
        jpeg->in_color_space = JCS_CMYK;
        break;
    }
    jpeg_set_defaults(jpeg);
    if (recipe->colour == PICTURE_YCCK)
        jpeg_set_colorspace(jpeg, JCS_YCCK);
    if (recipe->no_adobe)
        jpeg->write_Adobe_marker = FALSE;
}

/* Every coefficient in a scan of its own, and again for its last bit: legal, and many scans. */
static int many_scans(jpeg_scan_info scans[127]) {
    int count = 0;
    scans[count++] = (jpeg_scan_info){.comps_in_scan = 1};
    for (int pass = 0; pass < 2; pass++)
        for (int k = 1; k < 64; k++)
            scans[count++] =
                (jpeg_scan_info){.comps_in_scan = 1, .Ss = k, .Se = k, .Ah = pass, .Al = 1 - pass};
    return count;
}

static void write_exif_segment(struct jpeg_compress_struct *jpeg, int orientation) {
    uint8_t body[6 + PICTURE_EXIF_BYTES] = "Exif\0";
    picture_exif(body + 6, orientation % 2 == 0, orientation);
    jpeg_write_marker(jpeg, JPEG_APP0 + 1, body, sizeof body);
}

struct picture_bytes picture_jpeg(const struct picture_jpeg *recipe) {
    struct jpeg_compress_struct jpeg = {0};
    struct jpeg_error_mgr errors;
    jpeg.err = jpeg_std_error(&errors); /* exits on failure */
    jpeg_create_compress(&jpeg);
    unsigned char *data = NULL;
    unsigned long size = 0;
    jpeg_mem_dest(&jpeg, &data, &size);
    jpeg.image_width = (unsigned)recipe->width;
    jpeg.image_height = (unsigned)recipe->height;
    set_colours(&jpeg, recipe);
    jpeg_set_quality(&jpeg, recipe->quality != 0 ? recipe->quality : 95, TRUE);
    jpeg.arith_code = recipe->arithmetic;
    jpeg.restart_in_rows = recipe->restart_rows;
    jpeg_scan_info scans[127];
    if (recipe->progressive)
        jpeg_simple_progression(&jpeg);
    if (recipe->scan_bomb) {
        jpeg.num_scans = many_scans(scans);
        jpeg.scan_info = scans;
    }
    jpeg_start_compress(&jpeg, TRUE);
    if (recipe->orientation != 0)
        write_exif_segment(&jpeg, recipe->orientation);
    int channels = jpeg.input_components;
    uint8_t *row = malloc((size_t)recipe->width * (size_t)channels);
    check(row != NULL, "memory");
    for (int y = 0; y < recipe->height; y++) {
        for (int x = 0; x < recipe->width; x++)
            for (int c = 0; c < channels; c++)
                row[x * channels + c] = c == 3 ? 215 : picture_value(x, y, c);
        JSAMPROW rows = row;
        jpeg_write_scanlines(&jpeg, &rows, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    free(row);
    return (struct picture_bytes){data, size};
}

/* PNG */

static unsigned channels_of(int colour_type) {
    return colour_type == 2 ? 3 : colour_type == 4 ? 2 : colour_type == 6 ? 4 : 1;
}

/* The samples of a row, packed as PNG packs them. 16-bit samples have a low byte of their own. */
static void png_row(const struct picture_png *recipe, int y, uint8_t *row) {
    unsigned channels = channels_of(recipe->colour_type), depth = (unsigned)recipe->bit_depth;
    bool alpha_last = recipe->colour_type == 4 || recipe->colour_type == 6;
    for (int x = 0; x < recipe->width; x++)
        for (unsigned c = 0; c < channels; c++) {
            unsigned sample = alpha_last && c == channels - 1 ? (unsigned)(x * 37 % 256)
                                                              : picture_value(x, y, (int)c);
            size_t at = (size_t)x * channels + c;
            if (depth == 16) {
                row[2 * at] = (uint8_t)sample;
                row[2 * at + 1] = (uint8_t)(x * 11 + 200);
            } else if (depth == 8) {
                row[at] = (uint8_t)sample;
            } else {
                size_t bit = at * depth;
                row[bit / 8] |= (uint8_t)((sample >> (8 - depth)) << (8 - depth - bit % 8));
            }
        }
}

struct picture_bytes picture_png_chunk(const char *type, const uint8_t *body, size_t size) {
    struct picture_bytes chunk = {malloc(size + 12), size + 12};
    check(chunk.data != NULL, "memory");
    for (int i = 0; i < 4; i++)
        chunk.data[i] = (uint8_t)(size >> (24 - 8 * i));
    memcpy(chunk.data + 4, type, 4);
    if (size != 0)
        memcpy(chunk.data + 8, body, size);
    uint32_t crc = 0xffffffffU;
    for (size_t i = 4; i < size + 8; i++) {
        crc ^= chunk.data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320U : crc >> 1;
    }
    for (int i = 0; i < 4; i++)
        chunk.data[size + 8 + (size_t)i] = (uint8_t)(~crc >> (24 - 8 * i));
    return chunk;
}

static void add_png_exif(struct picture_bytes *picture, int orientation, bool last) {
    uint8_t exif[PICTURE_EXIF_BYTES];
    picture_exif(exif, orientation % 2 == 0, orientation);
    struct picture_bytes chunk = picture_png_chunk("eXIf", exif, sizeof exif);
    size_t after_header = 33, before_end = picture->size - 12;
    picture_insert(picture, last ? before_end : after_header, chunk.data, chunk.size);
    free(chunk.data);
}

struct picture_bytes picture_png(const struct picture_png *recipe) {
    spng_ctx *png = spng_ctx_new(SPNG_CTX_ENCODER);
    spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1);
    struct spng_ihdr header = {
        .width = (uint32_t)recipe->width,
        .height = (uint32_t)recipe->height,
        .bit_depth = (uint8_t)recipe->bit_depth,
        .color_type = (uint8_t)recipe->colour_type,
        .interlace_method = recipe->interlaced,
    };
    check(spng_set_ihdr(png, &header) == 0, "PNG header");
    struct spng_plte palette = {.n_entries = 1U << (recipe->bit_depth & 15)};
    for (unsigned i = 0; recipe->colour_type == 3 && i < palette.n_entries; i++)
        palette.entries[i] = (struct spng_plte_entry){
            .red = (uint8_t)(i * 7), .green = (uint8_t)(255 - i), .blue = (uint8_t)(i ^ 0x55)};
    if (recipe->colour_type == 3)
        check(spng_set_plte(png, &palette) == 0, "palette");

    size_t bits = channels_of(recipe->colour_type) * (size_t)recipe->bit_depth;
    size_t stride = ((size_t)recipe->width * bits + 7) / 8;
    uint8_t *rows = calloc((size_t)recipe->height, stride);
    check(rows != NULL, "memory");
    for (int y = 0; y < recipe->height; y++)
        png_row(recipe, y, rows + (size_t)y * stride);
    int code = spng_encode_image(png, rows, stride * (size_t)recipe->height, SPNG_FMT_RAW,
                                 SPNG_ENCODE_FINALIZE);
    check(code == 0, spng_strerror(code));
    struct picture_bytes picture = {0};
    picture.data = spng_get_png_buffer(png, &picture.size, &code);
    spng_ctx_free(png);
    free(rows);
    if (recipe->orientation != 0)
        add_png_exif(&picture, recipe->orientation, recipe->orientation_last);
    return picture;
}

/* WebP */

static void append_riff(struct picture_bytes *picture, const char *type, const uint8_t *body,
                        size_t size) {
    uint8_t header[8] = {(uint8_t)type[0],      (uint8_t)type[1],     (uint8_t)type[2],
                         (uint8_t)type[3],      (uint8_t)size,        (uint8_t)(size >> 8),
                         (uint8_t)(size >> 16), (uint8_t)(size >> 24)};
    picture_insert(picture, picture->size, header, sizeof header);
    picture_insert(picture, picture->size, body, size);
    if (size % 2 != 0)
        picture_insert(picture, picture->size, (const uint8_t[]){0}, 1);
}

static void set_riff_size(struct picture_bytes *picture) {
    size_t size = picture->size - 8;
    for (int i = 0; i < 4; i++)
        picture->data[4 + i] = (uint8_t)(size >> (8 * i));
}

/* Wraps the chunks of a simple WebP into the extended form with a VP8X header. */
static void extend_webp(struct picture_bytes *picture, const struct picture_webp *recipe) {
    unsigned w = (unsigned)recipe->width - 1, h = (unsigned)recipe->height - 1;
    bool has_vp8x = memcmp(picture->data + 12, "VP8X", 4) == 0;
    size_t start = has_vp8x ? 30 : 12, size = picture->size - start;
    uint8_t flags = (uint8_t)((recipe->alpha ? 16 : 0) | (recipe->orientation ? 8 : 0) |
                              (recipe->animated ? 2 : 0));
    const uint8_t vp8x[10] = {
        flags, 0, 0, 0, (uint8_t)w, (uint8_t)(w >> 8), 0, (uint8_t)h, (uint8_t)(h >> 8), 0};
    struct picture_bytes extended = {malloc(12), 12};
    check(extended.data != NULL, "memory");
    memcpy(extended.data, picture->data, 12);
    append_riff(&extended, "VP8X", vp8x, sizeof vp8x);
    if (recipe->animated) {
        append_riff(&extended, "ANIM", (const uint8_t[6]){0}, 6);
        struct picture_bytes frame = {calloc(1, 16), 16};
        check(frame.data != NULL, "memory");
        memcpy(frame.data + 6, vp8x + 4, 6);
        frame.data[12] = 100; /* milliseconds */
        picture_insert(&frame, frame.size, picture->data + start, size);
        append_riff(&extended, "ANMF", frame.data, frame.size);
        free(frame.data);
    } else {
        picture_insert(&extended, extended.size, picture->data + start, size);
    }
    if (recipe->orientation != 0) {
        uint8_t exif[6 + PICTURE_EXIF_BYTES] = "Exif\0";
        picture_exif(exif + 6, recipe->orientation % 2 == 0, recipe->orientation);
        size_t skip = recipe->exif_prefix ? 0 : 6;
        append_riff(&extended, "EXIF", exif + skip, sizeof exif - skip);
    }
    set_riff_size(&extended);
    free(picture->data);
    *picture = extended;
}

struct picture_bytes picture_webp(const struct picture_webp *recipe) {
    WebPConfig config;
    WebPPicture picture;
    check(WebPConfigInit(&config) && WebPPictureInit(&picture), "libwebp version");
    config.lossless = recipe->lossless;
    config.exact = 1;
    config.quality = 95;
    picture.use_argb = 1;
    picture.width = recipe->width;
    picture.height = recipe->height;
    check(WebPPictureAlloc(&picture), "memory");
    for (int y = 0; y < recipe->height; y++)
        for (int x = 0; x < recipe->width; x++) {
            uint32_t alpha = recipe->alpha ? (uint32_t)(x * 37 % 256) : 255;
            picture.argb[y * picture.argb_stride + x] =
                alpha << 24 | (uint32_t)picture_value(x, y, 0) << 16 |
                (uint32_t)picture_value(x, y, 1) << 8 | picture_value(x, y, 2);
        }
    WebPMemoryWriter writer;
    WebPMemoryWriterInit(&writer);
    picture.writer = WebPMemoryWrite;
    picture.custom_ptr = &writer;
    check(WebPEncode(&config, &picture), "WebP");
    WebPPictureFree(&picture);
    struct picture_bytes bytes = {malloc(writer.size), writer.size};
    check(bytes.data != NULL, "memory");
    memcpy(bytes.data, writer.mem, writer.size);
    WebPMemoryWriterClear(&writer);
    if (recipe->orientation != 0 || recipe->animated)
        extend_webp(&bytes, recipe);
    return bytes;
}
