/* The tables of inputs and outputs, and the metadata that is made of them. */
#include "server/http/oip_table.h"

#include <stdio.h>

const struct spot_oip_spec spot_oip_inputs[SPOT_OIP_INPUT_COUNT] = {
    [SPOT_OIP_IMAGE] = {"image", "BYTES", 1, {-1}, sizeof(struct spot_encoded), "base64"},
    [SPOT_OIP_PIXELS] = {"pixels", "UINT8", 4, {-1, -1, -1, 3}, 1, "a whole number from 0 to 255"},
    [SPOT_OIP_TENSOR] = {"tensor",
                         "FP32",
                         4,
                         {-1, 3, SPOT_OIP_HEIGHT, SPOT_OIP_WIDTH},
                         sizeof(float),
                         "a finite number"},
};

const struct spot_oip_spec spot_oip_outputs[SPOT_OIP_OUTPUT_COUNT] = {
    [SPOT_OIP_NUM_DETECTIONS] = {"num_detections", "INT32", 1, {-1}, sizeof(int32_t), NULL},
    [SPOT_OIP_BOXES] = {"boxes", "FP32", 3, {-1, -1, 4}, sizeof(float), NULL},
    [SPOT_OIP_SCORES] = {"scores", "FP32", 2, {-1, -1}, sizeof(float), NULL},
    [SPOT_OIP_CLASS_IDS] = {"class_ids", "INT32", 2, {-1, -1}, sizeof(int32_t), NULL},
    [SPOT_OIP_LABELS] = {"labels", "BYTES", 2, {-1, -1}, 0, NULL},
};

int spot_oip_dim(const struct spot_oip_spec *spec, const struct spot_oip_limits *limits,
                 int index) {
    int dim = spec->dims[index];
    if (limits == NULL || dim >= -1)
        return dim;
    return dim == SPOT_OIP_HEIGHT ? limits->input_height : limits->input_width;
}

const char *spot_oip_shape(const struct spot_oip_spec *spec, const struct spot_oip_limits *limits,
                           char *text) {
    size_t used = 0;
    for (int i = 0; i < spec->rank && used < SPOT_OIP_SHAPE_MAX; i++)
        used += (size_t)snprintf(text + used, SPOT_OIP_SHAPE_MAX - used, "%s%d", i > 0 ? "," : "[",
                                 spot_oip_dim(spec, limits, i));
    if (used < SPOT_OIP_SHAPE_MAX)
        snprintf(text + used, SPOT_OIP_SHAPE_MAX - used, "]");
    return text;
}

static json_t *specs_json(const struct spot_oip_spec *specs, int count,
                          const struct spot_oip_limits *limits) {
    json_t *list = json_array();
    for (int i = 0; i < count; i++) {
        json_t *shape = json_array();
        for (int k = 0; k < specs[i].rank; k++)
            json_array_append_new(shape, json_integer(spot_oip_dim(&specs[i], limits, k)));
        json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "name", specs[i].name, "datatype",
                                              specs[i].datatype, "shape", shape));
    }
    return list;
}

json_t *spot_oip_inputs_json(const struct spot_oip_limits *limits) {
    int count = limits->input_height > 0 ? SPOT_OIP_INPUT_COUNT : SPOT_OIP_INPUT_COUNT - 1;
    return specs_json(spot_oip_inputs, count, limits);
}

json_t *spot_oip_outputs_json(void) {
    return specs_json(spot_oip_outputs, SPOT_OIP_OUTPUT_COUNT, NULL);
}
