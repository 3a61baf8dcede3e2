/*
 * A model on annotated pictures: detects in every one of them and computes average precision.
 */
#ifndef SPOT_SERVER_EVAL_EVALUATE_H
#define SPOT_SERVER_EVAL_EVALUATE_H

#include "models/model.h"
#include "server/eval/coco.h"
#include "server/runner.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_evaluation {
    /* in; all borrowed */
    struct spot_model *model;
    const struct spot_coco *coco;
    const char *folder;          /* where the pictures lie */
    struct spot_request request; /* what every picture is asked for, but for the picture */
    struct spot_decoding decoding;
    int threads;
    size_t limit;           /* most pictures; 0: all */
    bool only_with_objects; /* only pictures that show an object that counts */
    void (*progress)(void *data, size_t done, size_t total); /* NULL for none */
    void *progress_data;

    /* out; owned by the evaluation until spot_evaluation_free */
    int *pictures; /* those used: indices in coco->images, rising */
    size_t n_pictures;
    int *class_of;                   /* of each category: the model's class, or -1 */
    struct spot_eval_guess *guesses; /* picture: an index in pictures; class_id: the model's */
    size_t n_guesses;
    struct spot_eval_figures *classes; /* one for each class of the model */
    struct spot_eval_figures mean;     /* over the classes that have objects */

    /* private */
    struct spot_eval_object *objects;
    size_t n_objects, capacity;
};

/*
 * Categories are matched with the model's classes by name, upper and lower case alike; where no
 * name fits and there are as many of both, by their order. Categories and classes without a partner
 * play no part. Fails when nothing matches or a picture cannot be read, which the error names.
 */
enum spot_status spot_evaluate(struct spot_evaluation *evaluation, struct spot_error *error);

/* Releases what spot_evaluate made; also after a failure. */
void spot_evaluation_free(struct spot_evaluation *evaluation);

#ifdef __cplusplus
}
#endif
#endif
