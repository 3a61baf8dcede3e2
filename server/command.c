/* The commands and how each begins. */
#include "server/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "models/suggest.h"
#include "server/wrap.h"

/* One line for each file cmd_<name>.c; help lists them in this order. */
const struct spot_command spot_command_table[] = {
    {.name = "serve",
     .usage = "[OPTION]...",
     .summary = "Answer detection requests over HTTP.",
     .option = SPOT_FOR_SERVE,
     .run = spot_cmd_serve},
    {.name = "detect",
     .usage = "[OPTION]... IMAGE...",
     .summary = "Find objects in pictures; '-' is a picture on standard input.",
     .option = SPOT_FOR_DETECT,
     .one_model = true,
     .arguments_min = 1,
     .arguments_max = SPOT_ARGUMENTS_MAX,
     .run = spot_cmd_detect},
    {.name = "bench",
     .usage = "[OPTION]...",
     .summary = "Measure how fast models run on this machine, without HTTP.",
     .option = SPOT_FOR_BENCH,
     .run = spot_cmd_bench},
    {.name = "eval",
     .usage = "--images FOLDER --annotations FILE [OPTION]...",
     .summary = "Compute average precision on annotated pictures.",
     .option = SPOT_FOR_EVAL,
     .one_model = true,
     .run = spot_cmd_eval},
    {.name = "calibrate",
     .usage = "--images FOLDER [--annotations FILE] [OPTION]...",
     .summary = "Learn how to compute in int8, and measure what that costs.",
     .option = SPOT_FOR_CALIBRATE,
     .one_model = true,
     .run = spot_cmd_calibrate},
    {.name = "selftest",
     .usage = "[OPTION]...",
     .summary = "Check operators and models on this device against the reference.",
     .option = SPOT_FOR_SELFTEST,
     .run = spot_cmd_selftest},
    {.name = "models",
     .usage = "[--json] [--tensors NAME [--weights FILE]]",
     .summary = "List the built-in detectors and what they cost.",
     .run = spot_cmd_models},
    {.name = "health",
     .usage = "[--listen HOST:PORT]",
     .summary = "Ask a running server whether it is ready.",
     .option = SPOT_FOR_HEALTH,
     .run = spot_cmd_health},
    {.name = "config",
     .usage = "--check FILE | --print [OPTION]...",
     .summary = "Check a config file, or print the configuration that is in force.",
     .option = SPOT_FOR_CONFIG,
     .run = spot_cmd_config},
    {.name = "help",
     .usage = "[COMMAND]",
     .summary = "Show what spotter can do, or how to use a command.",
     .arguments_max = 1,
     .run = spot_cmd_help},
    {0},
};

const struct spot_command *spot_command_find(const char *name) {
    for (const struct spot_command *command = spot_command_table; command->name != NULL; command++)
        if (strcmp(command->name, name) == 0)
            return command;
    return NULL;
}

void spot_command_list(FILE *out) {
    fprintf(out,
            "Usage: spotter COMMAND [OPTION]...\n\n"
            "A server that finds objects in pictures.\n\nCommands:\n");
    for (const struct spot_command *command = spot_command_table; command->name != NULL; command++)
        spot_print_wrapped(command->summary, fprintf(out, "  %s", command->name), 12, out);
    fprintf(out,
            "\n'spotter COMMAND --help' shows the options of a command, 'spotter --version'\n"
            "the version.\n");
}

int spot_command_unknown(const char *name) {
    struct spot_suggestion near;
    spot_suggest_begin(&near, name);
    for (const struct spot_command *command = spot_command_table; command->name != NULL; command++)
        spot_suggest_offer(&near, command->name);
    fprintf(stderr, "spotter: unknown %s '%s'%s\nTry 'spotter help'.\n",
            name[0] == '-' ? "option" : "command", name, spot_suggest_text(&near));
    return SPOT_EXIT_USAGE;
}

int spot_command_failed(const struct spot_error *error) {
    fprintf(stderr, "spotter: %s\n", error->text);
    return SPOT_EXIT_FAILED;
}

void spot_command_remark(const struct spot_model_entry *entry, const struct spot_model *model) {
    if (spot_model_info(model)->labels_unused)
        fprintf(stderr, "spotter: labels '%s' are not used: the weights name their classes\n",
                entry->labels);
}

int spot_command_wrong_usage(const char *name, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "spotter %s: ", name);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\nTry 'spotter %s --help'.\n", name);
    va_end(args);
    return SPOT_EXIT_USAGE;
}

static int print_help(const struct spot_command *command, const struct spot_flag *flags) {
    int column = printf("Usage: spotter %s", command->name) + 1;
    spot_print_wrapped(command->usage, column - 1, column, stdout);
    printf("\n");
    spot_print_wrapped(command->summary, 0, 0, stdout);
    printf("\nOptions:\n");
    spot_options_help(command->option, flags, stdout);
    if (command->option != 0)
        printf(
            "\nEach option is also read from the environment, --log-level from\n"
            "SPOTTER_LOG_LEVEL and so on. Flags win over variables, variables over the\n"
            "config file.\n");
    return SPOT_EXIT_DONE;
}

int spot_command_start(int argc, char **argv, const struct spot_flag *flags,
                       struct spot_options *options, struct spot_arguments *arguments) {
    struct spot_error error;
    const struct spot_command *command = spot_command_find(argv[0]);
    enum spot_status status =
        spot_options_parse(options, command->option, flags, argc, argv, arguments, &error);
    if (status != SPOT_OK)
        return arguments->wrong_usage ? spot_command_wrong_usage(command->name, "%s", error.text)
                                      : spot_command_failed(&error);
    int result = SPOT_COMMAND_GOES_ON;
    if (arguments->help)
        result = print_help(command, flags);
    else if (arguments->count > (size_t)command->arguments_max)
        result = spot_command_wrong_usage(command->name, "unexpected argument '%s'",
                                          arguments->items[command->arguments_max]);
    else if (arguments->count < (size_t)command->arguments_min)
        result = spot_command_wrong_usage(command->name, "something is missing: spotter %s %s",
                                          command->name, command->usage);
    else if (command->one_model && options->model_count > 1 && options->config == NULL)
        result = spot_command_wrong_usage(command->name, "takes one --model");
    if (result != SPOT_COMMAND_GOES_ON)
        spot_options_free(options);
    return result;
}
