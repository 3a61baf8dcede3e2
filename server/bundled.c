/* Files that come with the program; see server/bundled.h. */
#include "server/bundled.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct spot_bundled spot_bundled_table[] = {
    {"codes", "nanodet-m-320", "codes-nanodet-m-320.safetensors"},
    {0},
};

static const char *const weight_folders[] = {"../models/weights", "../share/spotter/weights", NULL};

const struct spot_bundled *spot_bundled_find(const char *detector) {
    for (const struct spot_bundled *bundled = spot_bundled_table; bundled->name != NULL; bundled++)
        if (strcmp(bundled->detector, detector) == 0)
            return bundled;
    return NULL;
}

/* The folder of the executable, without a slash at its end unless it is the root. */
static enum spot_status program_folder(char folder[PATH_MAX], struct spot_error *error) {
    ssize_t length = readlink("/proc/self/exe", folder, PATH_MAX - 1);
    if (length < 0)
        return spot_fail(error, SPOT_IO, "the program cannot tell where it lies: %s",
                         strerror(errno));
    folder[length] = '\0';
    char *slash = strrchr(folder, '/');
    if (slash != NULL)
        *(slash == folder ? slash + 1 : slash) = '\0';
    return SPOT_OK;
}

enum spot_status spot_bundled_path(const char *const *folders, const char *file,
                                   char path[PATH_MAX], struct spot_error *error) {
    char base[PATH_MAX], joined[2 * PATH_MAX];
    enum spot_status status = program_folder(base, error);
    for (; status == SPOT_OK && *folders != NULL; folders++) {
        int length = snprintf(joined, sizeof joined, "%s/%s/%s", base, *folders, file);
        if (length > 0 && (size_t)length < sizeof joined && realpath(joined, path) != NULL)
            return SPOT_OK;
    }
    return status != SPOT_OK
               ? status
               : spot_fail(error, SPOT_NOT_FOUND, "'%s' is not installed with this program", file);
}

static enum spot_status complete_model(struct spot_options *options, struct spot_model_entry *model,
                                       struct spot_error *error) {
    char path[PATH_MAX];
    const struct spot_bundled *bundled = spot_bundled_find(model->detector);
    if (bundled == NULL)
        return spot_fail(error, SPOT_NOT_FOUND,
                         "model '%s': no weights come with detector %.64s; name a file, such as "
                         "--model %.64s=FILE.safetensors",
                         model->name, model->detector, model->detector);
    enum spot_status status = spot_bundled_path(weight_folders, bundled->file, path, error);
    if (status != SPOT_OK) {
        spot_error_prefix(error, "model '%s'", model->name);
        return status;
    }
    model->weights = spot_arena_strdup(&options->arena, path);
    return model->weights != NULL ? SPOT_OK : spot_fail(error, SPOT_NO_MEMORY, "out of memory");
}

enum spot_status spot_bundled_complete(struct spot_options *options, struct spot_error *error) {
    if (options->model_count == 0) {
        /* models[0] already holds what flags and variables say of every model. */
        options->models[0].name = spot_bundled_table[0].name;
        options->models[0].detector = spot_bundled_table[0].detector;
        options->model_count = 1;
    }
    enum spot_status status = SPOT_OK;
    for (size_t i = 0; status == SPOT_OK && i < options->model_count; i++)
        if (options->models[i].weights == NULL)
            status = complete_model(options, &options->models[i], error);
    return status;
}
