/* The inputs and outputs of every model in the Open Inference Protocol. For oip_*.c only. */
#ifndef SPOT_SERVER_HTTP_OIP_TABLE_H
#define SPOT_SERVER_HTTP_OIP_TABLE_H

#include "server/http/oip.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPOT_OIP_SHAPE_MAX = 64, SPOT_OIP_HEIGHT = -2, SPOT_OIP_WIDTH = -3 };

struct spot_oip_spec {
    const char *name, *datatype;
    int rank;
    int dims[SPOT_OIP_RANK_MAX]; /* -1: any; SPOT_OIP_HEIGHT, _WIDTH: of the model's input */
    size_t element_size;         /* bytes in memory */
    const char *element;         /* of an input, in words */
};

extern const struct spot_oip_spec spot_oip_inputs[SPOT_OIP_INPUT_COUNT];
extern const struct spot_oip_spec spot_oip_outputs[SPOT_OIP_OUTPUT_COUNT];

/* A size of the shape; -1 for any. limits is of the model, or NULL for outputs. */
int spot_oip_dim(const struct spot_oip_spec *spec, const struct spot_oip_limits *limits, int index);

/* Writes the shape, "[-1,3,320,320]", into text (SPOT_OIP_SHAPE_MAX bytes); returns text. */
const char *spot_oip_shape(const struct spot_oip_spec *spec, const struct spot_oip_limits *limits,
                           char *text);

#ifdef __cplusplus
}
#endif
#endif
