/* Decoding of pictures that are right: every type, depth, colour model and orientation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <jansson.h>
#include <nettle/sha2.h>

#include "server/image/image.h"
#include "tests/support/pictures.h"

enum { WIDTH = 37, HEIGHT = 21 }; /* no multiple of any block or strip */

/* Decodes what was made, which is released, and checks what probe says on the way. */
static struct spot_image decode(struct picture_bytes made) {
    struct spot_image image = {0};
    struct spot_image_info info;
    struct spot_error error = {0};
    if (spot_image_probe(made.data, made.size, NULL, &info, &error) != SPOT_OK ||
        spot_image_decode(made.data, made.size, NULL, &image, &error) != SPOT_OK)
        fail_msg("%s", error.text);
    assert_int_equal(info.width, image.width);
    assert_int_equal(info.height, image.height);
    assert_int_equal(info.format, image.format);
    assert_int_equal(image.stride, (size_t)image.width * 3);
    free(made.data);
    return image;
}

static const uint8_t *pixel(const struct spot_image *image, int x, int y) {
    return image->pixels + (size_t)y * image->stride + (size_t)x * 3;
}

typedef uint8_t (*expected_value)(int x, int y, int c);

static void check_pixels(const struct spot_image *image, expected_value expected, int tolerance) {
    assert_int_equal(image->width, WIDTH);
    assert_int_equal(image->height, HEIGHT);
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            for (int c = 0; c < 3; c++) {
                int got = pixel(image, x, y)[c], want = expected(x, y, c);
                if (abs(got - want) > tolerance)
                    fail_msg("(%d,%d) channel %d is %d, expected %d", x, y, c, got, want);
            }
}

static void check_made(struct picture_bytes made, expected_value expected, int tolerance) {
    struct spot_image image = decode(made);
    check_pixels(&image, expected, tolerance);
    spot_image_free(&image);
}

static uint8_t grey(int x, int y, int c) {
    (void)c;
    return picture_value(x, y, 0);
}

static uint8_t grey1(int x, int y, int c) {
    return grey(x, y, c) >> 7 ? 255 : 0;
}

static uint8_t grey2(int x, int y, int c) {
    return (uint8_t)((grey(x, y, c) >> 6) * 85);
}

static uint8_t grey4(int x, int y, int c) {
    return (uint8_t)((grey(x, y, c) >> 4) * 17);
}

static uint8_t palette_value(unsigned index, int c) {
    return (uint8_t)(c == 0 ? index * 7 : c == 1 ? 255 - index : index ^ 0x55);
}

static uint8_t palette2(int x, int y, int c) {
    return palette_value(grey(x, y, c) >> 6, c);
}

static uint8_t palette8(int x, int y, int c) {
    return palette_value(grey(x, y, c), c);
}

/* Ink where the file holds a low value (Adobe) or a high one, key at 215. */
static uint8_t inverted_cmyk(int x, int y, int c) {
    return (uint8_t)((picture_value(x, y, c) * 215 + 127) / 255);
}

static uint8_t plain_cmyk(int x, int y, int c) {
    return (uint8_t)(((255 - picture_value(x, y, c)) * 40 + 127) / 255);
}

