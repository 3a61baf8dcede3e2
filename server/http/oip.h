/*
 * Open Inference Protocol v2: its tensors, read from a request and written into an answer. JSON and
 * the binary tensor extension. Knows no HTTP.
 *
 * A model takes one of three inputs, N pictures in each (docs/api.md):
 *
 *     image   BYTES [N]         JPEG, PNG or WebP files; base64 in JSON, as they are in binary
 *     pixels  UINT8 [N,H,W,3]   red, green, blue
 *     tensor  FP32  [N,3,H,W]   what the detector's preprocessing makes; H and W are the model's
 *
 * Sources: github.com/kserve/open-inference-protocol (inference_rest.md),
 * github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
 */
#ifndef SPOT_SERVER_HTTP_OIP_H
#define SPOT_SERVER_HTTP_OIP_H

#include <jansson.h>

#include "models/model.h"
#include "server/http/body.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SPOT_OIP_RANK_MAX = 4,
    SPOT_OIP_VALUES_MAX = 1 << 20, /* values of JSON in one request; more go in binary */
    SPOT_OIP_WHOLE = 0,            /* json_size: the body is one picture without any JSON */
};

enum spot_oip_input { SPOT_OIP_IMAGE, SPOT_OIP_PIXELS, SPOT_OIP_TENSOR, SPOT_OIP_INPUT_COUNT };

enum spot_oip_output {
    SPOT_OIP_NUM_DETECTIONS, /* INT32 [N] */
    SPOT_OIP_BOXES,          /* FP32 [N,K,4]: x_min, y_min, x_max, y_max in pixels of the picture */
    SPOT_OIP_SCORES,         /* FP32 [N,K] */
    SPOT_OIP_CLASS_IDS,      /* INT32 [N,K] */
    SPOT_OIP_LABELS,         /* BYTES [N,K] */
    SPOT_OIP_OUTPUT_COUNT
};

struct spot_oip_limits {
    int pictures;
    int64_t pixels; /* of one picture */
    int side;       /* of one picture */
    int json_depth;
    int input_height, input_width; /* of the tensor; 0: the model takes none */
};

/* A request. What it points to belongs to the arena, or to the body. */
struct spot_oip_request {
    enum spot_oip_input input;
    int count, height, width;            /* N, and H and W but for SPOT_OIP_IMAGE */
    const struct spot_encoded *pictures; /* SPOT_OIP_IMAGE: count of them */
    const uint8_t *pixels;               /* SPOT_OIP_PIXELS */
    const float *tensor;                 /* SPOT_OIP_TENSOR; every value is finite */
    struct spot_oip_wanted {
        enum spot_oip_output output;
        bool binary;
    } wanted[SPOT_OIP_OUTPUT_COUNT]; /* outputs of the answer, in order */
    int n_wanted;
};

/*
 * Reads a body, of which the first json_size bytes are JSON and the rest binary tensors. Its
 * parameters are added to *params. SPOT_INVALID names what is wrong and what is expected;
 * SPOT_LIMIT: too many pictures, or too large ones.
 */
enum spot_status spot_oip_read(const uint8_t *body, size_t size, size_t json_size,
                               const struct spot_oip_limits *limits, struct spot_arena *arena,
                               struct spot_params *params, struct spot_oip_request *request,
                               struct spot_error *error);

/* {"name", "datatype", "shape"} of each input or output of a model, as its metadata lists them. */
json_t *spot_oip_inputs_json(const struct spot_oip_limits *limits);
json_t *spot_oip_outputs_json(void);

/* Whose answer it is. */
struct spot_oip_identity {
    const char *model, *version, *id;
    const char *const *class_names;
};

/*
 * The answer to a request, one result for each of its pictures: JSON, followed by the binary
 * tensors. K is the largest count of detections; shorter rows are filled with
 * zeros, class id -1 and empty labels. Returns owned *size bytes, of which *json_size are JSON;
 * NULL when memory is short.
 */
char *spot_oip_answer(const struct spot_oip_identity *identity,
                      const struct spot_oip_request *request, const struct spot_detections *results,
                      size_t *size, size_t *json_size);

#ifdef __cplusplus
}
#endif
#endif
