/* An RGB picture to PNG bytes. */
#include <errno.h>
#include <spng.h>

#include "server/image/codec.h"

/*
 * For photographs with boxes on them. Against this, zlib's level 3 makes files 3 % smaller in one
 * and a half times the time, and libspng's own choice of filters 1 % in one and a half times.
 */
enum { COMPRESSION_LEVEL = 1, FILTERS = SPNG_FILTER_CHOICE_SUB | SPNG_FILTER_CHOICE_UP };

static int encode(spng_ctx *png, const struct spot_image *image, uint8_t **bytes, size_t *size) {
    struct spng_ihdr header = {
        .width = (uint32_t)image->width,
        .height = (uint32_t)image->height,
        .bit_depth = 8,
        .color_type = SPNG_COLOR_TYPE_TRUECOLOR,
    };
    spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1);
    spng_set_option(png, SPNG_IMG_COMPRESSION_LEVEL, COMPRESSION_LEVEL);
    spng_set_option(png, SPNG_FILTER_CHOICE, FILTERS);
    int code = spng_set_ihdr(png, &header);
    if (code == 0)
        code = spng_encode_image(png, image->pixels, image->stride * (size_t)image->height,
                                 SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE);
    if (code == 0)
        *bytes = spng_get_png_buffer(png, size, &code);
    return code;
}

enum spot_status spot_image_encode_png(const struct spot_image *image, uint8_t **bytes,
                                       size_t *size, struct spot_error *error) {
    int code = SPNG_EMEM;
    errno = 0; /* zlib's lack of memory shows only here */
    spng_ctx *png = spng_ctx_new(SPNG_CTX_ENCODER);
    if (png != NULL)
        code = encode(png, image, bytes, size);
    spng_ctx_free(png);
    if (code == 0)
        return SPOT_OK;
    return spot_fail(error, code == SPNG_EMEM || errno == ENOMEM ? SPOT_NO_MEMORY : SPOT_INVALID,
                     "picture of %dx%d pixels cannot be written as PNG (%s)", image->width,
                     image->height, spng_strerror(code));
}
