/* The pictures in a folder. */
#ifndef SPOT_SERVER_CALIBRATE_PICTURES_H
#define SPOT_SERVER_CALIBRATE_PICTURES_H

#include <stddef.h>

#include "core/arena.h"
#include "core/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_pictures {
    const char **paths; /* sorted */
    size_t count;
    struct spot_arena arena; /* owns all of it */
};

/* Files of the folder itself that end in .jpg, .jpeg, .png or .webp, in any case; at least one. */
enum spot_status spot_pictures_list(const char *folder, struct spot_pictures *pictures,
                                    struct spot_error *error);
void spot_pictures_free(struct spot_pictures *pictures);

/* Keeps `most` of them, spread evenly over the list; 0: all. */
void spot_pictures_thin(struct spot_pictures *pictures, size_t most);

#ifdef __cplusplus
}
#endif
#endif
