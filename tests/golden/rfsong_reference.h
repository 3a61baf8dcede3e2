/* What the tests of RFSong share about its reference results. */
#ifndef TESTS_GOLDEN_RFSONG_REFERENCE_H
#define TESTS_GOLDEN_RFSONG_REFERENCE_H

#include <jansson.h>

#include "tests/golden/weights_file.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { RFSONG_SIDE = 300, RFSONG_LEVELS = 6, RFSONG_PRIORS = 7759, RFSONG_PICTURES = 16 };

struct rfsong_level {
    int map, priors; /* cells on each side, priors in a cell */
};
extern const struct rfsong_level rfsong_levels[RFSONG_LEVELS];

/* The pictures with a file goldens/rfsong-779/<name>.json. */
extern const char *const rfsong_pictures[RFSONG_PICTURES];

/*
 * RFSong-7993, whose trained weights cannot be had, is tested with generated ones. Writes those
 * that tensors.json of the reference lists to a new file, which the caller removes. Fails the
 * running test unless the sha256 over all their bytes is the given one; NULL is not checked.
 */
void rfsong_weights_write(const json_t *tensors, const char *sha256,
                          char path[WEIGHTS_FILE_PATH_BYTES]);

#ifdef __cplusplus
}
#endif
#endif
