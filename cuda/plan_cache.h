/*
 * The choices of cuDNN engines, kept in a file from one start to the next: starting is quicker, and
 * a machine computes the same after a restart as before.
 *
 * A file holds the choices for one version of cuDNN and one kind of GPU, both in its name and in
 * its text, as JSON: {"cudnn": 91900, "device": "…", "plans": {"<shape>": {"engine": 41,
 * "knobs": {"3": 1}}}}. A file that is damaged, of another version or of another device is as good
 * as none; one that cannot be written is no error. Not for several threads at once.
 */
#ifndef SPOT_CUDA_PLAN_CACHE_H
#define SPOT_CUDA_PLAN_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SPOT_PLAN_KNOBS_MAX = 32,
    SPOT_PLAN_KEY_MAX = 192,
    SPOT_PLAN_OWN = -1, /* in place of an engine: our own kernel was faster */
};

/* An engine and how its knobs are set, in cuDNN's numbers. */
struct spot_plan {
    int64_t engine;
    int n_knobs;
    struct {
        int64_t type, value;
    } knobs[SPOT_PLAN_KNOBS_MAX];
};

struct spot_plan_cache;

/*
 * Reads the file for this device in folder; an empty cache when there is none. With the folder ""
 * nothing is read or saved.
 */
enum spot_status spot_plan_cache_open(const char *folder, size_t cudnn_version, const char *device,
                                      struct spot_plan_cache **cache, struct spot_error *error);

/* Whether there is a plan for this key; fills it in. */
bool spot_plan_cache_find(const struct spot_plan_cache *cache, const char *key,
                          struct spot_plan *plan);

/* Remembers a plan. */
void spot_plan_cache_put(struct spot_plan_cache *cache, const char *key,
                         const struct spot_plan *plan);

/* Writes what is new, replacing the file as a whole. */
enum spot_status spot_plan_cache_save(struct spot_plan_cache *cache, struct spot_error *error);

/* NULL is accepted. Does not save. */
void spot_plan_cache_close(struct spot_plan_cache **cache);

#ifdef __cplusplus
}
#endif
#endif
