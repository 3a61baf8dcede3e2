/* Sets of class names that come with the program, one name a line, from the files in config/labels.
 */
#ifndef SPOT_MODELS_SUPPORT_LABELS_H
#define SPOT_MODELS_SUPPORT_LABELS_H

#include "core/arena.h"
#include "core/error.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const char spot_labels_coco80[];
extern const char spot_labels_person[];

/* The set with this name ("coco80"), or NULL. */
const char *spot_labels_find(const char *name);

/*
 * Splits text into its lines, into a list owned by the arena; a trailing newline ends the last
 * name. SPOT_INVALID for an empty name, a name over 255 bytes or more than SPOT_CLASSES_MAX names.
 */
enum spot_status spot_labels_split(const char *text, struct spot_arena *arena, const char ***names,
                                   int *count, struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif
