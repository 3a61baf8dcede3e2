/* Finding what comes with the program. */
#include "server/installed.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where each kind of file may lie, seen from the folder of the executable. */
static const char *const weight_folders[] = {"../models/weights", "../share/spotter/weights", NULL};
static const char *const plugin_folders[] = {".", "../lib/spotter", NULL};

/* The folder of the executable; false when the system does not tell. */
static bool own_folder(char *folder, size_t size) {
    ssize_t length = readlink("/proc/self/exe", folder, size - 1);
    if (length <= 0)
        return false;
    folder[length] = '\0';
    char *slash = strrchr(folder, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    return true;
}

/* Writes folder/where/file into path, resolved, when it is a file that can be read. */
static bool try_path(const char *folder, const char *where, const char *file, char *path,
                     size_t size) {
    char joined[PATH_MAX], resolved[PATH_MAX];
    int length = snprintf(joined, sizeof joined, "%s/%s/%s", folder, where, file);
    if (length < 0 || (size_t)length >= sizeof joined || realpath(joined, resolved) == NULL ||
        access(resolved, R_OK) != 0 || strlen(resolved) >= size)
        return false;
    strcpy(path, resolved);
    return true;
}

static bool find(const char *const *folders, const char *file, char *path, size_t size) {
    char folder[PATH_MAX];
    if (strchr(file, '/') != NULL || !own_folder(folder, sizeof folder))
        return false;
    for (; *folders != NULL; folders++)
        if (try_path(folder, *folders, file, path, size))
            return true;
    return false;
}

enum spot_status spot_installed_weights(const char *detector, char *path, size_t size,
                                        struct spot_error *error) {
    /* "codes-": the bundled model, which finds machine-readable codes */
    static const char *const prefixes[] = {"", "codes-", NULL};
    for (const char *const *prefix = prefixes; *prefix != NULL; prefix++) {
        char file[NAME_MAX];
        int length = snprintf(file, sizeof file, "%s%s.safetensors", *prefix, detector);
        if (length > 0 && (size_t)length < sizeof file && find(weight_folders, file, path, size))
            return SPOT_OK;
    }
    return spot_fail(error, SPOT_NOT_FOUND,
                     "no weights come with detector '%.128s'; name a .safetensors file, as in "
                     "--model %.128s=FILE",
                     detector, detector);
}

enum spot_status spot_installed_plugin(const char *file, char *path, size_t size,
                                       struct spot_error *error) {
    if (find(plugin_folders, file, path, size))
        return SPOT_OK;
    return spot_fail(error, SPOT_NOT_FOUND, "plug-in '%.128s' is not installed", file);
}
