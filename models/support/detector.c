/* Finding detectors by name in the generated table of families. */
#include "models/detector.h"

#include <string.h>

#include "models/suggest.h"

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
    return spot_fail(error, SPOT_NOT_FOUND,
                     "detector '%.64s' is not known%s; `spotter models` lists all there are", name,
                     spot_suggest_text(&near));
}
