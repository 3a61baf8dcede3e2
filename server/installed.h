/*
 * Files that come with the program, found from its own place: in the source tree (build/spotter),
 * or under an installation prefix (bin/spotter, share/spotter, lib/spotter).
 */
#ifndef SPOT_SERVER_INSTALLED_H
#define SPOT_SERVER_INSTALLED_H

#include <stddef.h>

#include "core/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The detector and the file of weights that are served when nobody names a model. */
#define SPOT_BUNDLED_NAME "codes"
#define SPOT_BUNDLED_DETECTOR "nanodet-m-320"

/*
 * Writes the path of the weights that come with a detector into path (size bytes). SPOT_NOT_FOUND
 * when there are none.
 */
enum spot_status spot_installed_weights(const char *detector, char *path, size_t size,
                                        struct spot_error *error);

/* The same for a plug-in, such as "spotter-cuda.so". */
enum spot_status spot_installed_plugin(const char *file, char *path, size_t size,
                                       struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif
