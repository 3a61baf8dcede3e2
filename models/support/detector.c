/* Finding detectors by name in the generated table of families. */
#include "models/detector.h"

#include <stdio.h>
#include <string.h>

enum spot_status spot_detector_find(const char *name, struct spot_detector *detector,
                                    struct spot_error *error) {
    char known[240] = "";
    size_t used = 0;
    for (const struct spot_family *const *family = spot_family_table; *family != NULL; family++) {
        for (int i = 0; i < (*family)->n_detectors; i++) {
            const struct spot_detector *listed = &(*family)->detectors[i];
            if (strcmp(listed->name, name) == 0) {
                *detector = *listed;
                return SPOT_OK;
            }
            int n = snprintf(known + used, sizeof known - used, "%s%s", used > 0 ? ", " : "",
                             listed->name);
            if (n > 0 && used + (size_t)n < sizeof known)
                used += (size_t)n;
            else
                known[used] = '\0';
        }
        if ((*family)->resolve != NULL && (*family)->resolve(name, detector))
            return SPOT_OK;
    }
    return spot_fail(error, SPOT_NOT_FOUND,
                     "detector '%.64s' is not known; `spotter models` lists them: %s", name, known);
}
