/*
 * Decoding of what is not a picture, or not a whole one, or one made to hurt: always one clear
 * error or a whole picture, never a crash, and nothing large allocated on a header's word.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/image/image.h"
#include "tests/support/pictures.h"

/* Both ways in must agree to refuse with this status, and name the reason. */
static void check_refused(const uint8_t *bytes, size_t size, enum spot_status status,
                          const char *reason) {
    struct spot_image image = {0};
    struct spot_image_info info;
    struct spot_error error = {0};
    assert_int_equal(spot_image_probe(bytes, size, NULL, &info, &error), status);
    assert_int_equal(error.status, status);
    assert_non_null(strstr(error.text, reason));
    error = (struct spot_error){0};
    assert_int_equal(spot_image_decode(bytes, size, NULL, &image, &error), status);
    assert_non_null(strstr(error.text, reason));
    assert_null(image.pixels);
}

static enum spot_status decode_only(const uint8_t *bytes, size_t size, struct spot_error *error) {
    struct spot_image image = {0};
    enum spot_status status = spot_image_decode(bytes, size, NULL, &image, error);
    spot_image_free(&image);
    return status;
}

static void what_is_no_picture_is_refused_by_name(void **state) {
    (void)state;
    static const struct {
        const char *bytes, *reason;
        size_t size;
    } cases[] = {
        {"GIF89a\1\0\1\0", "picture is a GIF: JPEG, PNG and WebP are allowed", 10},
        {"\0\0\0\x20"
         "ftypavif",
         "an AVIF", 12},
        {"%PDF-1.7", "a PDF", 8},
        {"hello, world", "picture is of an unknown type: JPEG, PNG and WebP are allowed", 12},
        {"\xff\xd8", "an unknown type", 2},
        {"B", "an unknown type", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_refused((const uint8_t *)cases[i].bytes, cases[i].size, SPOT_UNSUPPORTED,
                      cases[i].reason);
    check_refused((const uint8_t *)"", 0, SPOT_INVALID, "picture is empty");
}

/* Pictures whose header alone is changed to the size given. */
static struct picture_bytes huge_jpeg(uint32_t width, uint32_t height) {
    struct picture_jpeg recipe = {.width = 8, .height = 8};
    struct picture_bytes made = picture_jpeg(&recipe);
    for (size_t i = 0; i + 8 < made.size; i++)
        if (made.data[i] == 0xff && made.data[i + 1] == 0xc0) {
            made.data[i + 5] = (uint8_t)(height >> 8);
            made.data[i + 6] = (uint8_t)height;
            made.data[i + 7] = (uint8_t)(width >> 8);
            made.data[i + 8] = (uint8_t)width;
            break;
        }
    return made;
}

static struct picture_bytes huge_png(uint32_t width, uint32_t height) {
    struct picture_png recipe = {.width = 8, .height = 8, .colour_type = 2, .bit_depth = 8};
    struct picture_bytes made = picture_png(&recipe);
    for (int i = 0; i < 4; i++) {
        made.data[16 + i] = (uint8_t)(width >> (24 - 8 * i));
        made.data[20 + i] = (uint8_t)(height >> (24 - 8 * i));
    }
    struct picture_bytes header = picture_png_chunk("IHDR", made.data + 16, 13);
    memcpy(made.data + 8, header.data, header.size);
    free(header.data);
    return made;
}

static void check_size_refused(struct picture_bytes made, enum spot_status status,
                               const char *reason) {
    check_refused(made.data, made.size, status, reason);
    free(made.data);
}

static void sizes_over_the_limits_are_refused_with_their_values(void **state) {
    (void)state;
    check_size_refused(huge_jpeg(65535, 65535), SPOT_LIMIT,
                       "picture is 65535x65535 pixels, at most 50000000 pixels and 16384 a side "
                       "are allowed");
    check_size_refused(huge_jpeg(16385, 1), SPOT_LIMIT, "16385x1 pixels");
    check_size_refused(huge_jpeg(1, 16385), SPOT_LIMIT, "1x16385 pixels");
    check_size_refused(huge_jpeg(8000, 6251), SPOT_LIMIT, "8000x6251 pixels");
    check_size_refused(huge_png(0x7fffffff, 0x7fffffff), SPOT_LIMIT, "2147483647x2147483647");
    check_size_refused(huge_png(8000, 6251), SPOT_LIMIT, "8000x6251 pixels");
    struct picture_bytes bomb = picture_webp(&(struct picture_webp){16383, 3100, .lossless = true});
    check_size_refused(bomb, SPOT_LIMIT, "16383x3100 pixels");
}

/* libspng reads a header whose checksum is missing; the limits must hold for it all the same. */
static void a_huge_header_cut_short_anywhere_allocates_nothing(void **state) {
    (void)state;
    struct picture_bytes (*const makers[])(uint32_t, uint32_t) = {huge_jpeg, huge_png};
    for (size_t i = 0; i < 2; i++) {
        struct picture_bytes made = makers[i](65000, 64000);
        for (size_t size = 12; size < made.size; size++) {
            struct spot_image image = {0};
            struct spot_error error;
            assert_int_not_equal(spot_image_decode(made.data, size, NULL, &image, &error), SPOT_OK);
            assert_null(image.pixels);
        }
        free(made.data);
    }
}

static void sizes_at_the_limits_are_allowed(void **state) {
    (void)state;
    struct spot_image_info info;
    struct spot_error error;
    struct picture_bytes made = huge_jpeg(8000, 6250);
    assert_int_equal(spot_image_probe(made.data, made.size, NULL, &info, &error), SPOT_OK);
    free(made.data);
    made = huge_png(16384, 3051);
    assert_int_equal(spot_image_probe(made.data, made.size, NULL, &info, &error), SPOT_OK);
    struct spot_image_limits limits = {.pixels = 16384 * 3051, .side = 16384, .jpeg_scans = 1};
    assert_int_equal(spot_image_probe(made.data, made.size, &limits, &info, &error), SPOT_OK);
    limits.pixels--;
    assert_int_equal(spot_image_probe(made.data, made.size, &limits, &info, &error), SPOT_LIMIT);
    free(made.data);
}

static void a_picture_without_a_pixel_is_refused(void **state) {
    (void)state;
    check_size_refused(huge_jpeg(0, 8), SPOT_INVALID, "JPEG");
    check_size_refused(huge_jpeg(8, 0), SPOT_INVALID, "JPEG");
    check_size_refused(huge_png(0, 8), SPOT_INVALID, "picture is 0x8 pixels");
    check_size_refused(huge_png(8, 0), SPOT_INVALID, "picture is 8x0 pixels");
}

static void too_many_scans_are_refused(void **state) {
    (void)state;
    struct picture_jpeg recipe = {
        .width = 64, .height = 64, .colour = PICTURE_GREY, .scan_bomb = true};
    struct picture_bytes made = picture_jpeg(&recipe);
    struct spot_error error = {0};
    assert_int_equal(decode_only(made.data, made.size, &error), SPOT_LIMIT);
    assert_string_equal(error.text,
                        "picture: the JPEG has more than 100 scans, at most 100 are allowed");
    struct spot_image_limits limits = spot_image_limits_default;
    struct spot_image image = {0};
    limits.jpeg_scans = 127;
    assert_int_equal(spot_image_decode(made.data, made.size, &limits, &image, &error), SPOT_OK);
    spot_image_free(&image);
    free(made.data);
}

static void an_animated_webp_is_refused(void **state) {
    (void)state;
    struct picture_webp recipe = {.width = 16, .height = 16, .animated = true};
    struct picture_bytes made = picture_webp(&recipe);
    check_refused(made.data, made.size, SPOT_INVALID,
                  "picture is an animated WebP: only still pictures are allowed");
    free(made.data);
}

/* One of each way of coding pixels, 40 x 24. */
enum { SAMPLES = 9 };

static struct picture_bytes sample(int i) {
    enum { W = 40, H = 24 };
    switch (i) {
    case 0:
        return picture_jpeg(&(struct picture_jpeg){W, H, .restart_rows = 1});
    case 1:
        return picture_jpeg(&(struct picture_jpeg){W, H, .progressive = true, .orientation = 6});
    case 2:
        return picture_jpeg(&(struct picture_jpeg){W, H, .colour = PICTURE_CMYK});
    case 3:
        return picture_jpeg(&(struct picture_jpeg){W, H, .arithmetic = true});
    case 4:
        return picture_png(&(struct picture_png){W, H, 2, 8, .orientation = 8});
    case 5:
        return picture_png(&(struct picture_png){W, H, 3, 8, .interlaced = true});
    case 6:
        return picture_png(&(struct picture_png){W, H, 6, 16, .interlaced = true});
    case 7:
        return picture_webp(&(struct picture_webp){W, H, .orientation = 3});
    default:
        return picture_webp(&(struct picture_webp){W, H, .lossless = true, .alpha = true});
    }
}

/* What a picture may lose at its end and still be whole: end markers, checksums, metadata. */
static size_t dispensable(int i) {
    return i == 0 || i == 2 ? 2 : i >= 4 && i <= 6 ? 20 : i == 7 ? 40 : 0;
}

static void a_picture_cut_short_anywhere_is_an_error(void **state) {
    (void)state;
    for (int i = 0; i < SAMPLES; i++) {
        struct picture_bytes made = sample(i);
        struct spot_error error = {0};
        if (decode_only(made.data, made.size, &error) != SPOT_OK)
            fail_msg("sample %d: %s", i, error.text);
        for (size_t size = 0; size < made.size; size++) {
            uint8_t *cut = malloc(size + 1); /* a block of its own, so that a sanitizer sees */
            assert_non_null(cut);
            memcpy(cut, made.data, size);
            enum spot_status status = decode_only(cut, size, &error);
            if (status == SPOT_OK && size + dispensable(i) < made.size)
                fail_msg("sample %d cut to %zu of %zu bytes was accepted", i, size, made.size);
            if (status != SPOT_OK && size >= 12)
                assert_int_equal(status, SPOT_INVALID);
            free(cut);
        }
        free(made.data);
    }
}

static void data_that_ends_early_is_said_to_end_early(void **state) {
    (void)state;
    for (int i = 0; i < SAMPLES; i++) {
        struct picture_bytes made = sample(i);
        struct spot_error error = {0};
        size_t size = made.size * 3 / 4;
        assert_int_equal(decode_only(made.data, size, &error), SPOT_INVALID);
        char expected[64];
        snprintf(expected, sizeof expected, "data ends early, %zu bytes do not hold all", size);
        if (strstr(error.text, expected) == NULL)
            fail_msg("sample %d: %s", i, error.text);
        free(made.data);
    }
}

static void a_jpeg_cut_short_and_closed_again_is_an_error(void **state) {
    (void)state;
    struct picture_bytes made = sample(0);
    made.size -= 100;
    picture_insert(&made, made.size, (const uint8_t[]){0xff, 0xd9}, 2);
    struct spot_error error = {0};
    assert_int_equal(decode_only(made.data, made.size, &error), SPOT_INVALID);
    assert_non_null(strstr(error.text, "the JPEG cannot be decoded"));
    free(made.data);
}

static void any_byte_may_be_wrong(void **state) {
    (void)state;
    static const uint8_t flips[] = {0x01, 0x80, 0xff};
    for (int i = 0; i < SAMPLES; i++) {
        struct picture_bytes made = sample(i);
        for (size_t at = 0; at < made.size; at++)
            for (size_t flip = 0; flip < sizeof flips; flip++) {
                struct spot_error error = {0};
                made.data[at] ^= flips[flip];
                enum spot_status status = decode_only(made.data, made.size, &error);
                made.data[at] ^= flips[flip];
                assert_true((status == SPOT_OK) == (error.text[0] == '\0'));
            }
        free(made.data);
    }
}

static void noise_behind_a_right_beginning_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } starts[] = {{"\xff\xd8\xff", 3}, {"\x89PNG\r\n\x1a\n", 8}, {"RIFF\0\4\0\0WEBPVP8 ", 16}};
    uint32_t random = 1;
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
        for (int round = 0; round < 200; round++) {
            uint8_t noise[1032];
            for (size_t k = 0; k < sizeof noise; k++)
                noise[k] = (uint8_t)((random = random * 1664525U + 1013904223U) >> 24);
            memcpy(noise, starts[i].bytes, starts[i].size);
            struct spot_error error = {0};
            assert_int_not_equal(decode_only(noise, sizeof noise, &error), SPOT_OK);
            assert_int_not_equal(error.text[0], '\0');
        }
}

