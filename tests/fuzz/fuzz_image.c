/* Any bytes as a picture: probe and decode must agree, and every pixel promised must be there. */
#include <stdlib.h>

#include "server/image/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int right) {
    if (!right)
        abort();
}

static void check_failure(enum spot_status status, const struct spot_error *error) {
    check(status == error->status && error->text[0] != '\0');
    check(status == SPOT_INVALID || status == SPOT_LIMIT || status == SPOT_UNSUPPORTED);
}

/* Reads every byte, for sanitizers to see. */
static unsigned sum_of(const struct spot_image *image) {
    unsigned sum = 0;
    for (int y = 0; y < image->height; y++)
        for (int x = 0; x < 3 * image->width; x++)
            sum += image->pixels[(size_t)y * image->stride + (size_t)x];
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct spot_image_limits limits = {
        .pixels = 1 << 18, .side = 2048, .jpeg_scans = 20};
    static struct spot_image image; /* kept from input to input, as a decode worker does */
    struct spot_image_info info;
    struct spot_error error = {0};
    enum spot_status probed = spot_image_probe(data, size, &limits, &info, &error);
    if (probed != SPOT_OK)
        check_failure(probed, &error);

    error = (struct spot_error){0};
    enum spot_status decoded = spot_image_decode(data, size, &limits, &image, &error);
    if (decoded != SPOT_OK) {
        check_failure(decoded, &error);
        check(image.width == 0 && image.height == 0);
        return 0;
    }
    check(probed == SPOT_OK && info.format == image.format);
    check(info.width == image.width && info.height == image.height);
    unsigned first = sum_of(&image);
    check(spot_image_decode(data, size, &limits, &image, &error) == SPOT_OK);
    check(sum_of(&image) == first);

    int denom = 1 << (size % 4);
    if (spot_image_decode_scaled(data, size, &limits, denom, &image, &error) == SPOT_OK)
        check(sum_of(&image) <= 255U * 3 * (1 << 18));
    return 0;
}
