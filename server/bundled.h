/*
 * Files that come with the program, found from where its executable lies: in a build folder of the
 * source, or installed below a common prefix.
 */
#ifndef SPOT_SERVER_BUNDLED_H
#define SPOT_SERVER_BUNDLED_H

#include <limits.h>

#include "server/options.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Trained weights that come with the program. */
struct spot_bundled {
    const char *name;     /* what a model is called that nobody named: "codes" */
    const char *detector; /* "nanodet-m-320" */
    const char *file;     /* in the folder of weights */
};

/* Ended by an entry without a name. The first is the model when none is named. */
extern const struct spot_bundled spot_bundled_table[];

/* The weights that come with this detector, or NULL. */
const struct spot_bundled *spot_bundled_find(const char *detector);

/*
 * Writes the absolute path of a file to path. Folders, ended by NULL, are tried in order, relative
 * to that of the executable. SPOT_NOT_FOUND when none has the file.
 */
enum spot_status spot_bundled_path(const char *const *folders, const char *file,
                                   char path[PATH_MAX], struct spot_error *error);

/*
 * Completes the models of the options: when none was named, the first bundled one becomes the only
 * model; a model without weights gets those that come with its detector. SPOT_NOT_FOUND, naming
 * the model, when there are none.
 */
enum spot_status spot_bundled_complete(struct spot_options *options, struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif
