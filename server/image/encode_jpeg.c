/* An RGB picture to JPEG bytes. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include <jerror.h>

#include "server/image/codec.h"

enum {
    FIRST_BYTES = 64 << 10,
    FULL_COLOUR_QUALITY = 90, /* from here on colour is not stored at half resolution */
};

struct writer {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_destination_mgr output;
    const struct spot_image *image;
    uint8_t *bytes;
    size_t capacity;
    enum spot_status status;
    struct spot_error *error;
    jmp_buf failed;
};

static void on_error(j_common_ptr jpeg) {
    struct writer *writer = jpeg->client_data;
    char text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    bool memory = jpeg->err->msg_code == JERR_OUT_OF_MEMORY;
    writer->status = spot_fail(writer->error, memory ? SPOT_NO_MEMORY : SPOT_INVALID,
                               "picture of %dx%d pixels cannot be written as JPEG (%s)",
                               writer->image->width, writer->image->height, text);
    longjmp(writer->failed, 1);
}

static void no_output(j_common_ptr jpeg) {
    (void)jpeg;
}

/* Doubles the buffer, which is full (or not there yet). */
static boolean grow(j_compress_ptr jpeg) {
    struct writer *writer = jpeg->client_data;
    size_t used = writer->capacity, capacity = used != 0 ? used * 2 : FIRST_BYTES;
    uint8_t *bytes = realloc(writer->bytes, capacity);
    if (bytes == NULL)
        ERREXIT1(jpeg, JERR_OUT_OF_MEMORY, 0);
    writer->bytes = bytes;
    writer->capacity = capacity;
    jpeg->dest->next_output_byte = bytes + used;
    jpeg->dest->free_in_buffer = capacity - used;
    return TRUE;
}

static void begin_output(j_compress_ptr jpeg) {
    grow(jpeg);
}

static void end_output(j_compress_ptr jpeg) {
    (void)jpeg;
}

static void encode(struct writer *writer, int quality) {
    struct jpeg_compress_struct *jpeg = &writer->jpeg;
    const struct spot_image *image = writer->image;
    jpeg_create_compress(jpeg);
    writer->output = (struct jpeg_destination_mgr){
        .init_destination = begin_output,
        .empty_output_buffer = grow,
        .term_destination = end_output,
    };
    jpeg->dest = &writer->output;
    jpeg->image_width = (unsigned)image->width;
    jpeg->image_height = (unsigned)image->height;
    jpeg->input_components = 3;
    jpeg->in_color_space = JCS_RGB;
    jpeg_set_defaults(jpeg);
    jpeg_set_quality(jpeg, quality, TRUE);
    if (quality >= FULL_COLOUR_QUALITY)
        jpeg->comp_info[0].h_samp_factor = jpeg->comp_info[0].v_samp_factor = 1;
    jpeg_start_compress(jpeg, TRUE);
    while (jpeg->next_scanline < jpeg->image_height) {
        JSAMPROW row = image->pixels + jpeg->next_scanline * image->stride;
        jpeg_write_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_compress(jpeg);
}

enum spot_status spot_image_encode_jpeg(const struct spot_image *image, int quality,
                                        uint8_t **bytes, size_t *size, struct spot_error *error) {
    struct writer writer = {.image = image, .error = error};
    writer.jpeg.err = jpeg_std_error(&writer.errors);
    writer.errors.error_exit = on_error;
    writer.errors.output_message = no_output;
    writer.jpeg.client_data = &writer;
    if (setjmp(writer.failed) == 0)
        encode(&writer, quality);
    jpeg_destroy_compress(&writer.jpeg);
    if (writer.status != SPOT_OK) {
        free(writer.bytes);
        return writer.status;
    }
    *bytes = writer.bytes;
    *size = writer.capacity - writer.output.free_in_buffer;
    return SPOT_OK;
}
