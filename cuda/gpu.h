/*
 * The device of the CUDA backend: one GPU of this machine or several. A program is compiled for
 * each of them, lanes are dealt out to them in turn, and all take from the server's one queue.
 *
 * Device settings, for tests and tuning, "key=value,…":
 *   gpu=N             this GPU alone (all that the process may see)
 *   graphs=on|off     run batches as CUDA graphs, captured when a lane is made (on)
 *   tune=on|off       time convolutions of our own against cuDNN's when a program is compiled, and
 *                     run a program once before its first capture (on); off takes what is expected
 *                     to be faster
 *   cudnn=on|off      use cuDNN where it has an engine (on); off is slow
 *   workspace_mib=N   workspace that one cuDNN convolution may use (256)
 *   plans=DIR|off     where choices of cuDNN engines are kept ($CACHE_DIRECTORY, else
 *                     $XDG_CACHE_HOME/spotter, else ~/.cache/spotter)
 */
#ifndef SPOT_CUDA_GPU_H
#define SPOT_CUDA_GPU_H

#include <limits.h>
#include <pthread.h>

#include "core/backend.h"
#include "cuda/cudnn_conv.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SPOT_CUDA_GPUS_MAX = 16,
    SPOT_CUDA_LANES = 2, /* for each GPU: while one computes the other copies */
};

struct spot_cuda_settings {
    int gpu; /* -1: all */
    bool graphs, tune, cudnn;
    size_t workspace_max; /* bytes */
    char plans[PATH_MAX]; /* "": not kept */
};

struct spot_cuda_gpu {
    int number; /* the runtime's */
    char name[128];
    int major, minor;              /* compute capability */
    struct spot_cudnn *cudnn;      /* for plans; lanes have handles of their own */
    struct spot_plan_cache *cache; /* shared by GPUs of one kind */
};

struct spot_cuda_device {
    struct spot_device base;
    struct spot_cuda_settings settings;
    struct spot_cuda_gpu gpus[SPOT_CUDA_GPUS_MAX];
    int n_gpus;
    void (*warn)(const char *text); /* spot_device_options */
    pthread_mutex_t lock;           /* guards death */
    struct spot_error death; /* why nothing is submitted any more; SPOT_OK while all GPUs work */
};

/* Fills settings with the defaults, then with those of text (may be NULL). */
enum spot_status spot_cuda_settings_parse(const char *text, struct spot_cuda_settings *settings,
                                          struct spot_error *error);

/*
 * Opens the GPUs. SPOT_UNSUPPORTED when there is none that can be used: the text, one sentence,
 * says why (no driver, no GPU, one that is too old, cuDNN that does not start).
 */
enum spot_status spot_cuda_device_open(const struct spot_device_options *options,
                                       struct spot_cuda_device **device, struct spot_error *error);
void spot_cuda_device_close(struct spot_cuda_device **device);

/* Makes a GPU the one that calls on this thread are for. */
enum spot_status spot_cuda_gpu_use(const struct spot_cuda_gpu *gpu, struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif
