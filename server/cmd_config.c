/* `spotter config`: checks a config file, prints the configuration in force or its documentation.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "models/detector.h"
#include "server/command.h"
#include "server/http/settings.h"

static enum spot_status check_file(const char *path, size_t model, const char *key,
                                   struct spot_error *error) {
    if (path == NULL || access(path, R_OK) == 0)
        return SPOT_OK;
    return spot_fail(error, SPOT_NOT_FOUND, "models[%zu].%s: %s: %s", model, key, path,
                     strerror(errno));
}

/* What reading a file leaves open: are there such detectors and files? */
static enum spot_status check_models(const struct spot_options *options, struct spot_error *error) {
    enum spot_status status = SPOT_OK;
    for (size_t i = 0; i < options->model_count && status == SPOT_OK; i++) {
        const struct spot_model_entry *model = &options->models[i];
        struct spot_detector detector;
        status = spot_detector_find(model->detector, &detector, error);
        if (status != SPOT_OK)
            spot_error_prefix(error, "models[%zu].detector", i);
        if (status == SPOT_OK)
            status = check_file(model->weights, i, "weights", error);
        if (status == SPOT_OK)
            status = check_file(model->labels, i, "labels", error);
        if (status == SPOT_OK)
            status = check_file(model->calibration, i, "calibration", error);
    }
    return status;
}

/* What `serve` makes of them: keys, origins, certificate. Takes the options. */
static enum spot_status check_settings(struct spot_options *options, struct spot_error *error) {
    struct spot_settings *settings;
    enum spot_status status = spot_settings_new(options, &settings, error);
    spot_settings_release(&settings);
    return status;
}

/* Checks one file on top of the defaults, whatever environment and flags say. */
static int check(const char *path) {
    struct spot_options options;
    struct spot_error error;
    spot_options_init(&options);
    enum spot_status status = spot_options_read_file(&options, path, &error);
    size_t models = options.model_count;
    if (status == SPOT_OK) {
        status = spot_options_check(&options, &error);
        if (status == SPOT_OK)
            status = check_models(&options, &error);
        if (status == SPOT_OK)
            status = check_settings(&options, &error);
        if (status != SPOT_OK)
            spot_error_prefix(&error, "%s", path);
    }
    if (status == SPOT_OK)
        printf("%s: ok, %zu model%s\n", path, models, models == 1 ? "" : "s");
    spot_options_free(&options);
    return status == SPOT_OK ? SPOT_EXIT_DONE : spot_command_failed(&error);
}

static int print_options(const struct spot_options *options) {
    struct spot_error error;
    if (spot_options_print_json(options, stdout, &error) != SPOT_OK)
        return spot_command_failed(&error);
    return SPOT_EXIT_DONE;
}

static int print_documentation(void) {
    spot_options_document(stdout);
    return SPOT_EXIT_DONE;
}

int spot_cmd_config(int argc, char **argv) {
    const char *file = NULL;
    bool print = false, markdown = false;
    const struct spot_flag flags[] = {
        {"--check", "FILE", SPOT_RULE_PATH, &file,
         "Check this config file, and that the detectors and files it names are there."},
        {"--print", NULL, SPOT_RULE_BOOL, &print,
         "Print the configuration that results from all sources, as JSON."},
        {"--markdown", NULL, SPOT_RULE_BOOL, &markdown, NULL}, /* writes docs/configuration.md */
        {0}};
    struct spot_options options;
    struct spot_arguments arguments;
    int status = spot_command_start(argc, argv, flags, &options, &arguments);
    if (status != SPOT_COMMAND_GOES_ON)
        return status;
    if ((file != NULL) + print + markdown != 1)
        status = spot_command_wrong_usage("config", "needs either --check FILE or --print");
    else if (file != NULL)
        status = check(file);
    else if (print)
        status = print_options(&options);
    else
        status = print_documentation();
    spot_options_free(&options);
    return status;
}
