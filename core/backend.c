/* The table of backends, plug-in loading, names of precisions. */
#include "core/backend.h"

#include "core/backends/builtin.h"

#include <dlfcn.h>
#include <string.h>

enum { BACKENDS_MAX = 8 };

static const struct spot_backend *backends[BACKENDS_MAX] = {
    &spot_backend_reference,
    &spot_backend_null,
};

void spot_backend_register(const struct spot_backend *backend) {
    for (int i = 0; i < BACKENDS_MAX; i++) {
        if (backends[i] == backend)
            return;
        if (backends[i] == NULL) {
            backends[i] = backend;
            return;
        }
    }
}

const struct spot_backend *spot_backend_find(const char *name) {
    for (int i = 0; i < BACKENDS_MAX && backends[i] != NULL; i++)
        if (strcmp(backends[i]->name, name) == 0)
            return backends[i];
    return NULL;
}

enum spot_status spot_backend_load(const char *path, struct spot_error *error) {
    if (path[0] != '/')
        return spot_fail(error, SPOT_INVALID, "plug-in '%s': an absolute path is needed", path);
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (object == NULL)
        return spot_fail(error, SPOT_NOT_FOUND, "plug-in cannot be loaded: %s", dlerror());
    const struct spot_backend *(*entry)(void) = NULL;
    void *symbol = dlsym(object, "spot_backend_entry");
    memcpy(&entry, &symbol, sizeof entry); /* ISO C has no cast from object to function pointer */
    const struct spot_backend *backend = entry != NULL ? entry() : NULL;
    if (backend == NULL || backend->abi != SPOT_BACKEND_ABI) {
        enum spot_status status =
            backend == NULL
                ? spot_fail(error, SPOT_UNSUPPORTED, "plug-in '%s' is not a backend", path)
                : spot_fail(error, SPOT_UNSUPPORTED,
                            "plug-in '%s' has interface %u, this program needs %u", path,
                            (unsigned)backend->abi, (unsigned)SPOT_BACKEND_ABI);
        dlclose(object);
        return status;
    }
    spot_backend_register(backend);
    return SPOT_OK;
}

enum spot_status spot_device_open(const char *backend, const struct spot_device_options *options,
                                  struct spot_device **device, struct spot_error *error) {
    *device = NULL;
    const struct spot_backend *found = spot_backend_find(backend);
    if (found == NULL)
        return spot_fail(error, SPOT_NOT_FOUND, "backend '%s' is not part of this program",
                         backend);
    struct spot_device_options defaults = {.settings = NULL};
    return found->open(options != NULL ? options : &defaults, device, error);
}

void spot_device_close(struct spot_device **device) {
    if (*device != NULL)
        (*device)->backend->close(*device);
    *device = NULL;
}

static const char *const precision_names[SPOT_PRECISION_COUNT] = {
    [SPOT_PRECISION_AUTO] = "auto", [SPOT_PRECISION_F32] = "f32",   [SPOT_PRECISION_BF16] = "bf16",
    [SPOT_PRECISION_F16] = "f16",   [SPOT_PRECISION_INT8] = "int8",
};

const char *spot_precision_name(enum spot_precision precision) {
    return precision_names[precision];
}

bool spot_precision_parse(const char *text, enum spot_precision *precision) {
    for (int i = 0; i < SPOT_PRECISION_COUNT; i++) {
        if (strcmp(text, precision_names[i]) == 0) {
            *precision = (enum spot_precision)i;
            return true;
        }
    }
    return false;
}
