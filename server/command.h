/*
 * The commands of the program. A command is a file server/cmd_<name>.c with
 *
 *     int spot_cmd_<name>(int argc, char **argv);   // argv[0] is the command's name
 *
 * that returns the exit status (0 done, 1 failed, 2 wrong usage), and one line in the table of
 * command.c. Results go to stdout, messages to stderr.
 */
#ifndef SPOT_SERVER_COMMAND_H
#define SPOT_SERVER_COMMAND_H

#include "core/error.h"
#include "models/model.h"
#include "server/options.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_command {
    const char *name;
    const char *usage;            /* what follows "spotter NAME" */
    const char *summary;          /* one sentence */
    enum spot_command_bit option; /* which options of the table are its flags; 0: none */
    bool one_model;               /* takes --model once */
    int arguments_min, arguments_max;
    int (*run)(int argc, char **argv);
};

enum {
    SPOT_EXIT_DONE = 0,
    SPOT_EXIT_FAILED = 1,
    SPOT_EXIT_USAGE = 2,
    SPOT_COMMAND_GOES_ON = -1, /* not an exit status: spot_command_start says "go on" */
};

/* The table, ended by an entry without a name; and the command of that name, or NULL. */
extern const struct spot_command spot_command_table[];
const struct spot_command *spot_command_find(const char *name);

/* Prints what the program is and its commands. */
void spot_command_list(FILE *out);

/*
 * How every command begins: reads all options, prints help or what is wrong, counts arguments.
 *
 *     int status = spot_command_start(argc, argv, flags, &options, &arguments);
 *     if (status != SPOT_COMMAND_GOES_ON)
 *         return status;
 *     ...
 *     spot_options_free(&options);
 *
 * Any other result is the exit status, and *options is released. `flags` may be NULL.
 */
int spot_command_start(int argc, char **argv, const struct spot_flag *flags,
                       struct spot_options *options, struct spot_arguments *arguments);

/* Prints that there is no such command, and a similar one, to stderr; returns SPOT_EXIT_USAGE. */
int spot_command_unknown(const char *name);

/* Prints "spotter: text" to stderr and returns SPOT_EXIT_FAILED. */
int spot_command_failed(const struct spot_error *error);

/* Prints what of the entry does not count for the model that was loaded from it, to stderr. */
void spot_command_remark(const struct spot_model_entry *entry, const struct spot_model *model);

/* Prints "spotter NAME: message" and where to find help to stderr; returns SPOT_EXIT_USAGE. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
int spot_command_wrong_usage(const char *name, const char *format, ...);

int spot_cmd_bench(int argc, char **argv);
int spot_cmd_calibrate(int argc, char **argv);
int spot_cmd_config(int argc, char **argv);
int spot_cmd_detect(int argc, char **argv);
int spot_cmd_eval(int argc, char **argv);
int spot_cmd_health(int argc, char **argv);
int spot_cmd_help(int argc, char **argv);
int spot_cmd_models(int argc, char **argv);
int spot_cmd_selftest(int argc, char **argv);
int spot_cmd_serve(int argc, char **argv);

#ifdef __cplusplus
}
#endif
#endif
