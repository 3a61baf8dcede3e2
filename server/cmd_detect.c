/* `spotter detect`: finds objects in picture files and prints, or draws, what was found. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/annotated.h"
#include "server/clock.h"
#include "server/command.h"
#include "server/device.h"
#include "server/digest.h"
#include "server/file.h"
#include "server/model_setup.h"
#include "server/progress.h"
#include "server/result_json.h"
#include "server/runner.h"

/* One picture, from its worker's thread to the output. */
struct outcome {
    struct spot_error error; /* SPOT_OK: it was read and detected in */
    struct spot_timing timing;
};

struct detect {
    const struct spot_arguments *pictures;
    const struct spot_model_entry *entry;
    const char *backend;
    char digest[SPOT_DIGEST_MAX];
    struct spot_model *model;
    struct spot_request request;
    struct spot_image_limits limits;
    struct spot_decoding decoding; /* with those limits */
    enum spot_image_format annotate_format;
    const char *annotate;     /* file to write; NULL: none */
    json_t *results;          /* NULL: plain text */
    struct outcome *outcomes; /* one for each worker */
    struct spot_progress progress;
    size_t failures;
};

static double milliseconds_since(uint64_t start_us) {
    return (double)(spot_clock_us() - start_us) / 1000;
}

/* Writes the picture with its boxes. */
static enum spot_status annotate(const struct detect *detect, struct spot_worker *worker,
                                 struct spot_error *error) {
    uint8_t *bytes = NULL;
    size_t size = 0;
    enum spot_status status = spot_annotated_encode(&worker->image, &worker->results[0],
                                                    spot_model_info(detect->model)->class_names,
                                                    detect->annotate_format, &bytes, &size, error);
    if (status == SPOT_OK)
        status = spot_file_write(detect->annotate, bytes, size, error);
    free(bytes);
    return status;
}

/* A picture that cannot be read fails alone; what the device says ends the run. */
static enum spot_status work(void *context, struct spot_worker *worker, size_t item,
                             struct spot_error *error) {
    struct detect *detect = context;
    struct outcome *outcome = &detect->outcomes[worker->number];
    uint64_t start = spot_clock_us();
    *outcome = (struct outcome){.timing = {.queue = -1, .postprocess = -1}};
    if (spot_worker_open(worker, detect->pictures->items[item], &detect->decoding,
                         &outcome->timing.decode, &outcome->error) != SPOT_OK)
        return SPOT_OK;
    outcome->timing.receive = milliseconds_since(start) - outcome->timing.decode;
    struct spot_request request = spot_worker_request(worker, &detect->request);
    uint64_t infer = spot_clock_us();
    enum spot_status status = spot_worker_detect(worker, &request, error);
    outcome->timing.infer = milliseconds_since(infer);
    outcome->timing.total = milliseconds_since(start);
    if (status == SPOT_OK && detect->annotate != NULL)
        status = annotate(detect, worker, error);
    return status;
}

static void print_lines(const struct detect *detect, const char *path,
                        const struct spot_detections *detections) {
    const char *const *names = spot_model_info(detect->model)->class_names;
    if (detections->count == 0)
        printf("%s: nothing found\n", path);
    for (int i = 0; i < detections->count; i++) {
        const struct spot_detection *item = &detections->items[i];
        printf("%s: %s %.4f, x %.1f to %.1f, y %.1f to %.1f\n", path, names[item->class_id],
               (double)item->confidence, (double)item->x_min, (double)item->x_max,
               (double)item->y_min, (double)item->y_max);
    }
}

static json_t *result_json(const struct detect *detect, const struct spot_worker *worker,
                           const struct outcome *outcome, const char *path) {
    if (outcome->error.status != SPOT_OK)
        return spot_error_json(spot_status_name(outcome->error.status), outcome->error.text, NULL,
                               path);
    struct spot_result result = {.id = path,
                                 .model = detect->entry->name,
                                 .info = spot_model_info(detect->model),
                                 .digest = detect->digest,
                                 .backend = detect->backend,
                                 .width = worker->full_width,
                                 .height = worker->full_height,
                                 .format = worker->image.format,
                                 .detections = worker->results[0],
                                 .timing = outcome->timing,
                                 .batch_size = 1};
    return spot_result_json(&result);
}

static enum spot_status finish(void *context, struct spot_worker *worker, size_t item,
                               struct spot_error *error) {
    struct detect *detect = context;
    const struct outcome *outcome = &detect->outcomes[worker->number];
    const char *path = detect->pictures->items[item];
    spot_progress_clear(&detect->progress);
    if (outcome->error.status != SPOT_OK) {
        detect->failures++;
        fprintf(stderr, "spotter: %s: %s\n", path, outcome->error.text);
    } else if (detect->results == NULL) {
        print_lines(detect, path, &worker->results[0]);
    }
    if (detect->results != NULL &&
        json_array_append_new(detect->results, result_json(detect, worker, outcome, path)) != 0)
        return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    spot_progress_show(&detect->progress, "pictures", item + 1);
    return SPOT_OK;
}

