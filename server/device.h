/*
 * The device that the options ask for, for every command that computes.
 *
 * "auto" takes a GPU when its plug-in is there and works, else the CPU; the CPU too when a model is
 * to compute in int8, which no other backend does. What was passed over, and why, is one sentence
 * for the log.
 */
#ifndef SPOT_SERVER_DEVICE_H
#define SPOT_SERVER_DEVICE_H

#include "core/backend.h"
#include "server/options.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_chosen_device {
    struct spot_device *device; /* owned */
    const char *backend;        /* its name: "cpu" */
    struct spot_device_info info;
    char passed_over[sizeof(struct spot_error)]; /* "": nothing was */
};

/* Registers the backends that are linked into the program; before anything else here. Once. */
void spot_device_register_backends(void);

/* Opens the device. The error says why none of those asked for works. */
enum spot_status spot_device_choose(const struct spot_options *options,
                                    struct spot_chosen_device *chosen, struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif
