/* Finding detectors by name in the generated table of families. */
#include "models/detector.h"

#include <stdio.h>
#include <string.h>

#include "models/suggest.h"

enum { LIST_MAX = 448 }; /* bytes of a list of names, with its end: fits into an error's text */

/* The names of all listed detectors; those that do not fit are counted. */
static const char *list_names(char list[LIST_MAX]) {
    static const char others[] = ", and 1000 that `spotter models` lists";
    size_t used = 0;
    int left_out = 0;
    list[0] = '\0';
    for (const struct spot_family *const *family = spot_family_table; *family != NULL; family++) {
        for (int i = 0; i < (*family)->n_detectors; i++) {
            const char *name = (*family)->detectors[i].name;
            if (left_out > 0 || used + strlen(", ") + strlen(name) + sizeof others > LIST_MAX)
                left_out++;
            else
                used += (size_t)snprintf(list + used, LIST_MAX - used, "%s%s", used > 0 ? ", " : "",
                                         name);
        }
    }
    if (left_out > 0)
        snprintf(list + used, LIST_MAX - used, ", and %d that `spotter models` lists", left_out);
    return list;
}

enum spot_status spot_detector_find(const char *name, struct spot_detector *detector,
                                    struct spot_error *error) {
    struct spot_suggestion near;
    spot_suggest_begin(&near, name);
    for (const struct spot_family *const *family = spot_family_table; *family != NULL; family++) {
        for (int i = 0; i < (*family)->n_detectors; i++) {
            const struct spot_detector *listed = &(*family)->detectors[i];
            if (strcmp(listed->name, name) == 0) {
                *detector = *listed;
                return SPOT_OK;
            }
            spot_suggest_offer(&near, listed->name);
        }
        if ((*family)->resolve != NULL && (*family)->resolve(name, detector))
            return SPOT_OK;
    }
    char list[LIST_MAX];
    return spot_fail(error, SPOT_NOT_FOUND, "detector '%.64s' is not known%s; there are %s", name,
                     spot_suggest_text(&near), list_names(list));
}
