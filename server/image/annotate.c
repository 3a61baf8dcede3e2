/* Boxes with labels: colours, line widths, where a label goes. Letters come from font.c. */
#include "server/image/annotate.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/image/font.h"

enum { TEXT_BYTES = 160 };

/* Distinct, strong on photographs, neighbours in the list far apart in hue. */
static const uint8_t palette[][3] = {
    {255, 56, 56}, {0, 148, 255},  {61, 219, 134}, {255, 178, 29}, {146, 64, 245},
    {0, 212, 187}, {255, 112, 31}, {72, 108, 255}, {207, 210, 49}, {255, 55, 199},
    {26, 147, 52}, {0, 194, 255},  {203, 56, 255}, {146, 204, 23}, {255, 149, 200},
    {52, 69, 147}, {170, 110, 40}, {44, 153, 168}, {132, 56, 86},  {148, 170, 190},
};

/* Pixels from left (top) up to, not including, right (bottom). */
struct area {
    int left, top, right, bottom;
};

struct mark {
    struct area box, label; /* an empty box means: leave out */
    char text[TEXT_BYTES];
};

struct style {
    struct spot_font *font;
    int line;    /* width of the boxes' lines */
    int padding; /* around a label's text */
    int label_height;
};

static int clamp(int value, int low, int high) {
    return value < low ? low : value > high ? high : value;
}

/* A coordinate of any size to a pixel edge in or just outside the picture, so that ints suffice. */
static int edge(float value, int side) {
    return (int)floorf(fminf(fmaxf(value, -1.0e4F), (float)side + 1.0e4F) + 0.5F);
}

static bool overlap(const struct area *a, const struct area *b) {
    return a->left < b->right && b->left < a->right && a->top < b->bottom && b->top < a->bottom;
}

static bool is_empty(const struct area *area) {
    return area->left >= area->right || area->top >= area->bottom;
}

static void fill(struct spot_image *image, struct area area, const uint8_t colour[3]) {
    int left = clamp(area.left, 0, image->width), right = clamp(area.right, 0, image->width);
    int top = clamp(area.top, 0, image->height), bottom = clamp(area.bottom, 0, image->height);
    for (int y = top; y < bottom; y++)
        for (int x = left; x < right; x++)
            memcpy(image->pixels + (size_t)y * image->stride + (size_t)x * 3, colour, 3);
}

/* The lines run inside the box; a small box may be nothing but line. */
static void draw_box(struct spot_image *image, struct area box, int line, const uint8_t colour[3]) {
    fill(image, (struct area){box.left, box.top, box.right, box.top + line}, colour);
    fill(image, (struct area){box.left, box.bottom - line, box.right, box.bottom}, colour);
    fill(image, (struct area){box.left, box.top, box.left + line, box.bottom}, colour);
    fill(image, (struct area){box.right - line, box.top, box.right, box.bottom}, colour);
}

/* Black on light colours, white on dark ones (ITU-R BT.601 luma). */
static const uint8_t *text_colour(const uint8_t back[3]) {
    static const uint8_t black[3] = {0, 0, 0}, white[3] = {255, 255, 255};
    int luma = (299 * back[0] + 587 * back[1] + 114 * back[2]) / 1000;
    return luma > 140 ? black : white;
}

static const uint8_t *colour_of(const struct spot_annotation *item) {
    size_t colours = sizeof palette / sizeof palette[0];
    return palette[(unsigned)item->class_id % colours];
}

/* "label 0.87", the label shortened until both fit the picture's width. */
static void write_text(const struct style *style, const struct spot_annotation *item, int width_max,
                       char text[TEXT_BYTES]) {
    const char *label = item->label != NULL ? item->label : "";
    float confidence = fminf(fmaxf(item->confidence, 0), 1);
    int length = (int)strnlen(label, TEXT_BYTES - 16);
    bool whole = label[length] == '\0';
    for (; length >= 0; length--) {
        bool inside_character = ((unsigned char)label[length] & 0xc0) == 0x80;
        if (inside_character)
            continue;
        snprintf(text, TEXT_BYTES, "%.*s%s%s%.2f", length, label, whole ? "" : "...",
                 length > 0 || !whole ? " " : "", (double)confidence);
        if (spot_font_width(style->font, text) <= width_max)
            return;
        whole = false;
    }
    snprintf(text, TEXT_BYTES, "%.2f", (double)confidence);
}

/* Above the box, else inside at its top, else below: the first that is free, else the first. */
static struct area place_label(const struct style *style, const struct spot_image *image,
                               const struct area *box, int text_width, const struct mark *placed,
                               size_t placed_count) {
    int width = text_width + 2 * style->padding;
    int left = clamp(box->left, 0, image->width > width ? image->width - width : 0);
    const int tops[] = {box->top - style->label_height, box->top, box->bottom,
                        box->bottom - style->label_height};
    struct area first = {0, 0, 0, 0};
    for (size_t i = 0; i < sizeof tops / sizeof tops[0]; i++) {
        struct area label = {left, tops[i], left + width, tops[i] + style->label_height};
        if (label.top < 0 || label.bottom > image->height)
            continue;
        bool is_free = true;
        for (size_t k = 0; k < placed_count && is_free; k++)
            is_free = !overlap(&label, &placed[k].label);
        if (is_free)
            return label;
        if (is_empty(&first))
            first = label;
    }
    if (is_empty(&first)) {
        int top =
            clamp(box->top, 0,
                  image->height > style->label_height ? image->height - style->label_height : 0);
        first = (struct area){left, top, left + width, top + style->label_height};
    }
    return first;
}

static void plan_mark(const struct style *style, const struct spot_image *image,
                      const struct spot_annotation *item, struct mark *marks, size_t index) {
    struct mark *mark = &marks[index];
    *mark = (struct mark){0};
    struct area whole = {0, 0, image->width, image->height};
    struct area box = {edge(item->x_min, image->width), edge(item->y_min, image->height),
                       edge(item->x_max, image->width), edge(item->y_max, image->height)};
    bool numbers = !isnan(item->x_min) && !isnan(item->y_min) && !isnan(item->x_max) &&
                   !isnan(item->y_max) && !isnan(item->confidence);
    if (!numbers || is_empty(&box) || !overlap(&box, &whole))
        return;
    mark->box = box;
    write_text(style, item, image->width - 2 * style->padding, mark->text);
    mark->label =
        place_label(style, image, &box, spot_font_width(style->font, mark->text), marks, index);
}

static void draw_label(const struct style *style, struct spot_image *image, const struct mark *mark,
                       const uint8_t colour[3]) {
    fill(image, mark->label, colour);
    spot_font_draw(style->font, image, mark->label.left + style->padding,
                   mark->label.top + style->padding, mark->text, text_colour(colour));
}

enum spot_status spot_annotate(struct spot_image *image, const struct spot_annotation *items,
                               size_t count, struct spot_error *error) {
    if (count == 0 || image->width == 0)
        return SPOT_OK;
    float mean_side = 0.5F * ((float)image->width + (float)image->height);
    struct style style = {.line = (int)fmaxf(2, 0.0032F * mean_side + 0.5F)};
    int cap_height = (int)fmaxf(9, 0.0145F * mean_side + 0.5F);
    enum spot_status status = spot_font_new(cap_height, &style.font, error);
    if (status != SPOT_OK)
        return status;
    style.padding = (spot_font_ascent(style.font) + 1) / 2;
    style.label_height = spot_font_ascent(style.font) + 2 * style.padding;

    struct mark *marks = malloc(count * sizeof *marks);
    if (marks == NULL) {
        status = spot_fail(error, SPOT_NO_MEMORY, "labels: not enough memory for %zu boxes", count);
        goto out;
    }
    for (size_t i = 0; i < count; i++)
        plan_mark(&style, image, &items[i], marks, i);
    for (size_t i = count; i-- > 0;)
        if (!is_empty(&marks[i].box))
            draw_box(image, marks[i].box, style.line, colour_of(&items[i]));
    for (size_t i = count; i-- > 0;)
        if (!is_empty(&marks[i].box))
            draw_label(&style, image, &marks[i], colour_of(&items[i]));
out:
    free(marks);
    spot_font_free(&style.font);
    return status;
}
