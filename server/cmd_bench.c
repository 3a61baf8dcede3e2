/* `spotter bench`: how fast models run here, without HTTP, for batch sizes and threads. */
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/support/made_weights.h"
#include "server/bench_outputs.h"
#include "server/bench_steps.h"
#include "server/command.h"
#include "server/device.h"
#include "server/file.h"
#include "server/installed.h"
#include "server/model_setup.h"
#include "server/progress.h"
#include "server/runner.h"

enum { LIST_MAX = 16, PICTURE_WIDTH = 640, PICTURE_HEIGHT = 480 };

/* Numbers of one flag, such as 1,2,8. */
struct list {
    int items[LIST_MAX];
    int count;
};

struct suite {
    struct list batches, threads;
    double seconds;
    bool network_only;   /* a prepared tensor in, raw outputs out, as other runtimes measure */
    bool steps;          /* where the time goes, in place of how much it is */
    const char *outputs; /* where to write what is computed, in place of measuring; or NULL */
    const struct spot_chosen_device *chosen;
    uint8_t *encoded; /* the file of --decode */
    size_t encoded_size;
    uint8_t *pixels; /* a made picture for when there is none */
    float *tensor;   /* a made input for network_only */
    json_t *results; /* NULL: plain lines */
    struct spot_progress progress;
    size_t done;    /* measurements */
    char text[192]; /* what the progress line says */
};

static int largest(const struct list *list) {
    int most = 0;
    for (int i = 0; i < list->count; i++)
        most = list->items[i] > most ? list->items[i] : most;
    return most;
}

/* Reads "1,2,8"; SPOT_COMMAND_GOES_ON, or the exit status. */
static int parse_list(const char *flag, const char *text, int most, struct list *list) {
    for (const char *at = text;; at++) {
        char *end;
        long number = strtol(at, &end, 10);
        if (end == at || number < 1 || number > most || list->count == LIST_MAX ||
            (*end != ',' && *end != '\0'))
            return spot_command_wrong_usage("bench",
                                            "%s: found \"%s\", expected up to %d whole numbers "
                                            "from 1 to %d, separated by commas",
                                            flag, text, LIST_MAX, most);
        list->items[list->count++] = (int)number;
        at = end;
        if (*at == '\0')
            return SPOT_COMMAND_GOES_ON;
    }
}

