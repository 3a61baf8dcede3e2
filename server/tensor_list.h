/*
 * What a detector expects of a weights file, as JSON, for tools that make such files:
 *
 *   { "detector": "nanodet-m-320", "classes": 80,
 *     "tensors": [ { "name": "backbone.conv1.0.weight", "shape": [24, 3, 3, 3] }, … ],
 *     "layers": [ { "name": "backbone.conv1.0", "operator": "conv2d", "after": [],
 *                   "norm": "backbone.conv1.1", "epsilon": 1e-05 }, … ] }
 *
 * Layers are the operators that have a <name>.weight, in the order in which they run; "after" names
 * the layers whose outputs reach it through operators without weights. "norm" and "epsilon" are
 * there when batch norm is separate.
 */
#ifndef SPOT_SERVER_TENSOR_LIST_H
#define SPOT_SERVER_TENSOR_LIST_H

#include <jansson.h>

#include "core/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * weights is the path of a file whose tensors say how many classes there are and whether batch norm
 * is folded, whatever else is wrong with it; NULL for the detector's defaults. *list is owned by
 * the caller.
 */
enum spot_status spot_tensor_list(const char *detector, const char *weights, json_t **list,
                                  struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif
