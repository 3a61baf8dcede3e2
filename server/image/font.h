/*
 * A small sans-serif for labels on pictures, drawn for this project: ASCII 32 to 126, each glyph a
 * few strokes, rendered smoothly at any size. Any other character is shown as '?'.
 */
#ifndef SPOT_SERVER_IMAGE_FONT_H
#define SPOT_SERVER_IMAGE_FONT_H

#include <stdint.h>

#include "core/error.h"
#include "server/image/image.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_font;

/* Capitals are so many pixels high. */
enum { SPOT_FONT_CAP_MIN = 6, SPOT_FONT_CAP_MAX = 128 };

/*
 * *font is returned owned: the font at one size, for one thread, as its glyphs are rendered when
 * first drawn. cap_height is brought into the range above. Fails only with SPOT_NO_MEMORY.
 */
enum spot_status spot_font_new(int cap_height, struct spot_font **font, struct spot_error *error);
void spot_font_free(struct spot_font **font);

/* Pixels from the top of a capital to the baseline, and from there to the lowest descender. */
int spot_font_ascent(const struct spot_font *font);
int spot_font_descent(const struct spot_font *font);

/* Pixels that the UTF-8 text takes from the left edge of its first glyph to the right of its last.
 */
int spot_font_width(const struct spot_font *font, const char *text);

/*
 * Draws UTF-8 text with the top left corner of its first capital at (x, y), clipped to the image.
 */
void spot_font_draw(struct spot_font *font, struct spot_image *image, int x, int y,
                    const char *text, const uint8_t colour[3]);

#ifdef __cplusplus
}
#endif
#endif