static void types_are_told_by_their_first_bytes(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        enum spot_image_format format;
    } cases[] = {
        {"\xff\xd8\xff\xe0", 4, SPOT_IMAGE_JPEG},  {"\xff\xd8", 2, SPOT_IMAGE_UNKNOWN},
        {"\x89PNG\r\n\x1a\n", 8, SPOT_IMAGE_PNG},  {"\x89PNG\r\n\x1a", 7, SPOT_IMAGE_UNKNOWN},
        {"RIFF\0\0\0\0WEBP", 12, SPOT_IMAGE_WEBP}, {"RIFF\0\0\0\0WAVE", 12, SPOT_IMAGE_UNKNOWN},
        {"GIF89a", 6, SPOT_IMAGE_UNKNOWN},         {"", 0, SPOT_IMAGE_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(spot_image_sniff((const uint8_t *)cases[i].bytes, cases[i].size),
                         cases[i].format);
    assert_string_equal(spot_image_format_name(SPOT_IMAGE_WEBP), "webp");
    assert_string_equal(spot_image_media_type(SPOT_IMAGE_JPEG), "image/jpeg");
}

static void jpegs_of_every_kind_show_their_picture(void **state) {
    (void)state;
    static const struct picture_jpeg recipes[] = {
        {.colour = PICTURE_RGB},
        {.colour = PICTURE_RGB, .progressive = true},
        {.colour = PICTURE_RGB, .arithmetic = true},
        {.colour = PICTURE_RGB, .restart_rows = 1},
    };
    for (size_t i = 0; i < sizeof recipes / sizeof recipes[0]; i++) {
        struct picture_jpeg recipe = recipes[i];
        recipe.width = WIDTH;
        recipe.height = HEIGHT;
        check_made(picture_jpeg(&recipe), picture_value, 12);
    }
}

static void progressive_and_baseline_jpegs_give_the_same_pixels(void **state) {
    (void)state;
    struct picture_jpeg recipe = {.width = WIDTH, .height = HEIGHT, .quality = 60};
    struct spot_image baseline = decode(picture_jpeg(&recipe));
    recipe.progressive = true;
    struct spot_image progressive = decode(picture_jpeg(&recipe));
    assert_memory_equal(baseline.pixels, progressive.pixels, baseline.stride * HEIGHT);
    spot_image_free(&baseline);
    spot_image_free(&progressive);
}

static void a_grey_jpeg_is_repeated_into_three_channels(void **state) {
    (void)state;
    struct picture_jpeg recipe = {.width = WIDTH, .height = HEIGHT, .colour = PICTURE_GREY};
    check_made(picture_jpeg(&recipe), grey, 4);
}

static void cmyk_jpegs_become_rgb_and_adobe_ones_are_inverted(void **state) {
    (void)state;
    struct picture_jpeg recipe = {.width = WIDTH, .height = HEIGHT, .colour = PICTURE_CMYK};
    check_made(picture_jpeg(&recipe), inverted_cmyk, 6);
    recipe.progressive = true;
    check_made(picture_jpeg(&recipe), inverted_cmyk, 6);
    recipe.no_adobe = true;
    check_made(picture_jpeg(&recipe), plain_cmyk, 3);
    recipe = (struct picture_jpeg){.width = WIDTH, .height = HEIGHT, .colour = PICTURE_YCCK};
    check_made(picture_jpeg(&recipe), inverted_cmyk, 12);
}

static void pngs_of_every_kind_show_their_picture_exactly(void **state) {
    (void)state;
    static const struct {
        int colour_type, bit_depth;
        expected_value expected;
    } kinds[] = {
        {0, 1, grey1},          {0, 2, grey2},    {0, 4, grey4},
        {0, 8, grey},           {0, 16, grey},    {2, 8, picture_value},
        {2, 16, picture_value}, {3, 2, palette2}, {3, 8, palette8},
        {4, 8, grey},           {4, 16, grey},    {6, 8, picture_value},
        {6, 16, picture_value},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        for (int interlaced = 0; interlaced < 2; interlaced++) {
            struct picture_png recipe = {.width = WIDTH,
                                         .height = HEIGHT,
                                         .colour_type = kinds[i].colour_type,
                                         .bit_depth = kinds[i].bit_depth,
                                         .interlaced = interlaced};
            check_made(picture_png(&recipe), kinds[i].expected, 0);
        }
}

static void webps_show_their_picture_and_lossless_ones_exactly(void **state) {
    (void)state;
    struct picture_webp recipe = {.width = WIDTH, .height = HEIGHT, .lossless = true};
    check_made(picture_webp(&recipe), picture_value, 0);
    recipe.alpha = true;
    check_made(picture_webp(&recipe), picture_value, 0);
    recipe.lossless = false;
    check_made(picture_webp(&recipe), picture_value, 24);
    recipe.alpha = false;
    check_made(picture_webp(&recipe), picture_value, 24);
}

/* Where stored pixel (x, y) of a w x h picture is shown, from the EXIF standard's wording. */
static void shown_at(int orientation, int x, int y, int w, int h, int *shown_x, int *shown_y) {
    int right = w - 1 - x, bottom = h - 1 - y;
    switch (orientation) {
    case 1:
        *shown_x = x, *shown_y = y;
        break; /* row 0 is the top, column 0 the left */
    case 2:
        *shown_x = right, *shown_y = y;
        break; /* top, right */
    case 3:
        *shown_x = right, *shown_y = bottom;
        break; /* bottom, right */
    case 4:
        *shown_x = x, *shown_y = bottom;
        break; /* bottom, left */
    case 5:
        *shown_x = y, *shown_y = x;
        break; /* row 0 is the left, column 0 the top */
    case 6:
        *shown_x = bottom, *shown_y = x;
        break; /* right, top */
    case 7:
        *shown_x = bottom, *shown_y = right;
        break; /* right, bottom */
    default:
        *shown_x = y, *shown_y = right;
        break; /* left, bottom */
    }
}

static void check_turned(const struct spot_image *stored, const struct spot_image *shown,
                         int orientation) {
    assert_int_equal(shown->width, orientation >= 5 ? HEIGHT : WIDTH);
    assert_int_equal(shown->height, orientation >= 5 ? WIDTH : HEIGHT);
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            int shown_x, shown_y;
            shown_at(orientation, x, y, WIDTH, HEIGHT, &shown_x, &shown_y);
            if (memcmp(pixel(stored, x, y), pixel(shown, shown_x, shown_y), 3) != 0)
                fail_msg("orientation %d: pixel (%d,%d) is not at (%d,%d)", orientation, x, y,
                         shown_x, shown_y);
        }
}

enum kind { JPEG, JPEG_PROGRESSIVE, JPEG_CMYK, PNG, PNG_LATE, WEBP, WEBP_PREFIX, KINDS };

static struct picture_bytes make(enum kind kind, int orientation) {
    struct picture_jpeg jpeg = {.width = WIDTH,
                                .height = HEIGHT,
                                .progressive = kind == JPEG_PROGRESSIVE,
                                .colour = kind == JPEG_CMYK ? PICTURE_CMYK : PICTURE_RGB,
                                .orientation = orientation};
    struct picture_png png = {.width = WIDTH,
                              .height = HEIGHT,
                              .colour_type = 2,
                              .bit_depth = 8,
                              .orientation = orientation,
                              .orientation_last = kind == PNG_LATE};
    struct picture_webp webp = {.width = WIDTH,
                                .height = HEIGHT,
                                .orientation = orientation,
                                .exif_prefix = kind == WEBP_PREFIX};
    if (kind <= JPEG_CMYK)
        return picture_jpeg(&jpeg);
    return kind <= PNG_LATE ? picture_png(&png) : picture_webp(&webp);
}

static void all_eight_orientations_are_applied(void **state) {
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        struct spot_image stored = decode(make((enum kind)kind, 0));
        for (int orientation = 1; orientation <= 8; orientation++) {
            struct spot_image shown = decode(make((enum kind)kind, orientation));
            check_turned(&stored, &shown, orientation);
            spot_image_free(&shown);
        }
        spot_image_free(&stored);
    }
}

static void a_senseless_orientation_counts_as_upright(void **state) {
    (void)state;
    for (int orientation = 9; orientation < 256; orientation += 41) {
        struct spot_image image = decode(make(JPEG, orientation));
        assert_int_equal(image.width, WIDTH);
        spot_image_free(&image);
    }
}

static void harmless_oddities_of_a_jpeg_are_forgiven(void **state) {
    (void)state;
    struct picture_jpeg recipe = {.width = WIDTH, .height = HEIGHT};
    struct picture_bytes made = picture_jpeg(&recipe);
    made.size -= 2; /* no end marker, as many cameras' streams have it */
    check_made(made, picture_value, 12);
    made = picture_jpeg(&recipe);
    picture_insert(&made, made.size, (const uint8_t *)"trailer", 7);
    check_made(made, picture_value, 12);
    made = picture_jpeg(&recipe);
    picture_insert(&made, 20, (const uint8_t *)"stray", 5); /* after the JFIF segment */
    check_made(made, picture_value, 12);
}

static void a_jpeg_can_be_decoded_at_a_fraction_of_its_size(void **state) {
    (void)state;
    for (int denom = 1; denom <= 8; denom *= 2)
        for (int orientation = 0; orientation <= 6; orientation += 6) {
            struct picture_bytes made = make(JPEG, orientation);
            struct spot_image image = {0};
            struct spot_error error;
            assert_int_equal(
                spot_image_decode_scaled(made.data, made.size, NULL, denom, &image, &error),
                SPOT_OK);
            int width = (WIDTH + denom - 1) / denom, height = (HEIGHT + denom - 1) / denom;
            assert_int_equal(image.width, orientation == 6 ? height : width);
            assert_int_equal(image.height, orientation == 6 ? width : height);
            spot_image_free(&image);
            free(made.data);
        }
}

static void the_buffer_is_kept_for_the_next_picture(void **state) {
    (void)state;
    struct picture_bytes large = make(PNG, 0), small = make(JPEG, 6);
    struct spot_image image = {0};
    struct spot_error error;
    assert_int_equal(spot_image_decode(large.data, large.size, NULL, &image, &error), SPOT_OK);
    uint8_t *pixels = image.pixels;
    size_t capacity = image.capacity;
    assert_int_equal(spot_image_decode(small.data, small.size, NULL, &image, &error), SPOT_OK);
    assert_ptr_equal(image.pixels, pixels);
    assert_int_equal(image.width, HEIGHT);
    assert_int_not_equal(spot_image_decode(small.data, 30, NULL, &image, &error), SPOT_OK);
    assert_ptr_equal(image.pixels, pixels);
    assert_int_equal(image.capacity, capacity);
    assert_int_equal(image.width, 0);
    spot_image_free(&image);
    assert_null(image.pixels);
    free(large.data);
    free(small.data);
}

