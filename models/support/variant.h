/*
 * A family's own switches: the text "key=value,key=value,…" of spot_detector_options.variant, read
 * by a table. Whitespace is not allowed; a key may be given once.
 */
#ifndef SPOT_MODELS_SUPPORT_VARIANT_H
#define SPOT_MODELS_SUPPORT_VARIANT_H

#include "core/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_switch {
    const char *key;
    const char *const *choices; /* names, NULL at the end: *value gets the index; or NULL */
    int min, max;               /* of a number, when there are no choices */
    int *value;                 /* keeps its default when the key is absent */
    int *second;                /* for two numbers "AxB": gets B; else NULL */
};

/* text may be NULL. SPOT_INVALID names the key and what is allowed. */
enum spot_status spot_variant_parse(const char *text, const struct spot_switch *switches,
                                    int n_switches, struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif
