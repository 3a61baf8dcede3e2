/* Boxes and labels on pictures, and the letters they are written in. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/image/annotate.h"
#include "server/image/font.h"

enum { GUARD = 4096, GUARD_BYTE = 0xa5 };

/* A grey picture between two guards that drawing must not touch. */
static struct spot_image canvas(int width, int height) {
    size_t bytes = (size_t)width * (size_t)height * 3;
    uint8_t *memory = malloc(bytes + 2 * GUARD);
    assert_non_null(memory);
    memset(memory, GUARD_BYTE, bytes + 2 * GUARD);
    memset(memory + GUARD, 100, bytes);
    return (struct spot_image){
        .pixels = memory + GUARD, .width = width, .height = height, .stride = (size_t)width * 3};
}

static void release(struct spot_image *image) {
    uint8_t *memory = image->pixels - GUARD;
    size_t bytes = (size_t)image->height * image->stride;
    for (size_t i = 0; i < GUARD; i++) {
        assert_int_equal(memory[i], GUARD_BYTE);
        assert_int_equal(memory[GUARD + bytes + i], GUARD_BYTE);
    }
    free(memory);
}

static const uint8_t *pixel(const struct spot_image *image, int x, int y) {
    return image->pixels + (size_t)y * image->stride + (size_t)x * 3;
}

static int count_colour(const struct spot_image *image, uint8_t r, uint8_t g, uint8_t b) {
    int count = 0;
    for (int y = 0; y < image->height; y++)
        for (int x = 0; x < image->width; x++) {
            const uint8_t *p = pixel(image, x, y);
            count += p[0] == r && p[1] == g && p[2] == b;
        }
    return count;
}

static int count_white(const struct spot_image *image) {
    return count_colour(image, 255, 255, 255);
}

static int count_changed(const struct spot_image *image) {
    return image->width * image->height - count_colour(image, 100, 100, 100);
}

static void annotate(struct spot_image *image, const struct spot_annotation *items, size_t count) {
    struct spot_error error;
    assert_int_equal(spot_annotate(image, items, count, &error), SPOT_OK);
}

static void a_box_is_a_frame_of_its_class_colour(void **state) {
    (void)state;
    struct spot_image image = canvas(400, 300);
    struct spot_annotation item = {100, 80, 300, 200, 0.5F, 0, "cat"};
    annotate(&image, &item, 1);
    const uint8_t *corners[] = {pixel(&image, 100, 80), pixel(&image, 299, 80),
                                pixel(&image, 100, 199), pixel(&image, 299, 199)};
    for (int i = 0; i < 4; i++)
        assert_memory_equal(corners[i], ((const uint8_t[]){255, 56, 56}), 3);
    static const uint8_t grey[] = {100, 100, 100};
    assert_memory_equal(pixel(&image, 200, 140), grey, 3); /* inside */
    assert_memory_equal(pixel(&image, 102, 82), grey, 3);  /* the lines are two pixels wide */
    assert_memory_equal(pixel(&image, 99, 140), grey, 3);
    assert_memory_equal(pixel(&image, 300, 140), grey, 3);
    assert_memory_equal(pixel(&image, 200, 200), grey, 3);
    release(&image);
}

static void lines_and_letters_grow_with_the_picture(void **state) {
    (void)state;
    int before = 0;
    for (int side = 400; side <= 3200; side *= 2) {
        struct spot_image image = canvas(side, side);
        float far = 0.75F * (float)side;
        struct spot_annotation item = {
            0.25F * (float)side, 0.25F * (float)side, far, far, 1, 0, "cat"};
        annotate(&image, &item, 1);
        int white = count_white(&image);
        assert_true(white > before * 2);
        before = white;
        release(&image);
    }
}

/* White letters on red: all of them are there when there are as many white pixels as elsewhere. */
static void a_label_is_whole_wherever_its_box_lies(void **state) {
    (void)state;
    static const float boxes[][4] = {
        {100, 100, 160, 160}, {0, 0, 60, 60},   {340, 0, 400, 60},       {0, 240, 60, 300},
        {340, 240, 400, 300}, {0, 0, 400, 300}, {-50, -50, 20, 20},      {390, 290, 500, 500},
        {-9, 100, 1, 101},    {399, 1, 400, 2}, {-1000, 299, 1000, 310},
    };
    int expected = 0;
    for (size_t i = 0; i < sizeof boxes / sizeof boxes[0]; i++) {
        struct spot_image image = canvas(400, 300);
        const float *b = boxes[i];
        struct spot_annotation item = {b[0], b[1], b[2], b[3], 0.875F, 0, "traffic light"};
        annotate(&image, &item, 1);
        if (i == 0)
            expected = count_white(&image);
        assert_true(expected > 50);
        assert_int_equal(count_white(&image), expected);
        release(&image);
    }
}

