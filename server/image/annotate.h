/*
 * Boxes with labels, drawn onto a picture for people to look at.
 */
#ifndef SPOT_SERVER_IMAGE_ANNOTATE_H
#define SPOT_SERVER_IMAGE_ANNOTATE_H

#include <stddef.h>

#include "core/error.h"
#include "server/image/image.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Coordinates are pixels, edges as in the detections' boxes; any value is safe. */
struct spot_annotation {
    float x_min, y_min, x_max, y_max;
    float confidence;
    int class_id;      /* chooses the colour */
    const char *label; /* UTF-8, borrowed; NULL for none */
};

/*
 * Draws every box with its label and confidence, in line width and letters that fit the picture's
 * size. Earlier items lie on top, so the order of detections, most confident first, is right as it
 * is. A label stands above its box where that is inside the picture and free of other labels, else
 * inside it or below. Boxes that are not numbers or lie outside the picture are left out. Fails
 * only with SPOT_NO_MEMORY, before anything is drawn.
 */
enum spot_status spot_annotate(struct spot_image *image, const struct spot_annotation *items,
                               size_t count, struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif
