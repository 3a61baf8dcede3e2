/* `spotter help`: the commands, or one command's options. */
#include <stdio.h>
#include <string.h>

#include "server/command.h"

int spot_cmd_help(int argc, char **argv) {
    struct spot_options options;
    struct spot_arguments arguments;
    int status = spot_command_start(argc, argv, NULL, &options, &arguments);
    if (status != SPOT_COMMAND_GOES_ON)
        return status;
    const char *name = arguments.count > 0 ? arguments.items[0] : NULL;
    const struct spot_command *command = name != NULL ? spot_command_find(name) : NULL;
    spot_options_free(&options);
    if (name == NULL) {
        spot_command_list(stdout);
        return SPOT_EXIT_DONE;
    }
    if (command == NULL)
        return spot_command_unknown(name);
    char help[] = "--help";
    char *words[] = {(char *)command->name, help, NULL};
    return command->run(2, words);
}