static void labels_of_equal_boxes_do_not_cover_each_other(void **state) {
    (void)state;
    struct spot_annotation items[4];
    int one = 0;
    for (size_t count = 1; count <= 4; count++) {
        struct spot_image image = canvas(400, 300);
        items[count - 1] = (struct spot_annotation){50, 60, 250, 200, 0.5F, 0, "cat"};
        annotate(&image, items, count);
        if (count == 1)
            one = count_white(&image);
        assert_int_equal(count_white(&image), (int)count * one);
        release(&image);
    }
}

static void earlier_items_lie_on_top(void **state) {
    (void)state;
    struct spot_image image = canvas(400, 300);
    struct spot_annotation items[] = {{50, 60, 250, 200, 0.9F, 0, "a"},
                                      {50, 60, 250, 200, 0.8F, 1, "b"}};
    annotate(&image, items, 2);
    assert_memory_equal(pixel(&image, 249, 130), ((const uint8_t[]){255, 56, 56}), 3);
    release(&image);
}

static void text_is_black_on_light_classes_and_white_on_dark_ones(void **state) {
    (void)state;
    for (int class_id = 0; class_id < 40; class_id++) {
        struct spot_image image = canvas(400, 300);
        struct spot_annotation item = {50, 60, 250, 200, 0.9F, class_id, "label"};
        annotate(&image, &item, 1);
        const uint8_t *back = pixel(&image, 51, 130);
        bool light = 299 * back[0] + 587 * back[1] + 114 * back[2] > 140000;
        assert_true(light ? count_colour(&image, 0, 0, 0) > 20 && count_white(&image) == 0
                          : count_white(&image) > 20 && count_colour(&image, 0, 0, 0) == 0);
        release(&image);
    }
}

static void any_coordinates_are_safe(void **state) {
    (void)state;
    static const float values[] = {NAN,    INFINITY, -INFINITY, 3.0e38F, -3.0e38F, 0,     -0.0F,
                                   1e-30F, 0.5F,     12,        23.9F,   24,       -1e9F, 2.2e9F};
    enum { N = sizeof values / sizeof values[0] };
    struct spot_image image = canvas(24, 18);
    for (int i = 0; i < N * N * N * N; i++) {
        struct spot_annotation item = {values[i % N],
                                       values[i / N % N],
                                       values[i / N / N % N],
                                       values[i / N / N / N],
                                       values[i % N],
                                       i * 7919 - 1000000,
                                       "person"};
        annotate(&image, &item, 1);
    }
    release(&image);
}

static void boxes_outside_or_inside_out_or_not_numbers_are_left_out(void **state) {
    (void)state;
    static const float boxes[][4] = {
        {400, 0, 500, 100}, {0, 300, 100, 400},   {-100, 0, 0, 100},
        {0, -100, 100, 0},  {200, 100, 100, 200}, {100, 200, 200, 100},
        {NAN, 0, 10, 10},   {0, 0, 10, NAN},      {50, 50, 50, 80},
    };
    struct spot_image image = canvas(400, 300);
    for (size_t i = 0; i < sizeof boxes / sizeof boxes[0]; i++) {
        const float *b = boxes[i];
        annotate(&image, &(struct spot_annotation){b[0], b[1], b[2], b[3], 0.5F, 0, "x"}, 1);
    }
    assert_int_equal(count_changed(&image), 0);
    annotate(&image, NULL, 0);
    assert_int_equal(count_changed(&image), 0);
    release(&image);
}

static void pictures_too_small_for_a_label_are_safe(void **state) {
    (void)state;
    char label[4096];
    memset(label, 'W', sizeof label);
    label[sizeof label - 1] = '\0';
    for (int width = 1; width < 120; width += 7)
        for (int height = 1; height < 40; height += 3) {
            struct spot_image image = canvas(width, height);
            struct spot_annotation item = {0, 0, (float)width, (float)height, 0.5F, 3, label};
            annotate(&image, &item, 1);
            assert_true(count_changed(&image) > 0);
            release(&image);
        }
}

