/*
 * The label font: glyphs as strokes, and their rendering.
 *
 * A glyph is a string of points on a grid, each two digits in base 36 (0 to 9, a to z): x, then y
 * downwards. Capitals stand on y = 24 (o) and rise to 0, small letters rise to 6, descenders hang
 * to 31 (v). A space starts a new stroke. '(' marks the next point as the corner of an arc, a
 * quarter of an ellipse from the point before it to the point after it: `0c(0090` bends from
 * (0,12) over the corner (0,0) to (9,0).
 *
 * Strokes have one width and round ends, so the ink at a pixel follows from its distance to the
 * nearest line. Stems, baseline and tops are put on whole pixels first, to be sharp when small.
 */
#include "server/image/font.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIRST_CHAR = ' ',
    GLYPHS = '~' - ' ' + 1,
    X_TOP = 6,
    BASELINE = 24,
    BOTTOM = 31,
    ARC_STEPS = 6,
    SEGMENTS_MAX = 96,
};

static const struct {
    int width; /* from the leftmost line to the rightmost, on the grid */
    const char *strokes;
} glyphs[GLYPHS] = {
    /*   */ {4, ""},
    /* ! */ {0, "000g 0o0o"},
    /* " */ {5, "0006 5056"},
    /* # */ {18, "503o f0do 17i7 0hhh"},
    /* $ */ {15, "e5(d070(0006(0b7c(fdfi(fo7o(1o0j 707r"},
    /* % */ {22, "05(0050(a0a5(aa5a(0a05 j03o cj(cehe(memj(moho(cocj"},
    /* & */ {18, "io47(2080(d0d5(d97c(0f0i(0o7o(fohe"},
    /* ' */ {0, "0006"},
    /* ( */ {6, "60(060f(0p6v"},
    /* ) */ {6, "00(666f(6p0v"},
    /* * */ {12, "606c 13b9 b319"},
    /* + */ {14, "777l 0eee"},
    /* , */ {2, "2o0t"},
    /* - */ {8, "0f8f"},
    /* . */ {0, "0o0o"},
    /* / */ {10, "a00q"},
    /* 0 */ {14, "0c(0070(e0ec(eo7o(0o0c"},
    /* 1 */ {14, "35808o"},
    /* 2 */ {14, "06(0070(e0e7(ecag0oeo"},
    /* 3 */ {14, "05(1070(d0d6(dc7c5c 7c(ecei(eo7o(0o0j"},
    /* 4 */ {14, "aoa00heh"},
    /* 5 */ {14, "d0201b(3979(e9eg(eo7o(1o0j"},
    /* 6 */ {14, "d4(c080(000d0h(0o7o(eoeh(ea7a(0a0h"},
    /* 7 */ {14, "00e05o"},
    /* 8 */ {14, "7c(1c16(1070(d0d6(dc7c(ecei(eo7o(0o0i(0c7c"},
    /* 9 */ {14, "1k(2o6o(eoebe7(e070(0007(0e7e(eee7"},
    /* : */ {0, "0a0a 0o0o"},
    /* ; */ {2, "2a2a 2o0t"},
    /* < */ {13, "d70edl"},
    /* = */ {14, "0aea 0iei"},
    /* > */ {13, "07de0l"},
    /* ? */ {12, "05(0060(c0c6(ca8c(6d6h 6o6o"},
    /* @ */ {24, "hf(haca(7a7f(7kck(hkhf hahh(hkkk(okof(o2c2(020f(0scs(gsjq"},
    /* A */ {18, "0o90io 3gfg"},
    /* B */ {15, "0o0080(e0e6(ec8c0c 8c9c(fcfi(fo9o0o"},
    /* C */ {17, "h6(g090(000c(0o9o(gohi"},
    /* D */ {17, "0o0070(h0hc(ho7o0o"},
    /* E */ {13, "d0000odo 0cbc"},
    /* F */ {13, "d0000o 0cbc"},
    /* G */ {18, "h6(g090(000c(0o9o(ioidbd"},
    /* H */ {16, "000o g0go 0cgc"},
    /* I */ {0, "000o"},
    /* J */ {11, "b0bh(bo5o(0o0i"},
    /* K */ {15, "000o e00f 5afo"},
    /* L */ {13, "000odo"},
    /* M */ {20, "0o00ahk0ko"},
    /* N */ {16, "0o00gog0"},
    /* O */ {18, "0c(0090(i0ic(io9o(0o0c"},
    /* P */ {15, "0o0080(f0f7(fe8e0e"},
    /* Q */ {18, "0c(0090(i0ic(io9o(0o0c bhip"},
    /* R */ {16, "0o0080(f0f7(fe8e0e 8ego"},
    /* S */ {15, "e5(d070(0006(0b7c(fdfi(fo7o(1o0j"},
    /* T */ {16, "00g0 808o"},
    /* U */ {16, "000g(0o8o(goggg0"},
    /* V */ {18, "009oi0"},
    /* W */ {24, "006oc3ioo0"},
    /* X */ {16, "00go g00o"},
    /* Y */ {16, "008cg0 8c8o"},
    /* Z */ {15, "00f00ofo"},
    /* [ */ {6, "60000v6v"},
    /* \ */ {10, "00aq"},
    /* ] */ {6, "00606v0v"},
    /* ^ */ {12, "0860c8"},
    /* _ */ {14, "0ses"},
    /* ` */ {4, "0045"},
    /* a */ {13, "19(2676(d6dcdo de6e(0e0j(0o5o(dodi"},
    /* b */ {14, "000o 0f(0676(e6ef(eo7o(0o0f"},
    /* c */ {12, "ca(b676(060f(0o7o(bock"},
    /* d */ {14, "e0eo ef(e676(060f(0o7o(eoef"},
    /* e */ {14, "0fef(e676(060f(0o7o(codk"},
    /* f */ {9, "90(40454o 0696"},
    /* g */ {14, "e6ep(ev7v(2v1s ef(e676(060f(0o7o(eoef"},
    /* h */ {13, "000o 0d(0676(d6dddo"},
    /* i */ {0, "060o 0000"},
    /* j */ {4, "464p(4v0v 4040"},
    /* k */ {12, "000o b60h 4dco"},
    /* l */ {4, "000j(0o4o"},
    /* m */ {22, "060o 0c(0666(b6bcbo bc(b6h6(m6mcmo"},
    /* n */ {13, "060o 0d(0676(d6dddo"},
    /* o */ {14, "0f(0676(e6ef(eo7o(0o0f"},
    /* p */ {14, "060v 0f(0676(e6ef(eo7o(0o0f"},
    /* q */ {14, "e6ev ef(e676(060f(0o7o(eoef"},
    /* r */ {8, "060o 0d(0686"},
    /* s */ {12, "ba(a666(060a(0e6f(cgck(co6o(1o0k"},
    /* t */ {9, "414j(4o9o 0696"},
    /* u */ {13, "060h(0o6o(dodh d6do"},
    /* v */ {14, "067oe6"},
    /* w */ {20, "065oa8fok6"},
    /* x */ {13, "06do d60o"},
    /* y */ {14, "067n e65r(4v1v"},
    /* z */ {12, "06c60oco"},
    /* { */ {8, "80(40454a(4f0f(4f4k4q(4v8v"},
    /* | */ {0, "000v"},
    /* } */ {8, "00(40454a(4f8f(4f4k4q(4v0v"},
    /* ~ */ {14, "0h(0d4d(7d7f(7hah(ehed"},
};

