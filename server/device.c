/* Choosing the device: a list of names to try, in order. */
#include "server/device.h"

#include <stdio.h>
#include <string.h>

#include "cpu/cpu.h"
#include "server/installed.h"
#include "server/log.h"

static const char cuda_plugin[] = "spotter-cuda.so";

void spot_device_register_backends(void) {
    spot_backend_register(&spot_backend_cpu);
}

/* Puts the backend into the table when it is a plug-in that is not there yet. */
static enum spot_status provide(const char *name, const struct spot_options *options,
                                struct spot_error *error) {
    char path[4096];
    if (strcmp(name, "cuda") != 0 || spot_backend_find(name) != NULL)
        return SPOT_OK;
    if (options->cuda.plugin != NULL)
        return spot_backend_load(options->cuda.plugin, error);
    enum spot_status status = spot_installed_plugin(cuda_plugin, path, sizeof path, error);
    return status == SPOT_OK ? spot_backend_load(path, error) : status;
}

static void warn(const char *text) {
    spot_log(SPOT_LOG_WARN, spot_event("device"), spot_text("warning", text));
}

static enum spot_status open_named(const char *name, const struct spot_options *options,
                                   struct spot_chosen_device *chosen, struct spot_error *error) {
    struct spot_device_options how = {.settings = options->backend_settings, .warn = warn};
    enum spot_status status = provide(name, options, error);
    if (status == SPOT_OK)
        status = spot_device_open(name, &how, &chosen->device, error);
    if (status != SPOT_OK)
        return status;
    chosen->backend = chosen->device->backend->name;
    chosen->device->backend->describe(chosen->device, &chosen->info);
    return SPOT_OK;
}

/* Whether a model is to compute in int8. Before models are named, the first entry holds the flags.
 */
static bool wants_int8(const struct spot_options *options) {
    size_t count = options->model_count > 0 ? options->model_count : 1;
    for (size_t i = 0; i < count; i++)
        if (strcmp(options->models[i].precision, "int8") == 0)
            return true;
    return false;
}

enum spot_status spot_device_choose(const struct spot_options *options,
                                    struct spot_chosen_device *chosen, struct spot_error *error) {
    struct spot_error why;
    memset(chosen, 0, sizeof *chosen);
    if (strcmp(options->backend, "auto") != 0)
        return open_named(options->backend, options, chosen, error);
    if (wants_int8(options))
        spot_fail(&why, SPOT_UNSUPPORTED, "int8 is computed on the CPU only");
    else if (open_named("cuda", options, chosen, &why) == SPOT_OK)
        return SPOT_OK;
    snprintf(chosen->passed_over, sizeof chosen->passed_over, "%s", why.text);
    return open_named("cpu", options, chosen, error);
}