static void a_wrong_checksum_of_pixels_is_refused_and_one_of_metadata_forgiven(void **state) {
    (void)state;
    struct picture_png recipe = {
        .width = 40, .height = 24, .colour_type = 2, .bit_depth = 8, .orientation = 1};
    struct picture_bytes made = picture_png(&recipe);
    struct spot_error error = {0};
    made.data[33 + 8 + PICTURE_EXIF_BYTES] ^= 1; /* of eXIf, which follows IHDR */
    assert_int_equal(decode_only(made.data, made.size, &error), SPOT_OK);
    made.data[29] ^= 1; /* of IHDR */
    assert_int_equal(decode_only(made.data, made.size, &error), SPOT_INVALID);
    free(made.data);
}

/* Chunks that nobody needs: a long text, a profile that does not inflate, thousands of texts. */
static void useless_png_chunks_do_not_matter(void **state) {
    (void)state;
    enum { LONG = 1 << 20, MANY = 2000 };
    struct picture_png recipe = {.width = 40, .height = 24, .colour_type = 2, .bit_depth = 8};
    for (int kind = 0; kind < 3; kind++) {
        static uint8_t body[LONG];
        memset(body, 'a', sizeof body);
        body[4] = body[5] = 0;
        struct picture_bytes made = picture_png(&recipe);
        struct picture_bytes chunk =
            picture_png_chunk(kind == 1 ? "iCCP" : "tEXt", body, kind == 2 ? 9 : LONG);
        for (int i = 0; i < (kind == 2 ? MANY : 1); i++)
            picture_insert(&made, 33, chunk.data, chunk.size);
        struct spot_error error = {0};
        if (decode_only(made.data, made.size, &error) != SPOT_OK)
            fail_msg("kind %d: %s", kind, error.text);
        free(chunk.data);
        free(made.data);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_picture_is_refused_by_name),
        cmocka_unit_test(sizes_over_the_limits_are_refused_with_their_values),
        cmocka_unit_test(a_huge_header_cut_short_anywhere_allocates_nothing),
        cmocka_unit_test(sizes_at_the_limits_are_allowed),
        cmocka_unit_test(a_picture_without_a_pixel_is_refused),
        cmocka_unit_test(too_many_scans_are_refused),
        cmocka_unit_test(an_animated_webp_is_refused),
        cmocka_unit_test(a_picture_cut_short_anywhere_is_an_error),
        cmocka_unit_test(data_that_ends_early_is_said_to_end_early),
        cmocka_unit_test(a_jpeg_cut_short_and_closed_again_is_an_error),
        cmocka_unit_test(any_byte_may_be_wrong),
        cmocka_unit_test(noise_behind_a_right_beginning_is_refused),
        cmocka_unit_test(a_wrong_checksum_of_pixels_is_refused_and_one_of_metadata_forgiven),
        cmocka_unit_test(useless_png_chunks_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
