/* `spotter config`: checks a config file, prints the configuration in force or its documentation.
 */
#include <stdio.h>

#include "server/command.h"

/* Reads one file on top of the defaults, whatever environment and flags say. */
static int check(const char *path) {
    struct spot_options options;
    struct spot_error error;
    spot_options_init(&options);
    enum spot_status status = spot_options_read_file(&options, path, &error);
    if (status == SPOT_OK) {
        status = spot_options_check(&options, &error);
        if (status != SPOT_OK)
            spot_error_prefix(&error, "%s", path);
    }
    if (status == SPOT_OK)
        printf("%s: ok, %zu model%s\n", path, options.model_count,
               options.model_count == 1 ? "" : "s");
    spot_options_free(&options);
    return status == SPOT_OK ? SPOT_EXIT_DONE : spot_command_failed(&error);
}

int spot_cmd_config(int argc, char **argv) {
    const char *file = NULL;
    bool print = false, markdown = false;
    const struct spot_flag flags[] = {
        {"--check", "FILE", SPOT_RULE_PATH, &file, "Check this config file and nothing else."},
        {"--print", NULL, SPOT_RULE_BOOL, &print,
         "Print the configuration that results from all sources, as JSON."},
        {"--markdown", NULL, SPOT_RULE_BOOL, &markdown, NULL}, /* writes docs/configuration.md */
        {0}};
    struct spot_options options;
    struct spot_arguments arguments;
    struct spot_error error;
    int status = spot_command_start(argc, argv, flags, &options, &arguments);
    if (status != SPOT_COMMAND_GOES_ON)
        return status;
    if ((file != NULL) + print + markdown != 1)
        status = spot_command_wrong_usage("config", "needs either --check FILE or --print");
    else if (file != NULL)
        status = check(file);
    else if (markdown)
        spot_options_document(stdout), status = SPOT_EXIT_DONE;
    else
        status = spot_options_print_json(&options, stdout, &error) == SPOT_OK
                     ? SPOT_EXIT_DONE
                     : spot_command_failed(&error);
    spot_options_free(&options);
    return status;
}
