/* `spotter models`: the built-in detectors with what they cost, counted from their graphs. */
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>

#include "models/detector.h"
#include "server/command.h"
#include "server/installed.h"
#include "server/tensor_list.h"

struct listed {
    const struct spot_detector *detector;
    int classes;
    bool has_weights; /* some come with the program */
    uint64_t parameters, macs;
};

/* Builds the graph by shapes alone and counts; the detector's default number of classes. */
static enum spot_status count(struct listed *listed, struct spot_error *error) {
    const struct spot_detector *detector = listed->detector;
    struct spot_detector_options options = {0};
    char path[PATH_MAX];
    struct spot_graph *graph = spot_graph_new(NULL);
    if (graph == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    detector->family->build(detector, &options, graph);
    enum spot_status status = spot_graph_finish(graph, error);
    if (status != SPOT_OK)
        spot_error_prefix(error, "%s", detector->name);
    listed->classes = detector->family->classes(detector, NULL);
    listed->has_weights =
        spot_installed_weights(detector->name, path, sizeof path, NULL) == SPOT_OK;
    listed->parameters = spot_graph_parameters(graph);
    listed->macs = spot_graph_macs(graph);
    spot_graph_free(&graph);
    return status;
}

/* Writes 1234567 as "1,234,567" and returns text. */
static const char *grouped(uint64_t number, char text[32]) {
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, number), at = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
    return text;
}

static void print_line(const struct listed *listed) {
    char input[32], parameters[32], macs[32];
    snprintf(input, sizeof input, "%dx%d", listed->detector->input_width,
             listed->detector->input_height);
    printf("%-31s %9s %7d %12s %16s%s\n", listed->detector->name, input, listed->classes,
           grouped(listed->parameters, parameters), grouped(listed->macs, macs),
           listed->has_weights ? "  weights included" : "");
}

static json_t *describe(const struct listed *listed) {
    const struct spot_detector *detector = listed->detector;
    return json_pack("{s:s, s:s, s:s, s:{s:i, s:i}, s:i, s:I, s:I, s:b}", "name", detector->name,
                     "family", detector->family->name, "summary", detector->family->summary,
                     "input", "width", detector->input_width, "height", detector->input_height,
                     "classes", listed->classes, "parameters", (json_int_t)listed->parameters,
                     "macs", (json_int_t)listed->macs, "weights_included", listed->has_weights);
}

/* Prints every detector as a line, or adds it to the list when there is one. */
static enum spot_status list(json_t *into, struct spot_error *error) {
    for (const struct spot_family *const *family = spot_family_table; *family != NULL; family++) {
        for (int i = 0; i < (*family)->n_detectors; i++) {
            struct listed listed = {.detector = &(*family)->detectors[i]};
            enum spot_status status = count(&listed, error);
            if (status != SPOT_OK)
                return status;
            if (into == NULL)
                print_line(&listed);
            else if (json_array_append_new(into, describe(&listed)) != 0)
                return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
        }
    }
    return SPOT_OK;
}

/* Prints JSON as a document of its own and releases it. */
static void print_json(json_t *json) {
    json_dumpf(json, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(json);
}

static int print_tensors(const char *detector, const char *weights) {
    struct spot_error error;
    json_t *tensors;
    if (spot_tensor_list(detector, weights, &tensors, &error) != SPOT_OK)
        return spot_command_failed(&error);
    print_json(tensors);
    return SPOT_EXIT_DONE;
}

static int print_models(bool as_json) {
    struct spot_error error;
    json_t *models = as_json ? json_array() : NULL;
    if (!as_json)
        printf("%-31s %9s %7s %12s %16s\n", "DETECTOR", "INPUT", "CLASSES", "PARAMETERS",
               "MULTIPLY-ADDS");
    enum spot_status status = as_json && models == NULL
                                  ? spot_fail(&error, SPOT_NO_MEMORY, "out of memory")
                                  : list(models, &error);
    if (status == SPOT_OK && as_json)
        print_json(models);
    else
        json_decref(models);
    return status == SPOT_OK ? SPOT_EXIT_DONE : spot_command_failed(&error);
}

int spot_cmd_models(int argc, char **argv) {
    bool as_json = false;
    const char *detector = NULL, *weights = NULL;
    const struct spot_flag flags[] = {
        {"--json", NULL, SPOT_RULE_BOOL, &as_json, "Print JSON instead of a table."},
        {"--tensors", "NAME", SPOT_RULE_NAME, &detector,
         "Print what this detector expects of a weights file, as JSON."},
        {"--weights", "FILE", SPOT_RULE_PATH, &weights,
         "With --tensors: for the classes and the form of batch norm of this file."},
        {0}};
    struct spot_options options;
    struct spot_arguments arguments;
    int result = spot_command_start(argc, argv, flags, &options, &arguments);
    if (result != SPOT_COMMAND_GOES_ON)
        return result;
    if (weights != NULL && detector == NULL)
        result = spot_command_wrong_usage("models", "--weights goes with --tensors");
    else if (detector != NULL)
        result = print_tensors(detector, weights);
    else
        result = print_models(as_json);
    spot_options_free(&options);
    return result;
}
