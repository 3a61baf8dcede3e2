/* The program: finds the command and runs it. */
#include <stdio.h>
#include <string.h>

#include "server/command.h"
#include "server/device.h"
#include "server/sandbox.h"

static int run(int argc, char **argv) {
    static char help[] = "help";
    if (argc < 2) {
        spot_command_list(stderr);
        return SPOT_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf("spotter %s\n", SPOT_VERSION);
        return SPOT_EXIT_DONE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        argv[1] = help;
    const struct spot_command *command = spot_command_find(argv[1]);
    return command != NULL ? command->run(argc - 1, argv + 1) : spot_command_unknown(argv[1]);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], SPOT_SANDBOX_COMMAND) == 0)
        return spot_sandbox_helper();
    spot_device_register_backends();
    int status = run(argc, argv);
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == SPOT_EXIT_DONE) {
        perror("spotter: standard output");
        return SPOT_EXIT_FAILED;
    }
    return status;
}
