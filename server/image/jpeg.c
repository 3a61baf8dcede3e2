/*
 * JPEG, through libjpeg (turbo) with its default arithmetic: accurate integer DCT and smooth
 * chroma upsampling, the pixels every other program gets.
 *
 * libjpeg prefers a damaged picture to none. Here damage is an error: warnings that mean wrong
 * pixels end the decoding, harmless ones (stray bytes between segments, odd JFIF or Adobe fields)
 * do not.
 */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#include "server/image/codec.h"

struct reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr input;
    struct jpeg_progress_mgr progress;
    const struct spot_image_source *source;
    struct spot_image *image; /* what decode fills; probe has none */
    int orientation;          /* 0 until an EXIF segment was seen */
    bool ended;               /* libjpeg asked for more bytes than there are */
    enum spot_status status;
    struct spot_error *error;
    jmp_buf failed;
};

static void fail(struct reader *reader, enum spot_status status) {
    reader->status = status;
    longjmp(reader->failed, 1);
}

static void fail_ended(struct reader *reader) {
    fail(reader, spot_fail(reader->error, SPOT_INVALID,
                           "picture: the JPEG data ends early, %zu bytes do not hold all of it",
                           reader->source->size));
}

/* Error manager */

static void on_error(j_common_ptr jpeg) {
    struct reader *reader = jpeg->client_data;
    if (jpeg->err->msg_code == JERR_IMAGE_TOO_BIG) {
        enum spot_status status =
            spot_image_check_size(reader->jpeg.image_width, reader->jpeg.image_height,
                                  reader->source->limits, reader->error);
        if (status != SPOT_OK)
            fail(reader, status);
    }
    if (jpeg->err->msg_code == JERR_OUT_OF_MEMORY)
        fail(reader, spot_fail(reader->error, SPOT_NO_MEMORY,
                               "picture of %ux%u pixels: not enough memory to decode it",
                               reader->jpeg.image_width, reader->jpeg.image_height));
    if (reader->ended)
        fail_ended(reader);
    char text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    fail(reader,
         spot_fail(reader->error, SPOT_INVALID, "picture: the JPEG cannot be decoded (%s)", text));
}

static void on_message(j_common_ptr jpeg, int level) {
    if (level >= 0)
        return;
    switch (jpeg->err->msg_code) {
    case JWRN_HIT_MARKER: /* the entropy-coded data stopped before the last pixel */
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
    case JWRN_BOGUS_PROGRESSION:
        on_error(jpeg);
        break;
    default:
        break;
    }
}

static void no_output(j_common_ptr jpeg) {
    (void)jpeg;
}

/* Source manager: all bytes are in memory; after them comes an end marker, as often as asked */

static void no_source_work(j_decompress_ptr jpeg) {
    (void)jpeg;
}

static boolean fill_input(j_decompress_ptr jpeg) {
    static const JOCTET end[2] = {0xff, JPEG_EOI};
    struct reader *reader = jpeg->client_data;
    reader->ended = true;
    jpeg->src->next_input_byte = end;
    jpeg->src->bytes_in_buffer = sizeof end;
    return TRUE;
}

static void skip_input(j_decompress_ptr jpeg, long count) {
    if (count <= 0)
        return;
    if ((size_t)count > jpeg->src->bytes_in_buffer) {
        fill_input(jpeg);
        return;
    }
    jpeg->src->next_input_byte += count;
    jpeg->src->bytes_in_buffer -= (size_t)count;
}

/* An APP1 segment: the first one that holds EXIF says which way up. It is read where it lies. */
static boolean on_app1(j_decompress_ptr jpeg) {
    struct reader *reader = jpeg->client_data;
    struct jpeg_source_mgr *input = jpeg->src;
    size_t length = input->bytes_in_buffer >= 2
                        ? (size_t)input->next_input_byte[0] << 8 | (size_t)input->next_input_byte[1]
                        : 0;
    if (length < 2 || length > input->bytes_in_buffer) {
        reader->ended = true;
        fail_ended(reader);
    }
    const uint8_t *body = input->next_input_byte + 2;
    if (reader->orientation == 0 && length >= 8 && memcmp(body, "Exif\0\0", 6) == 0)
        reader->orientation = spot_exif_orientation(body + 6, length - 8);
    skip_input(jpeg, (long)length);
    return TRUE;
}

/* Called now and then while scans are read: a small file can hold very many of them. */
static void on_progress(j_common_ptr jpeg) {
    struct reader *reader = jpeg->client_data;
    int most = reader->source->limits->jpeg_scans;
    if (reader->jpeg.input_scan_number > most)
        fail(reader, spot_fail(reader->error, SPOT_LIMIT,
                               "picture: the JPEG has more than %d scans, at most %d are allowed",
                               most, most));
}

static void start(struct reader *reader) {
    struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    jpeg_create_decompress(jpeg);
    reader->input = (struct jpeg_source_mgr){
        .next_input_byte = reader->source->bytes,
        .bytes_in_buffer = reader->source->size,
        .init_source = no_source_work,
        .fill_input_buffer = fill_input,
        .skip_input_data = skip_input,
        .resync_to_restart = jpeg_resync_to_restart,
        .term_source = no_source_work,
    };
    jpeg->src = &reader->input;
    reader->progress.progress_monitor = on_progress;
    jpeg->progress = &reader->progress;
    jpeg_set_marker_processor(jpeg, JPEG_APP0 + 1, on_app1);

    jpeg_read_header(jpeg, TRUE);
    if (reader->orientation == 0)
        reader->orientation = 1;
    enum spot_status status = spot_image_check_size(jpeg->image_width, jpeg->image_height,
                                                    reader->source->limits, reader->error);
    if (status != SPOT_OK)
        fail(reader, status);
}

/* Cyan, magenta, yellow, key to RGB, in place. Adobe's programs store all four inverted. */
static void rgb_from_cmyk(uint8_t *row, unsigned width, bool inverted) {
    unsigned flip = inverted ? 0 : 255;
    for (unsigned x = 0; x < width; x++) {
        unsigned key = row[4 * x + 3] ^ flip;
        for (unsigned c = 0; c < 3; c++)
            row[3 * x + c] = (uint8_t)(((row[4 * x + c] ^ flip) * key + 127) / 255);
    }
}

static void decode_rows(struct reader *reader) {
    struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    struct spot_image *image = reader->image;
    bool cmyk = jpeg->out_color_space == JCS_CMYK;
    bool direct = reader->orientation == 1 && !cmyk;
    JSAMPARRAY strip = NULL;
    if (!direct)
        strip = jpeg->mem->alloc_sarray((j_common_ptr)jpeg, JPOOL_IMAGE,
                                        jpeg->output_width * (cmyk ? 4 : 3), SPOT_IMAGE_STRIP);

    while (jpeg->output_scanline < jpeg->output_height) {
        unsigned first = jpeg->output_scanline, count = jpeg->output_height - first;
        if (count > SPOT_IMAGE_STRIP)
            count = SPOT_IMAGE_STRIP;
        JSAMPROW rows[SPOT_IMAGE_STRIP];
        for (unsigned i = 0; i < count; i++)
            rows[i] = direct ? image->pixels + (first + i) * image->stride : strip[i];
        for (unsigned done = 0; done < count; done = jpeg->output_scanline - first)
            jpeg_read_scanlines(jpeg, rows + done, count - done);
        for (unsigned i = 0; cmyk && i < count; i++)
            rgb_from_cmyk(rows[i], jpeg->output_width, jpeg->saw_Adobe_marker);
        if (!direct)
            spot_image_place(image, reader->orientation, (int)first, (int)count,
                             (const uint8_t *const *)rows);
    }
}

static void decode_picture(struct reader *reader) {
    start(reader);
    struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    bool cmyk = jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK;
    jpeg->out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    jpeg->scale_num = 1;
    jpeg->scale_denom = (unsigned)reader->source->scale_denom;
    jpeg_start_decompress(jpeg);

    enum spot_status status =
        spot_image_reserve(reader->image, (int)jpeg->output_width, (int)jpeg->output_height,
                           reader->orientation, reader->error);
    if (status != SPOT_OK)
        fail(reader, status);
    decode_rows(reader);

    /*
     * A picture of one scan whose last byte is missing may still be complete, and missing Huffman
     * codes have been noticed. Missing scans and missing arithmetic codes would not be.
     */
    if (reader->ended && (jpeg_has_multiple_scans(jpeg) || jpeg->arith_code))
        fail_ended(reader);
}

/* Runs work; an error inside it comes back here by longjmp. */
static enum spot_status run(struct reader *reader, void (*work)(struct reader *)) {
    reader->jpeg.err = jpeg_std_error(&reader->errors);
    reader->errors.error_exit = on_error;
    reader->errors.emit_message = on_message;
    reader->errors.output_message = no_output;
    reader->jpeg.client_data = reader;
    if (setjmp(reader->failed) == 0)
        work(reader);
    jpeg_destroy_decompress(&reader->jpeg);
    return reader->status;
}

static bool is_jpeg(const uint8_t *bytes, size_t size) {
    return size >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0;
}

static enum spot_status probe(const struct spot_image_source *source, struct spot_image_info *info,
                              struct spot_error *error) {
    struct reader reader = {.source = source, .error = error};
    enum spot_status status = run(&reader, start);
    if (status != SPOT_OK)
        return status;
    info->width = (int)reader.jpeg.image_width;
    info->height = (int)reader.jpeg.image_height;
    info->orientation = reader.orientation;
    return SPOT_OK;
}

static enum spot_status decode(const struct spot_image_source *source, struct spot_image *image,
                               struct spot_error *error) {
    struct reader reader = {.source = source, .image = image, .error = error};
    return run(&reader, decode_picture);
}

const struct spot_codec spot_codec_jpeg = {is_jpeg, probe, decode};