/* Noise over a slope: no two rows alike, nothing that a detector knows. */
static enum spot_status make_inputs(struct suite *suite, size_t elements,
                                    struct spot_error *error) {
    size_t size = (size_t)PICTURE_WIDTH * PICTURE_HEIGHT * 3;
    free(suite->tensor);
    suite->tensor = malloc(elements * sizeof *suite->tensor);
    suite->pixels = suite->pixels != NULL ? suite->pixels : malloc(size);
    if (suite->pixels == NULL || suite->tensor == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    uint32_t noise = 1;
    for (size_t i = 0; i < size; i++) {
        noise = noise * 1664525U + 1013904223U;
        suite->pixels[i] = (uint8_t)(i * 192 / size + (noise >> 26));
    }
    for (size_t i = 0; i < elements; i++) {
        noise = noise * 1664525U + 1013904223U;
        suite->tensor[i] = (float)(noise >> 16) / 16384 - 2;
    }
    return SPOT_OK;
}

static void show_progress(void *data) {
    struct suite *suite = data;
    spot_progress_show(&suite->progress, suite->text, suite->done);
}

static enum spot_status report(struct suite *suite, const struct spot_model_entry *entry,
                               const struct spot_bench *bench,
                               const struct spot_bench_result *result, struct spot_error *error) {
    const struct spot_model_info *info = spot_model_info(bench->model);
    const char *precision = spot_precision_name(info->program.precision);
    const char *measured = suite->network_only      ? "network"
                           : suite->encoded != NULL ? "decode+detect"
                                                    : "detect";
    if (suite->results == NULL) {
        printf("%s %s %s batch %d threads %d: %.2f ms/image %.1f images/s%s\n", entry->name,
               suite->chosen->backend, precision, bench->batch, bench->threads, result->median_ms,
               result->pictures_per_second,
               suite->network_only      ? ", network only"
               : suite->encoded != NULL ? ", decoding included"
                                        : "");
        fflush(stdout);
        return SPOT_OK;
    }
    json_t *one = json_pack(
        "{s:s, s:s, s:s?, s:s, s:s, s:s, s:i, s:i, s:{s:f, s:f, s:f}, s:f, s:I}", "model",
        entry->name, "detector", entry->detector, "weights", entry->weights, "backend",
        suite->chosen->backend, "precision", precision, "measured", measured, "batch", bench->batch,
        "threads", bench->threads, "ms_per_image", "median", result->median_ms, "p10",
        result->p10_ms, "p90", result->p90_ms, "images_per_second", result->pictures_per_second,
        "images", (json_int_t)result->pictures);
    return json_array_append_new(suite->results, one) == 0
               ? SPOT_OK
               : spot_fail(error, SPOT_NO_MEMORY, "out of memory");
}

/* Where the time of one picture goes. */
static enum spot_status measure_steps(struct suite *suite, const struct spot_model_entry *entry,
                                      const struct spot_bench *bench, struct spot_error *error) {
    struct spot_bench_step *steps = NULL;
    int count = 0;
    const char *precision = spot_precision_name(spot_model_info(bench->model)->program.precision);
    snprintf(suite->text, sizeof suite->text, "%.128s steps:", entry->name);
    enum spot_status status = spot_bench_steps_run(bench, &steps, &count, error);
    suite->done++;
    spot_progress_clear(&suite->progress);
    if (status == SPOT_OK && suite->results == NULL) {
        printf("%s %s %s\n", entry->name, suite->chosen->backend, precision);
        spot_bench_steps_print(steps, count);
    } else if (status == SPOT_OK) {
        json_t *one = json_pack("{s:s, s:s, s:s, s:s, s:o?}", "model", entry->name, "detector",
                                entry->detector, "backend", suite->chosen->backend, "precision",
                                precision, "steps", spot_bench_steps_json(steps, count));
        if (json_array_append_new(suite->results, one) != 0)
            status = spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    }
    free(steps);
    return status;
}

/* Every batch size with every number of threads, on a loaded model. */
static enum spot_status measure(struct suite *suite, const struct spot_model_entry *entry,
                                struct spot_model *model, struct spot_error *error) {
    const struct spot_graph *graph = spot_model_info(model)->graph;
    struct spot_bench bench = {.model = model,
                               .seconds = suite->seconds,
                               .encoded = suite->encoded,
                               .encoded_size = suite->encoded_size,
                               .progress = show_progress,
                               .progress_data = suite};
    if (entry->reduced_decoding)
        bench.decoding.reduced_for = model;
    enum spot_status status =
        make_inputs(suite, spot_shape_elements(&graph->inputs[0]->type.shape), error);
    spot_model_setup_request(entry, model, &bench.request);
    if (entry->weights == NULL) /* made weights would find things everywhere: let them find none */
        bench.request.confidence = 1;
    bench.request.picture = (struct spot_picture){suite->pixels, PICTURE_WIDTH, PICTURE_HEIGHT,
                                                  (size_t)PICTURE_WIDTH * 3};
    bench.request.tensor = suite->network_only ? suite->tensor : NULL;
    if (suite->steps && status == SPOT_OK)
        return measure_steps(suite, entry, &bench, error);
    if (suite->outputs != NULL && status == SPOT_OK)
        return spot_bench_outputs_write(&bench, suite->outputs, error);
    for (int i = 0; i < suite->batches.count; i++) {
        for (int k = 0; k < suite->threads.count && status == SPOT_OK; k++) {
            struct spot_bench_result result;
            bench.batch = suite->batches.items[i];
            bench.threads = suite->threads.items[k];
            snprintf(suite->text, sizeof suite->text, "%.128s batch %d threads %d:", entry->name,
                     bench.batch, bench.threads);
            status = spot_bench_run(&bench, &result, error);
            suite->done++;
            spot_progress_clear(&suite->progress);
            if (status == SPOT_OK)
                status = report(suite, entry, &bench, &result, error);
        }
    }
    return status;
}

/* Weights as named, else those that come with the detector, else made ones. */
static enum spot_status bench_model(struct suite *suite, struct spot_options *options,
                                    struct spot_model_entry *entry, struct spot_error *error) {
    char path[PATH_MAX];
    struct spot_detector detector;
    struct spot_made_weights made = {0};
    struct spot_model *model = NULL;
    struct spot_detector_options build = {.tensor_input = suite->network_only,
                                          .raw_outputs = suite->network_only,
                                          .ends_only = suite->outputs == NULL,
                                          .variant = entry->variant};
    enum spot_status status = spot_detector_find(entry->detector, &detector, error);
    if (status != SPOT_OK)
        return status;
    if (entry->weights == NULL &&
        spot_installed_weights(entry->detector, path, sizeof path, error) == SPOT_OK)
        entry->weights = spot_arena_strdup(&options->arena, path);
    struct spot_model_options setup = spot_model_setup(entry);
    setup.build = build;
    setup.batch_max = largest(&suite->batches);
    if (entry->weights == NULL) {
        status = spot_made_weights_init(&made, &detector, &build, 1, error);
        setup.tensors = &made.weights;
    }
    if (status == SPOT_OK)
        status = spot_model_setup_load(suite->chosen->device, entry, &setup, &model, error);
    if (status == SPOT_OK)
        status = measure(suite, entry, model, error);
    spot_model_free(&model);
    spot_made_weights_free(&made);
    return status;
}

static void print_json(const struct suite *suite) {
    json_t *all = json_pack("{s:s, s:{s:s, s:s, s:s}, s:O}", "version", SPOT_VERSION, "device",
                            "backend", suite->chosen->backend, "name", suite->chosen->info.name,
                            "features", suite->chosen->info.features, "results", suite->results);
    json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(all);
}

static enum spot_status run(struct suite *suite, struct spot_options *options, const char *decode,
                            struct spot_error *error) {
    struct spot_chosen_device chosen = {0};
    enum spot_status status = SPOT_OK;
    if (decode != NULL) {
        status = spot_file_read(decode, &suite->encoded, &suite->encoded_size, error);
        if (status != SPOT_OK)
            spot_error_prefix(error, "%s", decode);
    }
    if (status == SPOT_OK && options->model_count == 0)
        status = spot_model_setup_complete(options, error);
    if (status == SPOT_OK)
        status = spot_device_choose(options, &chosen, error);
    suite->chosen = &chosen;
    spot_progress_begin(&suite->progress, options->model_count * (size_t)suite->batches.count *
                                              (size_t)suite->threads.count);
    for (size_t i = 0; status == SPOT_OK && i < options->model_count; i++) {
        status = bench_model(suite, options, &options->models[i], error);
        if (status != SPOT_OK)
            spot_error_prefix(error, "%s", options->models[i].name);
    }
    if (status == SPOT_OK && suite->results != NULL)
        print_json(suite);
    spot_device_close(&chosen.device);
    return status;
}

int spot_cmd_bench(int argc, char **argv) {
    const char *batches = "1", *threads = "1", *decode = NULL;
    bool as_json = false;
    struct suite suite = {.seconds = 3};
    const struct spot_flag flags[] = {
        {"--batch", "N,...", SPOT_RULE_TEXT, &batches, "Pictures computed together."},
        {"--threads", "N,...", SPOT_RULE_TEXT, &threads,
         "Threads that compute, each for itself, at the same time."},
        {"--seconds", "S", SPOT_RULE_NUMBER(0.01, 3600), &suite.seconds, "Time for each figure."},
        {"--decode", "IMAGE", SPOT_RULE_PATH, &decode,
         "Decode this file anew for every picture, and count that time too."},
        {"--network", NULL, SPOT_RULE_BOOL, &suite.network_only,
         "Only the network: a prepared tensor in, raw outputs out."},
        {"--outputs", "FILE", SPOT_RULE_PATH, &suite.outputs,
         "With --network, in place of measuring: write the input and all raw outputs as "
         "safetensors."},
        {"--steps", NULL, SPOT_RULE_BOOL, &suite.steps,
         "List what each step of the network takes, for one picture on one thread."},
        {"--json", NULL, SPOT_RULE_BOOL, &as_json, "Print JSON instead of lines."},
        {0}};
    struct spot_options options;
    struct spot_arguments arguments;
    struct spot_error error;
    int result = spot_command_start(argc, argv, flags, &options, &arguments);
    if (result != SPOT_COMMAND_GOES_ON)
        return result;
    result = parse_list("--batch", batches, SPOT_BATCH_MAX, &suite.batches);
    if (result == SPOT_COMMAND_GOES_ON)
        result = parse_list("--threads", threads, SPOT_THREADS_MAX, &suite.threads);
    if (result == SPOT_COMMAND_GOES_ON && decode != NULL && suite.network_only)
        result = spot_command_wrong_usage("bench", "--network and --decode do not go together");
    if (result == SPOT_COMMAND_GOES_ON && suite.steps && (decode != NULL || suite.network_only))
        result = spot_command_wrong_usage("bench",
                                          "--steps goes with neither --decode nor "
                                          "--network: it measures all of the network");
    if (result == SPOT_COMMAND_GOES_ON && suite.outputs != NULL && !suite.network_only)
        result = spot_command_wrong_usage("bench", "--outputs goes with --network");
    if (result == SPOT_COMMAND_GOES_ON && suite.outputs != NULL && options.model_count > 1)
        result = spot_command_wrong_usage("bench", "--outputs takes one --model");
    if (result == SPOT_COMMAND_GOES_ON) {
        suite.results = as_json ? json_array() : NULL;
        result = run(&suite, &options, decode, &error) == SPOT_OK ? SPOT_EXIT_DONE
                                                                  : spot_command_failed(&error);
        json_decref(suite.results);
        free(suite.encoded);
        free(suite.pixels);
        free(suite.tensor);
    }
    spot_options_free(&options);
    return result;
}
