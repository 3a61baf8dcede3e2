/*
 * `spotter calibrate`: the ranges by which a model computes in int8, and what that costs: average
 * precision of f32 and of int8 where there are annotations, else how far both agree.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/calibrate/agreement.h"
#include "server/calibrate/calibration_file.h"
#include "server/calibrate/pictures.h"
#include "server/calibrate/ranges.h"
#include "server/command.h"
#include "server/digest.h"
#include "server/eval/evaluate.h"
#include "server/eval/protocol.h"
#include "server/file.h"
#include "server/model_setup.h"
#include "server/progress.h"
#include "server/runner.h"

struct calibrate {
    const char *images, *annotations;
    const char *out; /* where the calibration goes; NULL: beside the weights */
    int pictures;    /* most, for ranges */
    const struct spot_model_entry *entry;
    struct spot_device *device; /* the CPU */
    int threads;
    struct spot_pictures list, few; /* all, and those for ranges */
    struct spot_coco coco;          /* of annotations */
    struct spot_ranges *ranges;
    char digest[SPOT_DIGEST_MAX];      /* of the weights */
    struct spot_calibration_file file; /* what is found out; borrows its texts */
    struct spot_progress progress;
    const char *doing; /* for the progress line */
};

static void show_progress(void *data, size_t done, size_t total) {
    struct calibrate *self = data;
    if (self->progress.total != total)
        spot_progress_begin(&self->progress, total);
    spot_progress_show(&self->progress, self->doing, done);
}

static enum spot_status load(struct calibrate *self, struct spot_device *device,
                             enum spot_precision precision, struct spot_model **model,
                             struct spot_error *error) {
    struct spot_model_options setup = spot_model_setup(self->entry);
    setup.precision = precision;
    setup.calibration = &self->file.ranges;
    setup.batch_max = 1;
    setup.build.all_classes = self->annotations != NULL; /* as `spotter eval` measures */
    return spot_model_load(device, &setup, model, error);
}

/* Runs on every picture of the list. */
static enum spot_status run_list(struct calibrate *self, const struct spot_pictures *list,
                                 struct spot_runner runner, struct spot_error *error) {
    runner.count = list->count;
    spot_progress_begin(&self->progress, list->count);
    enum spot_status status = spot_runner_run(&runner, error);
    spot_progress_clear(&self->progress);
    return status;
}

static enum spot_status open_picture(struct spot_worker *worker, const char *path,
                                     struct spot_error *error) {
    struct spot_decoding decoding = {0};
    enum spot_status status = spot_worker_open(worker, path, &decoding, NULL, error);
    if (status != SPOT_OK)
        spot_error_prefix(error, "%.200s", path);
    return status;
}

/* Ranges: every picture twice, one at a time. */

static void see(void *context, const char *name, const float *data, size_t count) {
    spot_ranges_see(context, name, data, count);
}

static enum spot_status observe(void *context, struct spot_worker *worker, size_t item,
                                struct spot_error *error) {
    struct calibrate *self = context;
    enum spot_status status = open_picture(worker, self->few.paths[item], error);
    if (status != SPOT_OK)
        return status;
    struct spot_request request = {.confidence = 1, .iou = 0.5F, .max_detections = 1};
    request = spot_worker_request(worker, &request);
    struct spot_map_observer observer = {see, self->ranges};
    status = spot_model_observe(worker->lane, &request, &observer, error);
    spot_progress_show(&self->progress, self->doing, item + 1);
    return status;
}

/* oneDNN and the references alone: no kernel that computes several nodes hides a map. */
static enum spot_status find_ranges(struct calibrate *self, struct spot_error *error) {
    struct spot_device_options options = {.settings = "own=off"};
    struct spot_device *device = NULL;
    struct spot_model *model = NULL;
    enum spot_status status = spot_device_open("cpu", &options, &device, error);
    if (status == SPOT_OK)
        status = load(self, device, SPOT_PRECISION_F32, &model, error);
    self->ranges = spot_ranges_new();
    if (status == SPOT_OK && self->ranges == NULL)
        status = spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    struct spot_runner runner = {.model = model, .threads = 1, .context = self, .work = observe};
    self->doing = "ranges, first turn: pictures";
    if (status == SPOT_OK)
        status = run_list(self, &self->few, runner, error);
    if (status == SPOT_OK) {
        spot_ranges_begin_second(self->ranges);
        self->doing = "ranges, second turn: pictures";
        status = run_list(self, &self->few, runner, error);
    }
    if (status == SPOT_OK)
        status = spot_ranges_choose(self->ranges, &self->file.ranges, error);
    self->file.pictures = (int)self->few.count;
    spot_model_free(&model);
    spot_device_close(&device);
    return status;
}

/* Without annotations: what f32 finds in each picture is kept, then int8's is paired with it. */

struct comparison {
    struct calibrate *calibrate;
    struct spot_request request;
    struct spot_detections *found; /* by f32, of each picture; NULL items before it ran */
    struct spot_agreement agreement;
};

static enum spot_status detect(void *context, struct spot_worker *worker, size_t item,
                               struct spot_error *error) {
    struct comparison *comparison = context;
    const char *path = comparison->calibrate->list.paths[item];
    enum spot_status status = open_picture(worker, path, error);
    if (status != SPOT_OK)
        return status;
    struct spot_request request = spot_worker_request(worker, &comparison->request);
    return spot_worker_detect(worker, &request, error);
}

static enum spot_status keep(void *context, struct spot_worker *worker, size_t item,
                             struct spot_error *error) {
    struct comparison *comparison = context;
    const struct spot_detections *now = &worker->results[0];
    struct spot_detections *kept = &comparison->found[item];
    spot_progress_show(&comparison->calibrate->progress, comparison->calibrate->doing, item + 1);
    if (kept->items != NULL) {
        spot_agreement_add(&comparison->agreement, kept, now);
        return SPOT_OK;
    }
    kept->items = malloc(((size_t)now->count + 1) * sizeof *kept->items);
    if (kept->items == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    memcpy(kept->items, now->items, (size_t)now->count * sizeof *kept->items);
    kept->count = now->count;
    return SPOT_OK;
}

static enum spot_status compare(struct calibrate *self, struct spot_model *f32,
                                struct spot_model *int8, struct spot_error *error) {
    struct comparison comparison = {.calibrate = self,
                                    .found = calloc(self->list.count, sizeof *comparison.found)};
    enum spot_status status = SPOT_OK;
    if (comparison.found == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    spot_model_setup_request(self->entry, f32, &comparison.request);
    struct spot_runner runner = {.model = f32,
                                 .threads = self->threads,
                                 .context = &comparison,
                                 .work = detect,
                                 .finish = keep};
    self->doing = "f32: pictures";
    status = run_list(self, &self->list, runner, error);
    runner.model = int8;
    self->doing = "int8: pictures";
    if (status == SPOT_OK)
        status = run_list(self, &self->list, runner, error);
    for (size_t i = 0; i < self->list.count; i++)
        free(comparison.found[i].items);
    free(comparison.found);
    self->file.measured.figure = "agreement";
    self->file.measured.pictures = (int)self->list.count;
    self->file.measured.f32 = 1;
    self->file.measured.int8 = spot_agreement_share(&comparison.agreement);
    if (status != SPOT_OK)
        return status;
    if (comparison.agreement.first == 0)
        return spot_fail(error, SPOT_INVALID,
                         "'%.200s': f32 finds nothing in these pictures, so what int8 costs cannot "
                         "be measured; give others, or a lower --confidence",
                         self->images);
    printf("f32 finds %zu, int8 %zu, both %zu; agreement %.4f\n", comparison.agreement.first,
           comparison.agreement.second, comparison.agreement.both, self->file.measured.int8);
    return SPOT_OK;
}

/* With annotations: average precision of both. */

static enum spot_status evaluate(struct calibrate *self, struct spot_model *model,
                                 struct spot_eval_figures *mean, struct spot_error *error) {
    struct spot_evaluation evaluation = {.model = model,
                                         .coco = &self->coco,
                                         .folder = self->images,
                                         .threads = self->threads,
                                         .progress = show_progress,
                                         .progress_data = self};
    spot_eval_request(self->entry, model, &evaluation.request);
    spot_progress_begin(&self->progress, 0);
    enum spot_status status = spot_evaluate(&evaluation, error);
    spot_progress_clear(&self->progress);
    *mean = evaluation.mean;
    self->file.measured.pictures = (int)evaluation.n_pictures;
    spot_evaluation_free(&evaluation);
    if (status == SPOT_OK && !(mean->value[SPOT_EVAL_AP] >= 0))
        status = spot_fail(error, SPOT_INVALID, "%.200s: no object of the model's classes",
                           self->annotations);
    return status;
}

static enum spot_status evaluate_both(struct calibrate *self, struct spot_model *f32,
                                      struct spot_model *int8, struct spot_error *error) {
    struct spot_eval_figures before = {0}, after = {0};
    self->doing = "f32: pictures";
    enum spot_status status = evaluate(self, f32, &before, error);
    self->doing = "int8: pictures";
    if (status == SPOT_OK)
        status = evaluate(self, int8, &after, error);
    static const enum spot_eval_figure shown[] = {SPOT_EVAL_AP, SPOT_EVAL_AP50, SPOT_EVAL_AP75,
                                                  SPOT_EVAL_VOC11};
    for (size_t i = 0; status == SPOT_OK && i < sizeof shown / sizeof *shown; i++) {
        double f32_value = before.value[shown[i]], int8_value = after.value[shown[i]];
        printf("%s f32 %.4f int8 %.4f drop %.4f\n", spot_eval_figure_name(shown[i]), f32_value,
               int8_value, f32_value - int8_value);
    }
    self->file.measured.figure = spot_eval_figure_name(SPOT_EVAL_AP);
    self->file.measured.f32 = before.value[SPOT_EVAL_AP];
    self->file.measured.int8 = after.value[SPOT_EVAL_AP];
    return status;
}

static enum spot_status measure(struct calibrate *self, struct spot_error *error) {
    struct spot_model *f32 = NULL, *int8 = NULL;
    enum spot_status status = load(self, self->device, SPOT_PRECISION_F32, &f32, error);
    if (status == SPOT_OK)
        spot_command_remark(self->entry, f32);
    if (status == SPOT_OK)
        status = load(self, self->device, SPOT_PRECISION_INT8, &int8, error);
    if (status == SPOT_OK && self->annotations != NULL)
        status = evaluate_both(self, f32, int8, error);
    else if (status == SPOT_OK)
        status = compare(self, f32, int8, error);
    spot_model_free(&f32);
    spot_model_free(&int8);
    return status;
}

static enum spot_status write_file(struct calibrate *self, struct spot_error *error) {
    self->file.detector = self->entry->detector;
    self->file.weights = self->digest;
    enum spot_status status = spot_calibration_file_write(self->out, &self->file, error);
    if (status == SPOT_OK)
        printf("ranges of %zu maps from %d pictures written to %s\n", self->file.ranges.count,
               self->file.pictures, self->out);
    return status;
}

/* What is read and written besides the model: faults in it are told before minutes of work. */
static enum spot_status open_files(struct calibrate *self, char beside[PATH_MAX],
                                   struct spot_error *error) {
    enum spot_status status = SPOT_OK;
    if (self->out == NULL) {
        status = spot_calibration_file_path(self->entry->weights, beside, PATH_MAX, error);
        self->out = beside;
    }
    if (status == SPOT_OK)
        status = spot_file_can_write(self->out, error);
    if (status == SPOT_OK)
        status = spot_pictures_list(self->images, &self->list, error);
    if (status == SPOT_OK)
        status = spot_pictures_list(self->images, &self->few, error);
    if (status == SPOT_OK && self->annotations != NULL)
        status = spot_coco_read(self->annotations, &self->coco, error);
    if (status == SPOT_OK) /* before they are read, so that it is never of later ones */
        status = spot_file_digest(self->entry->weights, self->digest, error);
    return status;
}

static enum spot_status run(struct calibrate *self, struct spot_options *options,
                            struct spot_error *error) {
    struct spot_device_options settings = {.settings = options->backend_settings};
    struct spot_device_info info;
    char beside[PATH_MAX];
    enum spot_status status = spot_model_setup_complete(options, error);
    self->entry = &options->models[0];
    if (status == SPOT_OK)
        status = open_files(self, beside, error);
    if (status == SPOT_OK)
        status = spot_device_open("cpu", &settings, &self->device, error);
    if (status != SPOT_OK)
        goto out;
    self->device->backend->describe(self->device, &info);
    self->threads = spot_runner_threads(&info);
    spot_pictures_thin(&self->few, (size_t)self->pictures);
    status = find_ranges(self, error);
    if (status == SPOT_OK)
        status = measure(self, error);
    if (status == SPOT_OK)
        status = write_file(self, error);
out:
    spot_ranges_free(&self->ranges);
    spot_pictures_free(&self->list);
    spot_pictures_free(&self->few);
    spot_coco_free(&self->coco);
    spot_device_close(&self->device);
    return status;
}

int spot_cmd_calibrate(int argc, char **argv) {
    struct calibrate self = {.pictures = 64};
    const struct spot_flag flags[] = {
        {"--images", "FOLDER", SPOT_RULE_PATH, &self.images,
         "Pictures of the kind that the model will see."},
        {"--annotations", "FILE", SPOT_RULE_PATH, &self.annotations,
         "What is in them, in COCO's layout: then average precision is compared, else what both "
         "precisions find."},
        {"--pictures", "N", SPOT_RULE_INT(0, 1e9), &self.pictures,
         "Take the ranges from N of the pictures, spread evenly; 0 takes all. The comparison is on "
         "all of them."},
        {"--out", "FILE", SPOT_RULE_PATH, &self.out,
         "Where to write the calibration, by default beside the weights."},
        {0}};
    struct spot_options options;
    struct spot_arguments arguments;
    struct spot_error error;
    int result = spot_command_start(argc, argv, flags, &options, &arguments);
    if (result != SPOT_COMMAND_GOES_ON)
        return result;
    if (self.images == NULL)
        result = spot_command_wrong_usage("calibrate", "needs --images");
    else
        result =
            run(&self, &options, &error) == SPOT_OK ? SPOT_EXIT_DONE : spot_command_failed(&error);
    spot_options_free(&options);
    return result;
}