struct point {
    float x, y;
};

struct segment {
    struct point from, to;
};

struct spot_font {
    int cap_height, descent, gap; /* pixels; gap is the space between two glyphs */
    float stroke, scale;          /* line width in pixels; pixels for a unit of the grid */
    int x_top, bottom;            /* pixels: cap line to top of x, baseline to bottom */
    int cell_width, cell_height;
    bool rendered[GLYPHS];
    uint8_t cells[]; /* GLYPHS times cell_width x cell_height: ink, 0 to 255 */
};

static int round_to_int(float value) {
    return (int)floorf(value + 0.5F);
}

enum spot_status spot_font_new(int cap_height, struct spot_font **font, struct spot_error *error) {
    int cap = cap_height < SPOT_FONT_CAP_MIN   ? SPOT_FONT_CAP_MIN
              : cap_height > SPOT_FONT_CAP_MAX ? SPOT_FONT_CAP_MAX
                                               : cap_height;
    float stroke = fmaxf(1.3F, 0.145F * (float)cap);
    float scale = ((float)cap - stroke) / BASELINE;
    int bottom = round_to_int((BOTTOM - BASELINE) * scale);
    int width = (int)ceilf(BASELINE * scale + stroke) + 1, height = cap + bottom + 1;
    size_t bytes = sizeof **font + (size_t)GLYPHS * (size_t)width * (size_t)height;
    *font = calloc(1, bytes);
    if (*font == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "labels: not enough memory for a font");
    **font = (struct spot_font){
        .cap_height = cap,
        .descent = bottom,
        .gap = round_to_int(fmaxf(1.0F, 0.14F * (float)cap)),
        .stroke = stroke,
        .scale = scale,
        .x_top = round_to_int(X_TOP * scale),
        .bottom = bottom,
        .cell_width = width,
        .cell_height = height,
    };
    return SPOT_OK;
}

void spot_font_free(struct spot_font **font) {
    free(*font);
    *font = NULL;
}

int spot_font_ascent(const struct spot_font *font) {
    return font->cap_height;
}

int spot_font_descent(const struct spot_font *font) {
    return font->descent;
}

/* From strokes to segments in pixels */

static int digit(char c) {
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* Pixels between the outermost lines of a glyph: whole, so that both stems fall alike. */
static int width_between_lines(const struct spot_font *font, int glyph) {
    return round_to_int((float)glyphs[glyph].width * font->scale);
}

/* A point of the grid in the cell. Heights are stretched a little between the lines kept whole. */
static struct point place(const struct spot_font *font, int glyph, const char *digits) {
    float x = (float)digit(digits[0]), y = (float)digit(digits[1]);
    float top = (float)font->x_top, base = (float)font->cap_height - font->stroke;
    if (glyphs[glyph].width != 0)
        x *= (float)width_between_lines(font, glyph) / (float)glyphs[glyph].width;
    if (y <= X_TOP)
        y = y * top / X_TOP;
    else if (y <= BASELINE)
        y = top + (y - X_TOP) * (base - top) / (BASELINE - X_TOP);
    else
        y = base + (y - BASELINE) * (float)font->bottom / (BOTTOM - BASELINE);
    return (struct point){x + font->stroke / 2, y + font->stroke / 2};
}

/* The quarter of an ellipse that leaves `from` towards `corner` and arrives at `to` from there. */
static int add_arc(struct segment *segments, struct point from, struct point corner,
                   struct point to) {
    struct point last = from;
    for (int i = 1; i <= ARC_STEPS; i++) {
        float angle = (float)i * 1.57079633F / ARC_STEPS;
        float a = 1 - sinf(angle), b = 1 - cosf(angle);
        struct point next = {corner.x + a * (from.x - corner.x) + b * (to.x - corner.x),
                             corner.y + a * (from.y - corner.y) + b * (to.y - corner.y)};
        segments[i - 1] = (struct segment){last, next};
        last = next;
    }
    return ARC_STEPS;
}

static int segments_of(const struct spot_font *font, int glyph, struct segment *segments) {
    int count = 0;
    bool drawing = false;
    struct point last = {0, 0};
    for (const char *c = glyphs[glyph].strokes; *c != '\0';) {
        assert(count + ARC_STEPS <= SEGMENTS_MAX);
        if (*c == ' ') {
            drawing = false;
            c++;
        } else if (*c == '(') {
            struct point corner = place(font, glyph, c + 1), to = place(font, glyph, c + 3);
            count += add_arc(segments + count, last, corner, to);
            last = to;
            c += 5;
        } else {
            struct point to = place(font, glyph, c);
            if (drawing)
                segments[count++] = (struct segment){last, to};
            drawing = true;
            last = to;
            c += 2;
        }
    }
    return count;
}

/* From segments to ink */

static float squared_distance(const struct segment *segment, float x, float y) {
    float dx = segment->to.x - segment->from.x, dy = segment->to.y - segment->from.y;
    float px = x - segment->from.x, py = y - segment->from.y;
    float length = dx * dx + dy * dy;
    float along = length > 0 ? (px * dx + py * dy) / length : 0;
    along = along < 0 ? 0 : along > 1 ? 1 : along;
    float ex = px - along * dx, ey = py - along * dy;
    return ex * ex + ey * ey;
}

static uint8_t *cell_of(struct spot_font *font, int glyph) {
    return font->cells + (size_t)glyph * (size_t)font->cell_width * (size_t)font->cell_height;
}

static void render(struct spot_font *font, int glyph) {
    struct segment segments[SEGMENTS_MAX];
    int count = segments_of(font, glyph, segments);
    uint8_t *ink = cell_of(font, glyph);
    for (int y = 0; y < font->cell_height; y++)
        for (int x = 0; x < font->cell_width; x++) {
            float nearest = INFINITY;
            for (int i = 0; i < count; i++)
                nearest = fminf(nearest,
                                squared_distance(&segments[i], (float)x + 0.5F, (float)y + 0.5F));
            float cover = font->stroke / 2 + 0.5F - sqrtf(nearest);
            cover = cover < 0 ? 0 : cover > 1 ? 1 : cover;
            *ink++ = (uint8_t)(cover * 255 + 0.5F);
        }
    font->rendered[glyph] = true;
}

/* Text */

/* The glyph of the character at *text, which moves on: one glyph for one UTF-8 sequence. */
static int next_glyph(const char **text) {
    unsigned char c = (unsigned char)*(*text)++;
    if (c >= ' ' && c <= '~')
        return c - FIRST_CHAR;
    if (c >= 0xc0)
        while (((unsigned char)**text & 0xc0) == 0x80)
            (*text)++;
    return '?' - FIRST_CHAR;
}

static int advance(const struct spot_font *font, int glyph) {
    return width_between_lines(font, glyph) + (int)ceilf(font->stroke) + font->gap;
}

int spot_font_width(const struct spot_font *font, const char *text) {
    int width = 0;
    while (*text != '\0')
        width += advance(font, next_glyph(&text));
    return width > 0 ? width - font->gap : 0;
}

static void draw_cell(const struct spot_font *font, const uint8_t *ink, struct spot_image *image,
                      int left, int top, const uint8_t colour[3]) {
    int first_x = left < 0 ? -left : 0, first_y = top < 0 ? -top : 0;
    int end_x = image->width - left, end_y = image->height - top;
    end_x = end_x < font->cell_width ? end_x : font->cell_width;
    end_y = end_y < font->cell_height ? end_y : font->cell_height;
    for (int y = first_y; y < end_y; y++)
        for (int x = first_x; x < end_x; x++) {
            int cover = ink[y * font->cell_width + x];
            uint8_t *pixel =
                image->pixels + (size_t)(top + y) * image->stride + (size_t)(left + x) * 3;
            for (int c = 0; c < 3; c++)
                pixel[c] = (uint8_t)((pixel[c] * (255 - cover) + colour[c] * cover + 127) / 255);
        }
}

void spot_font_draw(struct spot_font *font, struct spot_image *image, int x, int y,
                    const char *text, const uint8_t colour[3]) {
    while (*text != '\0' && x < image->width) {
        int glyph = next_glyph(&text);
        if (!font->rendered[glyph])
            render(font, glyph);
        if (x > -font->cell_width && y > -font->cell_height && y < image->height)
            draw_cell(font, cell_of(font, glyph), image, x, y, colour);
        x += advance(font, glyph);
    }
}