static void a_long_label_is_shortened_and_keeps_its_confidence(void **state) {
    (void)state;
    static const char name[] = "a name that is much too long for a picture as narrow as this";
    struct spot_image shortened = canvas(200, 100);
    struct spot_annotation item = {0, 40, 200, 90, 0.25F, 0, name};
    annotate(&shortened, &item, 1);
    int kept = 0;
    for (int length = 1; length < 30 && kept == 0; length++) {
        char label[64];
        snprintf(label, sizeof label, "%.*s...", length, name);
        item.label = label;
        struct spot_image expected = canvas(200, 100);
        annotate(&expected, &item, 1);
        if (memcmp(expected.pixels, shortened.pixels, 200 * 100 * 3) == 0)
            kept = length;
        release(&expected);
    }
    assert_in_range(kept, 12, 25);
    release(&shortened);
}

/* Letters */

static void every_character_leaves_ink_inside_its_own_space(void **state) {
    (void)state;
    for (int cap = SPOT_FONT_CAP_MIN; cap <= SPOT_FONT_CAP_MAX; cap += 5) {
        struct spot_font *font;
        struct spot_error error;
        assert_int_equal(spot_font_new(cap, &font, &error), SPOT_OK);
        int bottom = spot_font_ascent(font) + spot_font_descent(font);
        for (char c = '!'; c <= '~'; c++) {
            char text[] = {c, '\0'};
            int width = spot_font_width(font, text), margin = 3;
            struct spot_image image = canvas(width + 2 * margin, bottom + 2 * margin);
            spot_font_draw(font, &image, margin, margin, text, (const uint8_t[]){255, 255, 255});
            assert_true(count_changed(&image) > 0);
            for (int y = 0; y < image.height; y++)
                for (int x = 0; x < image.width; x++) {
                    bool inside =
                        x >= margin && x < margin + width && y >= margin && y <= margin + bottom;
                    if (!inside && pixel(&image, x, y)[0] != 100)
                        fail_msg("'%c' at size %d leaves ink at (%d,%d)", c, cap, x - margin,
                                 y - margin);
                }
            release(&image);
        }
        spot_font_free(&font);
        assert_null(font);
    }
}

static bool same_drawing(struct spot_font *font, const char *a, const char *b) {
    struct spot_image first = canvas(300, 40), second = canvas(300, 40);
    spot_font_draw(font, &first, 2, 2, a, (const uint8_t[]){0, 0, 0});
    spot_font_draw(font, &second, 2, 2, b, (const uint8_t[]){0, 0, 0});
    bool same = memcmp(first.pixels, second.pixels, first.stride * 40) == 0;
    release(&first);
    release(&second);
    return same;
}

static void no_two_characters_look_the_same(void **state) {
    (void)state;
    struct spot_font *font;
    struct spot_error error;
    assert_int_equal(spot_font_new(9, &font, &error), SPOT_OK);
    for (char a = ' '; a <= '~'; a++)
        for (char b = (char)(a + 1); b <= '~'; b++)
            if (same_drawing(font, (char[]){a, '\0'}, (char[]){b, '\0'}))
                fail_msg("'%c' looks like '%c'", a, b);
    spot_font_free(&font);
}

static void characters_outside_ascii_become_one_question_mark_each(void **state) {
    (void)state;
    struct spot_font *font;
    struct spot_error error;
    assert_int_equal(spot_font_new(12, &font, &error), SPOT_OK);
    assert_true(same_drawing(font, "caf\xc3\xa9", "caf?"));
    assert_true(same_drawing(font, "\xe7\x8c\xab \xf0\x9f\x90\x88", "? ?"));
    assert_true(same_drawing(font, "a\x01\x7f", "a??"));
    assert_true(same_drawing(font, "\x80\xff", "??"));
    assert_true(same_drawing(font, "\xc3", "?")); /* cut short */
    assert_int_equal(spot_font_width(font, ""), 0);
    spot_font_free(&font);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_box_is_a_frame_of_its_class_colour),
        cmocka_unit_test(lines_and_letters_grow_with_the_picture),
        cmocka_unit_test(a_label_is_whole_wherever_its_box_lies),
        cmocka_unit_test(labels_of_equal_boxes_do_not_cover_each_other),
        cmocka_unit_test(earlier_items_lie_on_top),
        cmocka_unit_test(text_is_black_on_light_classes_and_white_on_dark_ones),
        cmocka_unit_test(any_coordinates_are_safe),
        cmocka_unit_test(boxes_outside_or_inside_out_or_not_numbers_are_left_out),
        cmocka_unit_test(pictures_too_small_for_a_label_are_safe),
        cmocka_unit_test(a_long_label_is_shortened_and_keeps_its_confidence),
        cmocka_unit_test(every_character_leaves_ink_inside_its_own_space),
        cmocka_unit_test(no_two_characters_look_the_same),
        cmocka_unit_test(characters_outside_ascii_become_one_question_mark_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
