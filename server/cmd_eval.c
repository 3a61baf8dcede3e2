/* `spotter eval`: average precision of a model on annotated pictures. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/clock.h"
#include "server/command.h"
#include "server/device.h"
#include "server/eval/evaluate.h"
#include "server/eval/protocol.h"
#include "server/file.h"
#include "server/model_setup.h"
#include "server/progress.h"
#include "server/runner.h"

struct eval {
    const char *images, *annotations, *results;
    int limit;
    bool only_with_objects, as_json;
    struct spot_progress progress;
};

static void show_progress(void *data, size_t done, size_t total) {
    struct spot_progress *progress = data;
    if (progress->total != total)
        spot_progress_begin(progress, total);
    spot_progress_show(progress, "pictures", done);
}

/* Detections in the form that other COCO tools read. */
static enum spot_status write_results(const char *path, const struct spot_evaluation *evaluation,
                                      struct spot_error *error) {
    const struct spot_coco *coco = evaluation->coco;
    json_t *list = json_array();
    for (size_t i = 0; i < evaluation->n_guesses; i++) {
        const struct spot_eval_guess *guess = &evaluation->guesses[i];
        size_t category = 0;
        while (category < coco->n_categories && evaluation->class_of[category] != guess->class_id)
            category++;
        if (category == coco->n_categories) /* a class that the annotations do not have */
            continue;
        const struct spot_coco_image *image = &coco->images[evaluation->pictures[guess->picture]];
        json_array_append_new(list, json_pack("{s:I, s:I, s:[f,f,f,f], s:f}", "image_id",
                                              (json_int_t)image->id, "category_id",
                                              (json_int_t)coco->categories[category].id, "bbox",
                                              guess->box.x, guess->box.y, guess->box.w,
                                              guess->box.h, "score", guess->confidence));
    }
    char *text = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    enum spot_status status = text != NULL ? spot_file_write(path, text, strlen(text), error)
                                           : spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    free(text);
    return status;
}

static json_t *figures_json(const struct spot_eval_figures *figures) {
    json_t *object = json_pack("{s:I}", "objects", (json_int_t)figures->objects);
    for (int i = 0; i < SPOT_EVAL_FIGURES; i++)
        json_object_set_new(object, spot_eval_figure_name((enum spot_eval_figure)i),
                            isnan(figures->value[i]) ? json_null() : json_real(figures->value[i]));
    return object;
}

static void print_json(const struct spot_model_entry *entry, const char *backend,
                       const struct spot_evaluation *evaluation) {
    const struct spot_model_info *info = spot_model_info(evaluation->model);
    json_t *classes = json_object();
    for (int i = 0; i < info->classes; i++)
        if (evaluation->classes[i].objects > 0)
            json_object_set_new(classes, info->class_names[i],
                                figures_json(&evaluation->classes[i]));
    json_t *all =
        json_pack("{s:s, s:s, s:s, s:s, s:f, s:f, s:i, s:I, s:o, s:o}", "model", entry->name,
                  "detector", entry->detector, "backend", backend, "precision",
                  spot_precision_name(info->program.precision), "confidence",
                  (double)evaluation->request.confidence, "iou", (double)evaluation->request.iou,
                  "max_detections", evaluation->request.max_detections, "pictures",
                  (json_int_t)evaluation->n_pictures, "mean", figures_json(&evaluation->mean),
                  "classes", classes);
    json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(all);
}

static void print_line(const struct spot_evaluation *evaluation, double seconds) {
    for (int i = 0; i < SPOT_EVAL_FIGURES; i++) {
        double value = evaluation->mean.value[i];
        printf("%s%s ", i > 0 ? " " : "", spot_eval_figure_name((enum spot_eval_figure)i));
        if (isnan(value))
            printf("-");
        else
            printf("%.4f", value);
    }
    putchar('\n');
    fprintf(stderr, "%zu pictures with %zu objects in %.1f s\n", evaluation->n_pictures,
            evaluation->mean.objects, seconds);
}

static enum spot_status evaluate(struct eval *eval, const struct spot_model_entry *entry,
                                 const struct spot_chosen_device *chosen, struct spot_model *model,
                                 struct spot_error *error) {
    struct spot_coco coco;
    uint64_t start = spot_clock_us();
    enum spot_status status = spot_coco_read(eval->annotations, &coco, error);
    if (status != SPOT_OK)
        return status;
    struct spot_evaluation evaluation = {.model = model,
                                         .coco = &coco,
                                         .folder = eval->images,
                                         .threads = spot_runner_threads(&chosen->info),
                                         .limit = (size_t)eval->limit,
                                         .only_with_objects = eval->only_with_objects,
                                         .progress = show_progress,
                                         .progress_data = &eval->progress};
    if (entry->reduced_decoding)
        evaluation.decoding.reduced_for = model;
    spot_eval_request(entry, model, &evaluation.request);
    status = spot_evaluate(&evaluation, error);
    spot_progress_clear(&eval->progress);
    if (status == SPOT_OK && eval->results != NULL)
        status = write_results(eval->results, &evaluation, error);
    if (status == SPOT_OK && eval->as_json)
        print_json(entry, chosen->backend, &evaluation);
    else if (status == SPOT_OK)
        print_line(&evaluation, (double)(spot_clock_us() - start) / 1e6);
    spot_evaluation_free(&evaluation);
    spot_coco_free(&coco);
    return status;
}

static enum spot_status run(struct eval *eval, struct spot_options *options,
                            struct spot_error *error) {
    struct spot_chosen_device chosen = {0};
    struct spot_model *model = NULL;
    enum spot_status status = spot_model_setup_complete(options, error);
    if (status == SPOT_OK)
        status = spot_device_choose(options, &chosen, error);
    if (status == SPOT_OK) {
        struct spot_model_options setup = spot_model_setup(&options->models[0]);
        setup.batch_max = 1;
        setup.build.all_classes = true;
        status = spot_model_setup_load(chosen.device, &options->models[0], &setup, &model, error);
    }
    if (status == SPOT_OK) {
        spot_command_remark(&options->models[0], model);
        status = evaluate(eval, &options->models[0], &chosen, model, error);
    }
    spot_model_free(&model);
    spot_device_close(&chosen.device);
    return status;
}

int spot_cmd_eval(int argc, char **argv) {
    struct eval eval = {0};
    const struct spot_flag flags[] = {
        {"--images", "FOLDER", SPOT_RULE_PATH, &eval.images, "Where the pictures lie."},
        {"--annotations", "FILE", SPOT_RULE_PATH, &eval.annotations,
         "What is in them, in COCO's layout."},
        {"--limit", "N", SPOT_RULE_INT(0, 1e9), &eval.limit,
         "Use only the first N pictures, by their id; 0 uses all."},
        {"--only-with-objects", NULL, SPOT_RULE_BOOL, &eval.only_with_objects,
         "Use only pictures that show an object of the model's classes, as figures for one class "
         "often do."},
        {"--results", "FILE", SPOT_RULE_PATH, &eval.results,
         "Also write the detections, as a list in COCO's layout."},
        {"--json", NULL, SPOT_RULE_BOOL, &eval.as_json, "Print JSON, with figures of each class."},
        {0}};
    struct spot_options options;
    struct spot_arguments arguments;
    struct spot_error error;
    int result = spot_command_start(argc, argv, flags, &options, &arguments);
    if (result != SPOT_COMMAND_GOES_ON)
        return result;
    if (eval.images == NULL || eval.annotations == NULL)
        result = spot_command_wrong_usage("eval", "needs --images and --annotations");
    else
        result =
            run(&eval, &options, &error) == SPOT_OK ? SPOT_EXIT_DONE : spot_command_failed(&error);
    spot_options_free(&options);
    return result;
}
