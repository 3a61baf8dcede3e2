/*
 * From the options to a device: which backend computes, and where its plug-in lies.
 */
#ifndef SPOT_SERVER_BACKEND_CHOICE_H
#define SPOT_SERVER_BACKEND_CHOICE_H

#include "core/backend.h"
#include "server/options.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The CUDA plug-in's file, beside the executable or in ../lib/spotter. */
#define SPOT_CUDA_PLUGIN "spotter-cuda.so"

/*
 * Opens the device that options->backend names. "auto" takes cuda when its plug-in is there and
 * finds a GPU, else cpu, and logs why it is not cuda: as a warning when cuda.plugin was given, at
 * level debug when there is no plug-in, else as information. Loads the plug-in at most once. The
 * device is the caller's, to be closed with spot_device_close. Call it on one thread at a time.
 */
enum spot_status spot_server_device_open(const struct spot_options *options,
                                         struct spot_device **device, struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif
