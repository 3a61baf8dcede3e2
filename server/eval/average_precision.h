/*
 * Average precision of detections, by the rules of COCO and of PASCAL VOC. Pure functions: no file,
 * model or thread.
 *
 *   COCO: Lin et al., "Microsoft COCO", 2014, as the reference implementation (pycocotools)
 *         computes it: 10 overlaps from 0.50 to 0.95, 101 recalls, the best 100 detections of each
 *         class in a picture, objects that do not count match without penalty.
 *   VOC:  Everingham et al., "The PASCAL Visual Object Classes Challenge", 2010, section 4.2, as
 *         in 2007: overlap above 0.5 with inclusive pixels (sides + 1), 11 recalls.
 */
#ifndef SPOT_SERVER_EVAL_AVERAGE_PRECISION_H
#define SPOT_SERVER_EVAL_AVERAGE_PRECISION_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A box in pixels: left, top, width, height. */
struct spot_eval_box {
    double x, y, w, h;
};

/* What is in a picture. */
struct spot_eval_object {
    int picture, class_id;
    struct spot_eval_box box;
    double area;  /* of the object itself, which may be less than its box's */
    bool ignored; /* a detection of it counts neither way */
    bool crowd;   /* a region of many: any number of detections may lie in it; implies ignored */
};

/* What a detector says is there. */
struct spot_eval_guess {
    int picture, class_id;
    struct spot_eval_box box;
    double confidence;
};

struct spot_eval_set {
    const struct spot_eval_object *objects;
    size_t n_objects;
    const struct spot_eval_guess
        *guesses; /* in the order of pictures where confidences are equal */
    size_t n_guesses;
    int pictures, classes;
};

enum spot_eval_figure {
    SPOT_EVAL_AP,     /* COCO, mean over the overlaps */
    SPOT_EVAL_AP50,   /* COCO, overlap 0.50 */
    SPOT_EVAL_AP75,   /* COCO, overlap 0.75 */
    SPOT_EVAL_SMALL,  /* COCO, objects of less than 32^2 pixels */
    SPOT_EVAL_MEDIUM, /* COCO, objects up to 96^2 pixels */
    SPOT_EVAL_LARGE,  /* COCO, larger objects */
    SPOT_EVAL_VOC11,  /* VOC, 11 recalls */
    SPOT_EVAL_FIGURES
};

struct spot_eval_figures {
    double value[SPOT_EVAL_FIGURES]; /* 0 to 1; NAN where no object counts */
    size_t objects;                  /* that count */
};

/* "AP", "AP50", … */
const char *spot_eval_figure_name(enum spot_eval_figure figure);

/* The figures of one class. Fails only with SPOT_NO_MEMORY. */
enum spot_status spot_eval_class(const struct spot_eval_set *set, int class_id,
                                 struct spot_eval_figures *figures, struct spot_error *error);

/* The means over the classes that have objects, from the figures of each. */
void spot_eval_mean(const struct spot_eval_figures *classes, int count,
                    struct spot_eval_figures *mean);

#ifdef __cplusplus
}
#endif
#endif
