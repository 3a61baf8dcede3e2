/* Which backend computes; see server/backend_choice.h. */
#include "server/backend_choice.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "server/bundled.h"
#include "server/log.h"

static const char *const plugin_folders[] = {".", "../lib/spotter", NULL};

/* The absolute path of the plug-in: as configured, else as installed. */
static enum spot_status find_plugin(const struct spot_options *options, char path[PATH_MAX],
                                    struct spot_error *error) {
    if (options->cuda.plugin == NULL)
        return spot_bundled_path(plugin_folders, SPOT_CUDA_PLUGIN, path, error);
    if (realpath(options->cuda.plugin, path) == NULL)
        return spot_fail(error, SPOT_NOT_FOUND, "cuda.plugin '%.200s' cannot be found: %s",
                         options->cuda.plugin, strerror(errno));
    return SPOT_OK;
}

static enum spot_status open_cuda(const struct spot_options *options, struct spot_device **device,
                                  bool *has_plugin, struct spot_error *error) {
    char path[PATH_MAX];
    *device = NULL;
    *has_plugin = true;
    if (spot_backend_find("cuda") == NULL) {
        enum spot_status status = find_plugin(options, path, error);
        *has_plugin = status == SPOT_OK;
        if (status == SPOT_OK)
            status = spot_backend_load(path, error);
        if (status != SPOT_OK)
            return status;
    }
    return spot_device_open("cuda", NULL, device, error);
}

enum spot_status spot_server_device_open(const struct spot_options *options,
                                         struct spot_device **device, struct spot_error *error) {
    bool is_auto = strcmp(options->backend, "auto") == 0, has_plugin = false;
    if (!is_auto && strcmp(options->backend, "cuda") != 0)
        return spot_device_open(options->backend, NULL, device, error);
    struct spot_error reason;
    enum spot_status status = open_cuda(options, device, &has_plugin, &reason);
    if (status == SPOT_OK)
        return SPOT_OK;
    if (is_auto) {
        spot_log(options->cuda.plugin != NULL ? SPOT_LOG_WARN
                 : has_plugin                 ? SPOT_LOG_INFO
                                              : SPOT_LOG_DEBUG,
                 spot_event("backend_choice"), spot_text("backend", "cpu"),
                 spot_text("reason", reason.text));
        return spot_device_open("cpu", NULL, device, error);
    }
    *error = reason;
    return status;
}
