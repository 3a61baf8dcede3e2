/* The file of engine choices; see cuda/plan_cache.h. */
#include "cuda/plan_cache.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct spot_plan_cache {
    char path[PATH_MAX];
    json_t *root;  /* the whole file */
    json_t *plans; /* of it; borrowed */
    bool changed;
};

/* A file name for the device: letters and digits, everything else one dash. */
static void make_path(const char *folder, size_t version, const char *device, char *path,
                      size_t size) {
    char name[128];
    size_t length = 0;
    for (const char *at = device; *at != '\0' && length + 1 < sizeof name; at++) {
        if (isalnum((unsigned char)*at))
            name[length++] = (char)tolower((unsigned char)*at);
        else if (length > 0 && name[length - 1] != '-')
            name[length++] = '-';
    }
    name[length] = '\0';
    snprintf(path, size, "%s/cudnn-%zu-%s.json", folder, version, name);
}

/* The file's content if it is for this version and device, else NULL. */
static json_t *read_file(const char *path, size_t version, const char *device) {
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    const char *text = json_string_value(json_object_get(root, "device"));
    bool fits = json_integer_value(json_object_get(root, "cudnn")) == (json_int_t)version &&
                text != NULL && strcmp(text, device) == 0 &&
                json_is_object(json_object_get(root, "plans"));
    if (fits)
        return root;
    json_decref(root);
    return NULL;
}

enum spot_status spot_plan_cache_open(const char *folder, size_t cudnn_version, const char *device,
                                      struct spot_plan_cache **cache, struct spot_error *error) {
    struct spot_plan_cache *self = calloc(1, sizeof *self);
    *cache = NULL;
    if (self != NULL) {
        if (folder[0] != '\0') {
            make_path(folder, cudnn_version, device, self->path, sizeof self->path);
            self->root = read_file(self->path, cudnn_version, device);
        }
        if (self->root == NULL)
            self->root = json_pack("{s:I, s:s, s:{}}", "cudnn", (json_int_t)cudnn_version, "device",
                                   device, "plans");
        self->plans = json_object_get(self->root, "plans");
    }
    if (self == NULL || self->plans == NULL) {
        spot_plan_cache_close(&self);
        return spot_fail(error, SPOT_NO_MEMORY, "cuda: out of memory for the cache of plans");
    }
    *cache = self;
    return SPOT_OK;
}

bool spot_plan_cache_find(const struct spot_plan_cache *cache, const char *key,
                          struct spot_plan *plan) {
    json_t *entry = json_object_get(cache->plans, key);
    json_t *engine = json_object_get(entry, "engine"), *knobs = json_object_get(entry, "knobs");
    const char *type;
    json_t *value;
    if (!json_is_integer(engine) || json_object_size(knobs) > SPOT_PLAN_KNOBS_MAX)
        return false;
    *plan = (struct spot_plan){.engine = json_integer_value(engine)};
    json_object_foreach(knobs, type, value) {
        if (!json_is_integer(value))
            return false;
        plan->knobs[plan->n_knobs].type = strtoll(type, NULL, 10);
        plan->knobs[plan->n_knobs].value = json_integer_value(value);
        plan->n_knobs++;
    }
    return true;
}

void spot_plan_cache_put(struct spot_plan_cache *cache, const char *key,
                         const struct spot_plan *plan) {
    json_t *knobs = json_object();
    for (int i = 0; i < plan->n_knobs; i++) {
        char type[24];
        snprintf(type, sizeof type, "%" PRId64, plan->knobs[i].type);
        json_object_set_new(knobs, type, json_integer(plan->knobs[i].value));
    }
    json_object_set_new(
        cache->plans, key,
        json_pack("{s:I, s:o}", "engine", (json_int_t)plan->engine, "knobs", knobs));
    cache->changed = true;
}

/* Makes the folder and those it lies in. */
static void make_folders(const char *path) {
    char part[PATH_MAX];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(part, 0755);
        *slash = '/';
    }
}

enum spot_status spot_plan_cache_save(struct spot_plan_cache *cache, struct spot_error *error) {
    char temporary[PATH_MAX + 24];
    if (!cache->changed || cache->path[0] == '\0')
        return SPOT_OK;
    make_folders(cache->path);
    snprintf(temporary, sizeof temporary, "%s.%ld", cache->path, (long)getpid());
    if (json_dump_file(cache->root, temporary, JSON_INDENT(1) | JSON_SORT_KEYS) != 0 ||
        rename(temporary, cache->path) != 0) {
        int reason = errno;
        unlink(temporary);
        return spot_fail(error, SPOT_IO, "cuda: the cache of plans cannot be written: %s",
                         strerror(reason));
    }
    cache->changed = false;
    return SPOT_OK;
}

void spot_plan_cache_close(struct spot_plan_cache **cache) {
    if (*cache != NULL)
        json_decref((*cache)->root);
    free(*cache);
    *cache = NULL;
}
