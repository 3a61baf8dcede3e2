/* Sides in names; see models/support/sides.h. */
#include "models/support/sides.h"

#include <stdio.h>
#include <string.h>

/* The side written in digits at the end of a name, or 0 when it is none of those allowed. */
static int parse_side(const char *digits) {
    for (int side = SPOT_SIDE_MIN; side <= SPOT_SIDE_MAX; side += SPOT_SIDE_STEP) {
        char text[16];
        snprintf(text, sizeof text, "%d", side);
        if (strcmp(digits, text) == 0)
            return side;
    }
    return 0;
}

bool spot_resolve_side(const struct spot_detector *detectors, int n_detectors, const char *name,
                       struct spot_detector *detector) {
    const char *dash = strrchr(name, '-');
    int side = dash != NULL ? parse_side(dash + 1) : 0;
    if (side == 0)
        return false;
    size_t stem = (size_t)(dash - name) + 1;
    for (int i = 0; i < n_detectors; i++) {
        const char *listed = detectors[i].name;
        if (strncmp(listed, name, stem) != 0 || parse_side(listed + stem) == 0)
            continue;
        *detector = detectors[i];
        snprintf(detector->name, sizeof detector->name, "%s", name);
        detector->input_height = detector->input_width = side;
        return true;
    }
    return false;
}
