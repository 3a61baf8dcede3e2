/* A model on annotated pictures; see server/eval/evaluate.h. */
#include "server/eval/evaluate.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "server/runner.h"

static enum spot_status no_memory(struct spot_error *error) {
    return spot_fail(error, SPOT_NO_MEMORY, "evaluation: out of memory");
}

static int class_with_name(const struct spot_model_info *info, const char *name) {
    for (int i = 0; i < info->classes; i++)
        if (strcasecmp(info->class_names[i], name) == 0)
            return i;
    return -1;
}

static enum spot_status match_categories(struct spot_evaluation *evaluation,
                                         struct spot_error *error) {
    const struct spot_model_info *info = spot_model_info(evaluation->model);
    const struct spot_coco *coco = evaluation->coco;
    evaluation->class_of = calloc(coco->n_categories + 1, sizeof *evaluation->class_of);
    if (evaluation->class_of == NULL)
        return no_memory(error);
    size_t matched = 0;
    for (size_t i = 0; i < coco->n_categories; i++) {
        evaluation->class_of[i] = class_with_name(info, coco->categories[i].name);
        matched += evaluation->class_of[i] >= 0;
    }
    if (matched > 0)
        return SPOT_OK;
    if (coco->n_categories != (size_t)info->classes)
        return spot_fail(error, SPOT_INVALID,
                         "no category has the name of a class, and %zu categories cannot be "
                         "matched with %d classes by their order",
                         coco->n_categories, info->classes);
    for (size_t i = 0; i < coco->n_categories; i++)
        evaluation->class_of[i] = (int)i;
    return SPOT_OK;
}

/* Which pictures show an object that counts. */
static bool *find_shown(const struct spot_evaluation *evaluation) {
    const struct spot_coco *coco = evaluation->coco;
    bool *shown = calloc(coco->n_images + 1, sizeof *shown);
    for (size_t i = 0; shown != NULL && i < coco->n_objects; i++) {
        const struct spot_eval_object *object = &coco->objects[i];
        if (evaluation->class_of[object->class_id] >= 0 && !object->ignored)
            shown[object->picture] = true;
    }
    return shown;
}

/* Lists the pictures to use, and the objects in them with the model's class. */
static enum spot_status select_pictures(struct spot_evaluation *evaluation,
                                        struct spot_error *error) {
    const struct spot_coco *coco = evaluation->coco;
    bool *shown = find_shown(evaluation);
    int *place = calloc(coco->n_images + 1, sizeof *place); /* of each image; -1: not used */
    evaluation->pictures = calloc(coco->n_images + 1, sizeof *evaluation->pictures);
    evaluation->objects = calloc(coco->n_objects + 1, sizeof *evaluation->objects);
    bool has_memory = shown != NULL && place != NULL && evaluation->pictures != NULL &&
                      evaluation->objects != NULL;
    size_t most = evaluation->limit > 0 ? evaluation->limit : coco->n_images;
    for (size_t i = 0; has_memory && i < coco->n_images; i++) {
        place[i] = -1;
        if (evaluation->n_pictures == most || (evaluation->only_with_objects && !shown[i]))
            continue;
        place[i] = (int)evaluation->n_pictures;
        evaluation->pictures[evaluation->n_pictures++] = (int)i;
    }
    for (size_t i = 0; has_memory && i < coco->n_objects; i++) {
        struct spot_eval_object object = coco->objects[i];
        object.class_id = evaluation->class_of[object.class_id];
        object.picture = place[object.picture];
        if (object.class_id >= 0 && object.picture >= 0)
            evaluation->objects[evaluation->n_objects++] = object;
    }
    free(shown);
    free(place);
    return has_memory ? SPOT_OK : no_memory(error);
}

static enum spot_status work(void *context, struct spot_worker *worker, size_t item,
                             struct spot_error *error) {
    struct spot_evaluation *evaluation = context;
    const char *name = evaluation->coco->images[evaluation->pictures[item]].file_name;
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", evaluation->folder, name);
    if (length < 0 || (size_t)length >= sizeof path)
        return spot_fail(error, SPOT_LIMIT, "picture '%.64s': its path is too long", name);
    enum spot_status status = spot_worker_open(worker, path, &evaluation->decoding, NULL, error);
    if (status != SPOT_OK) {
        spot_error_prefix(error, "%.200s", path);
        return status;
    }
    struct spot_request request = spot_worker_request(worker, &evaluation->request);
    return spot_worker_detect(worker, &request, error);
}

static bool reserve(struct spot_evaluation *evaluation, size_t more) {
    if (evaluation->n_guesses + more <= evaluation->capacity)
        return true;
    size_t capacity = 2 * evaluation->capacity + more;
    struct spot_eval_guess *bigger =
        realloc(evaluation->guesses, capacity * sizeof *evaluation->guesses);
    if (bigger == NULL)
        return false;
    evaluation->guesses = bigger;
    evaluation->capacity = capacity;
    return true;
}

static enum spot_status finish(void *context, struct spot_worker *worker, size_t item,
                               struct spot_error *error) {
    struct spot_evaluation *evaluation = context;
    const struct spot_detections *detections = &worker->results[0];
    if (!reserve(evaluation, (size_t)detections->count))
        return no_memory(error);
    for (int i = 0; i < detections->count; i++) {
        const struct spot_detection *found = &detections->items[i];
        double x = (double)found->x_min, y = (double)found->y_min;
        evaluation->guesses[evaluation->n_guesses++] = (struct spot_eval_guess){
            .picture = (int)item,
            .class_id = found->class_id,
            .box = {x, y, (double)found->x_max - x, (double)found->y_max - y},
            .confidence = (double)found->confidence};
    }
    if (evaluation->progress != NULL)
        evaluation->progress(evaluation->progress_data, item + 1, evaluation->n_pictures);
    return SPOT_OK;
}

static enum spot_status compute(struct spot_evaluation *evaluation, struct spot_error *error) {
    int classes = spot_model_info(evaluation->model)->classes;
    struct spot_eval_set set = {evaluation->objects,         evaluation->n_objects,
                                evaluation->guesses,         evaluation->n_guesses,
                                (int)evaluation->n_pictures, classes};
    evaluation->classes = calloc((size_t)classes, sizeof *evaluation->classes);
    if (evaluation->classes == NULL)
        return no_memory(error);
    enum spot_status status = SPOT_OK;
    for (int i = 0; status == SPOT_OK && i < classes; i++)
        status = spot_eval_class(&set, i, &evaluation->classes[i], error);
    if (status == SPOT_OK)
        spot_eval_mean(evaluation->classes, classes, &evaluation->mean);
    return status;
}

enum spot_status spot_evaluate(struct spot_evaluation *evaluation, struct spot_error *error) {
    enum spot_status status = match_categories(evaluation, error);
    if (status == SPOT_OK)
        status = select_pictures(evaluation, error);
    struct spot_runner runner = {.model = evaluation->model,
                                 .threads = evaluation->threads,
                                 .count = evaluation->n_pictures,
                                 .context = evaluation,
                                 .work = work,
                                 .finish = finish};
    if (status == SPOT_OK)
        status = spot_runner_run(&runner, error);
    if (status == SPOT_OK)
        status = compute(evaluation, error);
    return status;
}

void spot_evaluation_free(struct spot_evaluation *evaluation) {
    free(evaluation->pictures);
    free(evaluation->class_of);
    free(evaluation->guesses);
    free(evaluation->classes);
    free(evaluation->objects);
    *evaluation = (struct spot_evaluation){0};
}
