/* Finding and opening GPUs; see cuda/gpu.h. */
#include "cuda/gpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/fault.h"

enum {
    OLDEST_MAJOR = 7, /* the kernels are made for compute capability 7.5 and later */
    OLDEST_MINOR = 5,
    WORKSPACE_MIB = 256,
    WORKSPACE_MIB_MAX = 65536,
};

/* ---- settings ---- */

/* Where choices of engines are kept unless the settings say. */
static void default_folder(char *folder, size_t size) {
    const char *home;
    int length = 0;
    if ((home = getenv("CACHE_DIRECTORY")) != NULL && home[0] == '/')
        length = snprintf(folder, size, "%s", home);
    else if ((home = getenv("XDG_CACHE_HOME")) != NULL && home[0] == '/')
        length = snprintf(folder, size, "%s/spotter", home);
    else if ((home = getenv("HOME")) != NULL && home[0] == '/')
        length = snprintf(folder, size, "%s/.cache/spotter", home);
    if (length <= 0 || (size_t)length >= size)
        folder[0] = '\0';
}

/* A whole number from low to high. */
static bool parse_number(const char *text, long low, long high, long *number) {
    char *end;
    *number = strtol(text, &end, 10);
    return end != text && *end == '\0' && *number >= low && *number <= high;
}

static bool parse_switch(const char *text, bool *value) {
    *value = strcmp(text, "on") == 0;
    return *value || strcmp(text, "off") == 0;
}

/* One setting; false when it is none. */
static bool apply(const char *key, const char *value, struct spot_cuda_settings *settings) {
    static const struct {
        const char *key;
        size_t offset; /* of a bool */
    } switches[] = {
        {"graphs", offsetof(struct spot_cuda_settings, graphs)},
        {"tune", offsetof(struct spot_cuda_settings, tune)},
        {"cudnn", offsetof(struct spot_cuda_settings, cudnn)},
    };
    long number;
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
        if (strcmp(key, switches[i].key) == 0)
            return parse_switch(value, (bool *)((char *)settings + switches[i].offset));
    if (strcmp(key, "gpu") == 0 && parse_number(value, 0, INT_MAX, &number)) {
        settings->gpu = (int)number;
        return true;
    }
    if (strcmp(key, "workspace_mib") == 0 && parse_number(value, 0, WORKSPACE_MIB_MAX, &number)) {
        settings->workspace_max = (size_t)number << 20;
        return true;
    }
    if (strcmp(key, "plans") == 0 && (value[0] == '/' || strcmp(value, "off") == 0)) {
        snprintf(settings->plans, sizeof settings->plans, "%s", value[0] == '/' ? value : "");
        return true;
    }
    return false;
}

enum spot_status spot_cuda_settings_parse(const char *text, struct spot_cuda_settings *settings,
                                          struct spot_error *error) {
    *settings = (struct spot_cuda_settings){.gpu = -1,
                                            .graphs = true,
                                            .tune = true,
                                            .cudnn = true,
                                            .workspace_max = (size_t)WORKSPACE_MIB << 20};
    default_folder(settings->plans, sizeof settings->plans);
    char pair[PATH_MAX];
    while (text != NULL && *text != '\0') {
        size_t length = strcspn(text, ",");
        snprintf(pair, sizeof pair, "%.*s", (int)(length < sizeof pair ? length : 0), text);
        char *value = strchr(pair, '=');
        if (value != NULL)
            *value++ = '\0';
        if (value == NULL || !apply(pair, value, settings))
            return spot_fail(error, SPOT_INVALID,
                             "cuda: '%.*s' is no setting; gpu=N, graphs, tune and cudnn=on or off, "
                             "workspace_mib=N and plans=DIR or off are",
                             (int)length, text);
        text += length + (text[length] == ',');
    }
    return SPOT_OK;
}

/* ---- GPUs ---- */

enum spot_status spot_cuda_gpu_use(const struct spot_cuda_gpu *gpu, struct spot_error *error) {
    return spot_cuda_status(cudaSetDevice(gpu->number), "the GPU cannot be used", error);
}

/* How many GPUs there are; without any, why. cudaGetDeviceCount leaves count alone on an error. */
static enum spot_status count_gpus(int *count, struct spot_error *error) {
    *count = 0;
    cudaError_t result = cudaGetDeviceCount(count);
    if (result == cudaErrorInsufficientDriver) {
        int driver = 0;
        (void)cudaDriverGetVersion(&driver);
        (void)cudaGetLastError();
        *count = 0;
        if (driver == 0)
            return spot_fail(error, SPOT_UNSUPPORTED, "cuda: no NVIDIA driver is installed");
        return spot_fail(error, SPOT_UNSUPPORTED,
                         "cuda: the NVIDIA driver is for CUDA %d.%d, this build needs %d.%d",
                         driver / 1000, driver % 1000 / 10, CUDART_VERSION / 1000,
                         CUDART_VERSION % 1000 / 10);
    }
    if (result == cudaErrorNoDevice || (result == cudaSuccess && *count == 0)) {
        (void)cudaGetLastError();
        *count = 0;
        return spot_fail(error, SPOT_UNSUPPORTED, "cuda: there is no NVIDIA GPU");
    }
    if (result != cudaSuccess) {
        (void)cudaGetLastError();
        *count = 0;
        return spot_fail(error, SPOT_UNSUPPORTED, "cuda: no GPU can be used: %s",
                         cudaGetErrorString(result));
    }
    return SPOT_OK;
}

static bool same_kind(const struct spot_cuda_gpu *a, const struct spot_cuda_gpu *b) {
    return strcmp(a->name, b->name) == 0 && a->major == b->major && a->minor == b->minor;
}

/* The cache of this GPU's plans: that of another one of its kind, so that they compute alike. */
static enum spot_status open_cache(const struct spot_cuda_device *device, struct spot_cuda_gpu *gpu,
                                   struct spot_error *error) {
    char kind[160];
    for (int i = 0; i < device->n_gpus && gpu->cache == NULL; i++)
        if (same_kind(&device->gpus[i], gpu))
            gpu->cache = device->gpus[i].cache;
    if (gpu->cache != NULL)
        return SPOT_OK;
    snprintf(kind, sizeof kind, "%s sm_%d%d", gpu->name, gpu->major, gpu->minor);
    return spot_plan_cache_open(device->settings.plans, spot_cudnn_version(), kind, &gpu->cache,
                                error);
}

/* Frees what the last GPU has; a cache with the first that has it. */
static void close_last_gpu(struct spot_cuda_device *device) {
    struct spot_cuda_gpu *gpu = &device->gpus[--device->n_gpus];
    bool shared = false;
    for (int i = 0; i < device->n_gpus; i++)
        shared = shared || device->gpus[i].cache == gpu->cache;
    spot_cudnn_free(&gpu->cudnn);
    if (!shared)
        spot_plan_cache_close(&gpu->cache);
}

static enum spot_status open_gpu(struct spot_cuda_device *device, int number,
                                 struct spot_error *error) {
    struct spot_cuda_gpu *gpu = &device->gpus[device->n_gpus];
    struct cudaDeviceProp properties;
    *gpu = (struct spot_cuda_gpu){.number = number};
    enum spot_status status =
        spot_cuda_status(cudaGetDeviceProperties(&properties, number), "a GPU", error);
    if (status != SPOT_OK)
        return status;
    snprintf(gpu->name, sizeof gpu->name, "%.127s", properties.name);
    gpu->major = properties.major;
    gpu->minor = properties.minor;
    if (gpu->major * 10 + gpu->minor < OLDEST_MAJOR * 10 + OLDEST_MINOR)
        return spot_fail(error, SPOT_UNSUPPORTED,
                         "cuda: %.100s has compute capability %d.%d, %d.%d or later is needed",
                         gpu->name, gpu->major, gpu->minor, OLDEST_MAJOR, OLDEST_MINOR);
    status = spot_cuda_gpu_use(gpu, error);
    if (status == SPOT_OK && device->settings.cudnn)
        status = spot_cudnn_new(NULL, &gpu->cudnn, error);
    if (status == SPOT_OK)
        status = open_cache(device, gpu, error);
    if (status == SPOT_OK)
        device->n_gpus++;
    else
        spot_cudnn_free(&gpu->cudnn);
    return status;
}

/* All GPUs, passing over those that cannot be used as long as one can. */
static enum spot_status open_all(struct spot_cuda_device *device, struct spot_error *error) {
    const struct spot_cuda_settings *settings = &device->settings;
    int count = 0;
    enum spot_status status = count_gpus(&count, error);
    if (status == SPOT_OK && settings->gpu >= count)
        return spot_fail(error, SPOT_UNSUPPORTED, "cuda: there is no GPU %d; there %s %d",
                         settings->gpu, count == 1 ? "is" : "are", count);
    if (status != SPOT_OK)
        return status;
    int first = settings->gpu >= 0 ? settings->gpu : 0;
    int end = settings->gpu >= 0 ? settings->gpu + 1 : count;
    struct spot_error other;
    for (int i = first; i < end && device->n_gpus < SPOT_CUDA_GPUS_MAX; i++) {
        enum spot_status opened = open_gpu(device, i, i == first ? error : &other);
        if (i == first)
            status = opened;
    }
    return device->n_gpus > 0 ? SPOT_OK : status;
}

enum spot_status spot_cuda_device_open(const struct spot_device_options *options,
                                       struct spot_cuda_device **device, struct spot_error *error) {
    struct spot_cuda_device *self = calloc(1, sizeof *self);
    *device = NULL;
    if (self == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "cuda: out of memory");
    self->warn = options->warn;
    pthread_mutex_init(&self->lock, NULL);
    enum spot_status status = spot_cuda_settings_parse(options->settings, &self->settings, error);
    if (status == SPOT_OK)
        status = open_all(self, error);
    if (status != SPOT_OK)
        spot_cuda_device_close(&self);
    *device = self;
    return status;
}

void spot_cuda_device_close(struct spot_cuda_device **device) {
    struct spot_cuda_device *self = *device;
    *device = NULL;
    if (self == NULL)
        return;
    while (self->n_gpus > 0)
        close_last_gpu(self);
    pthread_mutex_destroy(&self->lock);
    free(self);
}
