/* Writing safetensors files, for weights that a test makes itself. */
#ifndef TESTS_GOLDEN_WEIGHTS_FILE_H
#define TESTS_GOLDEN_WEIGHTS_FILE_H

#include "core/weights.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { WEIGHTS_FILE_PATH_BYTES = 64 };

/*
 * Writes float32 weights, in any order, to a new file whose name goes to path; the caller removes
 * it. A failure fails the running cmocka test.
 */
void weights_file_write(const struct spot_weights *weights, char path[WEIGHTS_FILE_PATH_BYTES]);

/* The same with one key of metadata, or none (NULL). */
void weights_file_write_metadata(const struct spot_weights *weights, const char *key,
                                 const char *value, char path[WEIGHTS_FILE_PATH_BYTES]);

#ifdef __cplusplus
}
#endif
#endif