/* One picture alone is an object, several are a list, as the server answers. */
static void print_json(const struct detect *detect) {
    json_t *one = json_array_get(detect->results, 0);
    json_t *all = detect->pictures->count == 1 ? json_incref(one)
                                               : json_pack("{s:O}", "results", detect->results);
    json_dumpf(all, stdout, SPOT_RESULT_JSON_FLAGS | JSON_INDENT(2));
    putchar('\n');
    json_decref(all);
}

static enum spot_status run(struct detect *detect, const struct spot_options *options,
                            struct spot_error *error) {
    struct spot_chosen_device chosen = {0};
    struct spot_model_options setup = spot_model_setup(detect->entry);
    setup.batch_max = 1;
    enum spot_status status = spot_device_choose(options, &chosen, error);
    if (status == SPOT_OK)
        status = spot_model_setup_load(chosen.device, detect->entry, &setup, &detect->model, error);
    if (status == SPOT_OK && detect->results != NULL)
        status = spot_file_digest(setup.weights, detect->digest, error);
    if (status != SPOT_OK)
        goto out;
    spot_command_remark(detect->entry, detect->model);
    int threads = spot_runner_threads(&chosen.info);
    detect->backend = chosen.backend;
    detect->outcomes = calloc((size_t)threads, sizeof *detect->outcomes);
    if (detect->outcomes == NULL) {
        status = spot_fail(error, SPOT_NO_MEMORY, "out of memory");
        goto out;
    }
    spot_model_setup_request(detect->entry, detect->model, &detect->request);
    detect->decoding.limits = &detect->limits;
    if (detect->entry->reduced_decoding && detect->annotate == NULL) /* drawn on: in full */
        detect->decoding.reduced_for = detect->model;
    spot_progress_begin(&detect->progress, detect->pictures->count);
    struct spot_runner runner = {.model = detect->model,
                                 .threads = threads,
                                 .count = detect->pictures->count,
                                 .context = detect,
                                 .work = work,
                                 .finish = finish};
    status = spot_runner_run(&runner, error);
    spot_progress_clear(&detect->progress);
    if (status == SPOT_OK && detect->results != NULL)
        print_json(detect);
out:
    free(detect->outcomes);
    spot_model_free(&detect->model);
    spot_device_close(&chosen.device);
    return status;
}

static enum spot_image_format format_by_name(const char *path) {
    const char *dot = strrchr(path, '.');
    if (dot != NULL && strcasecmp(dot, ".png") == 0)
        return SPOT_IMAGE_PNG;
    if (dot != NULL && (strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0))
        return SPOT_IMAGE_JPEG;
    return SPOT_IMAGE_UNKNOWN;
}

/* What the flags leave open; SPOT_COMMAND_GOES_ON, or the exit status. */
static int check_usage(struct detect *detect) {
    if (detect->annotate == NULL)
        return SPOT_COMMAND_GOES_ON;
    if (detect->pictures->count > 1)
        return spot_command_wrong_usage("detect", "--annotate takes one picture");
    detect->annotate_format = format_by_name(detect->annotate);
    if (detect->annotate_format == SPOT_IMAGE_UNKNOWN)
        return spot_command_wrong_usage(
            "detect", "--annotate: found \"%s\", expected a name that ends in .png, .jpg or .jpeg",
            detect->annotate);
    return SPOT_COMMAND_GOES_ON;
}

int spot_cmd_detect(int argc, char **argv) {
    struct detect detect = {0};
    bool as_json = false;
    const struct spot_flag flags[] = {
        {"--json", NULL, SPOT_RULE_BOOL, &as_json, "Print what the server would answer."},
        {"--annotate", "FILE", SPOT_RULE_PATH, &detect.annotate,
         "Write the picture with its boxes drawn, as .png or .jpg."},
        {0}};
    struct spot_options options;
    struct spot_arguments arguments;
    struct spot_error error;
    int result = spot_command_start(argc, argv, flags, &options, &arguments);
    if (result != SPOT_COMMAND_GOES_ON)
        return result;
    detect.pictures = &arguments;
    result = check_usage(&detect);
    if (result != SPOT_COMMAND_GOES_ON)
        goto out;
    detect.entry = &options.models[0];
    detect.limits = (struct spot_image_limits){.pixels = options.limits.pixels,
                                               .side = options.limits.side,
                                               .jpeg_scans = spot_image_limits_default.jpeg_scans};
    detect.results = as_json ? json_array() : NULL;
    enum spot_status status = spot_model_setup_complete(&options, &error);
    if (status == SPOT_OK)
        status = run(&detect, &options, &error);
    result = status != SPOT_OK     ? spot_command_failed(&error)
             : detect.failures > 0 ? SPOT_EXIT_FAILED
                                   : SPOT_EXIT_DONE;
    json_decref(detect.results);
out:
    spot_options_free(&options);
    return result;
}