static void what_is_encoded_can_be_decoded_again(void **state) {
    (void)state;
    struct spot_image image = decode(make(PNG, 0));
    struct picture_bytes bytes;
    struct spot_error error;
    assert_int_equal(spot_image_encode_png(&image, &bytes.data, &bytes.size, &error), SPOT_OK);
    struct spot_image again = decode(bytes);
    assert_int_equal(again.format, SPOT_IMAGE_PNG);
    assert_memory_equal(image.pixels, again.pixels, image.stride * HEIGHT);
    spot_image_free(&again);
    for (int quality = 60; quality <= 100; quality += 20) {
        assert_int_equal(spot_image_encode_jpeg(&image, quality, &bytes.data, &bytes.size, &error),
                         SPOT_OK);
        again = decode(bytes);
        assert_int_equal(again.format, SPOT_IMAGE_JPEG);
        check_pixels(&again, picture_value, quality == 60 ? 40 : 16);
        spot_image_free(&again);
    }
    spot_image_free(&image);
}

static struct picture_bytes read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    struct picture_bytes bytes = {0};
    if (file == NULL)
        return bytes;
    fseek(file, 0, SEEK_END);
    bytes.size = (size_t)ftell(file);
    rewind(file);
    bytes.data = malloc(bytes.size + 1);
    assert_non_null(bytes.data);
    assert_int_equal(fread(bytes.data, 1, bytes.size, file), bytes.size);
    fclose(file);
    return bytes;
}

static void bgr_sha256(const struct spot_image *image, char hex[65]) {
    struct sha256_ctx sha;
    sha256_init(&sha);
    size_t count = (size_t)image->width * (size_t)image->height;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *rgb = image->pixels + i * 3;
        sha256_update(&sha, 3, (const uint8_t[]){rgb[2], rgb[1], rgb[0]});
    }
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_digest(&sha, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

/* True when the golden names a picture, whose pixels then have been compared. */
static bool check_golden(const char *path) {
    json_t *golden = json_load_file(path, 0, NULL);
    const char *name = json_string_value(json_object_get(golden, "image"));
    const char *sha = json_string_value(json_object_get(golden, "decoded_bgr_sha256"));
    bool checked = name != NULL && sha != NULL;
    if (checked) {
        char picture[512], hex[65];
        snprintf(picture, sizeof picture, "%s/images/%s", SPOT_SHARED, name);
        struct spot_image image = decode(read_file(picture));
        bgr_sha256(&image, hex);
        if (strcmp(hex, sha) != 0)
            fail_msg("%s decodes to other pixels than the golden's", name);
        spot_image_free(&image);
    }
    json_decref(golden);
    return checked;
}

static void real_pictures_decode_to_the_goldens_pixels(void **state) {
    (void)state;
    static const char folder[] = SPOT_SHARED "/goldens/rfsong-779";
    DIR *listing = opendir(folder);
    if (listing == NULL) {
        print_message("skipped: no goldens at SPOT_SHARED\n");
        skip();
    }
    int checked = 0;
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;) {
        char path[512];
        size_t length = strlen(entry->d_name);
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (length > 5 && strcmp(entry->d_name + length - 5, ".json") == 0)
            checked += check_golden(path);
    }
    closedir(listing);
    assert_true(checked >= 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_told_by_their_first_bytes),
        cmocka_unit_test(jpegs_of_every_kind_show_their_picture),
        cmocka_unit_test(progressive_and_baseline_jpegs_give_the_same_pixels),
        cmocka_unit_test(a_grey_jpeg_is_repeated_into_three_channels),
        cmocka_unit_test(cmyk_jpegs_become_rgb_and_adobe_ones_are_inverted),
        cmocka_unit_test(pngs_of_every_kind_show_their_picture_exactly),
        cmocka_unit_test(webps_show_their_picture_and_lossless_ones_exactly),
        cmocka_unit_test(all_eight_orientations_are_applied),
        cmocka_unit_test(a_senseless_orientation_counts_as_upright),
        cmocka_unit_test(harmless_oddities_of_a_jpeg_are_forgiven),
        cmocka_unit_test(a_jpeg_can_be_decoded_at_a_fraction_of_its_size),
        cmocka_unit_test(the_buffer_is_kept_for_the_next_picture),
        cmocka_unit_test(what_is_encoded_can_be_decoded_again),
        cmocka_unit_test(real_pictures_decode_to_the_goldens_pixels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
