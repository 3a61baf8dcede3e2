/*
 * Models in service: a loaded model with its name, its place at the batcher and its defaults; and
 * the set of those that are in service together.
 *
 * Both are shared by references. A request holds the set it began with, so that a reload can put
 * another set in service while requests end on the old one. After loading they are read-only.
 */
#ifndef SPOT_SERVER_SERVED_H
#define SPOT_SERVER_SERVED_H

#include "models/model.h"
#include "server/atomics.h"
#include "server/batcher.h"
#include "server/digest.h"
#include "server/metrics.h"
#include "server/model_setup.h"
#include "server/options.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_served {
    char *name;     /* what clients call it */
    char *detector; /* which detector it is */
    char digest[SPOT_DIGEST_MAX];
    const char *backend; /* static */
    struct spot_model *model;
    const struct spot_model_info *info; /* the model's */
    struct spot_station *station;
    struct spot_model *tensor_model; /* takes the network's input in place of pictures; or NULL */
    struct spot_station *tensor_station;
    bool reduced_decoding;        /* of pictures larger than the model sees */
    struct spot_request defaults; /* parameters of a request that names none */
    struct spot_model_metrics *metrics;
    /* private */
    atomic_int references;
};

struct spot_served_set {
    int count;
    struct spot_served *items[SPOT_MODELS_MAX]; /* the first is the default one */
    /* private */
    atomic_int references;
};

/* What models are loaded for. */
struct spot_served_context {
    struct spot_device *device;
    const char *backend;
    bool batch_pays;
    int lanes_default; /* of the device: what one instance of a model occupies */
    struct spot_batcher *batcher;
    struct spot_metrics *metrics;
};

/*
 * Loads every model of the options, which are complete (spot_model_setup_complete), and measures
 * what its batches cost. On failure nothing is kept and the error names the model.
 */
enum spot_status spot_served_load(const struct spot_served_context *context,
                                  const struct spot_options *options, struct spot_served_set **set,
                                  struct spot_error *error);

/* Counts one user more; returns set. */
struct spot_served_set *spot_served_hold(struct spot_served_set *set);

/* One user less; the last one frees the set and its models. NULL is accepted; *set becomes NULL. */
void spot_served_release(struct spot_served_set **set);

/* The model with this name; the default one for NULL; NULL when there is none. */
struct spot_served *spot_served_find(const struct spot_served_set *set, const char *name);

#ifdef __cplusplus
}
#endif
#endif
