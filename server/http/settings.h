/*
 * Settings: what of the configuration requests depend on, and what the files it names hold. A set
 * is read-only and counted. A request keeps the one it began with; a reload puts another in place.
 */
#ifndef SPOT_SERVER_HTTP_SETTINGS_H
#define SPOT_SERVER_HTTP_SETTINGS_H

#include "server/atomics.h"
#include "server/http/keys.h"
#include "server/http/tls.h"
#include "server/options.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_settings {
    struct spot_options options; /* owned */
    struct spot_keys *keys;      /* NULL: everybody may ask */
    const char **origins;        /* of pages that may ask, ended by NULL; or NULL */
    struct spot_tls *tls;        /* owned until it is shown; NULL: plain HTTP, or shown already */
    /* private */
    atomic_int references;
};

/*
 * Takes the options (*options is empty afterwards, also on failure) and reads the files that they
 * name. The error says which one is wrong.
 */
enum spot_status spot_settings_new(struct spot_options *options, struct spot_settings **settings,
                                   struct spot_error *error);

/* Counts one user more; returns settings. Any thread. */
struct spot_settings *spot_settings_hold(struct spot_settings *settings);

/* One user less; the last one frees. NULL is accepted; *settings becomes NULL. Any thread. */
void spot_settings_release(struct spot_settings **settings);

/* What to answer to a page of this origin: the same, or "*"; NULL: it may not read answers. */
const char *spot_settings_origin(const struct spot_settings *settings, const char *origin);

#ifdef __cplusplus
}
#endif
#endif
