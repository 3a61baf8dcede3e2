/*
 * raw_outputs BACKEND DETECTOR WEIGHTS INPUT OUTPUT: runs a detector's network on a prepared input
 * (float32, [3,S,S]) and writes its raw outputs one after the other, float32, dense. For tests that
 * compare networks with others written in Python.
 */
#include <stdio.h>
#include <stdlib.h>

#include "models/model.h"
#include "server/device.h"

enum { BACKEND = 1, DETECTOR, WEIGHTS, INPUT, OUTPUT, ARGUMENTS };

static int failed(const char *what) {
    fprintf(stderr, "raw_outputs: %s\n", what);
    return EXIT_FAILURE;
}

static float *read_input(const char *path, size_t count) {
    FILE *file = fopen(path, "rb");
    float *values = calloc(count + 1, sizeof *values);
    size_t got =
        file != NULL && values != NULL ? fread(values, sizeof *values, count + 1, file) : 0;
    if (file != NULL)
        fclose(file);
    if (got == count)
        return values;
    free(values);
    return NULL;
}

static int write_outputs(const struct spot_graph *graph, const struct spot_model_lane *lane,
                         const char *path) {
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        return failed("the output cannot be written");
    size_t written = 0, count = 0;
    for (int i = 0; i < graph->n_outputs; i++) {
        size_t size = spot_shape_elements(&graph->outputs[i]->type.shape);
        written += fwrite(spot_model_output(lane, 0, i), sizeof(float), size, file);
        count += size;
    }
    return fclose(file) == 0 && written == count ? EXIT_SUCCESS
                                                 : failed("the output cannot be written");
}

static int run(struct spot_model *model, char **argv) {
    const struct spot_model_info *info = spot_model_info(model);
    struct spot_error error;
    struct spot_model_lane *lane = NULL;
    struct spot_request request;
    spot_model_request_init(model, &request);
    size_t side = (size_t)info->detector->input_width;
    float *input = read_input(argv[INPUT], 3 * side * side);
    int result;
    request.tensor = input;
    if (input == NULL)
        result = failed("the input has another size");
    else if (spot_model_lane_new(model, &lane, &error) != SPOT_OK ||
             spot_model_submit(lane, &request, 1, &error) != SPOT_OK ||
             spot_model_wait(lane, NULL, &error) != SPOT_OK)
        result = failed(error.text);
    else
        result = write_outputs(info->graph, lane, argv[OUTPUT]);
    spot_model_lane_free(&lane);
    free(input);
    return result;
}

int main(int argc, char **argv) {
    if (argc != ARGUMENTS)
        return failed("needs BACKEND DETECTOR WEIGHTS INPUT OUTPUT");
    struct spot_device *device = NULL;
    struct spot_model *model = NULL;
    struct spot_error error;
    spot_device_register_backends();
    const struct spot_model_options options = {
        .detector = argv[DETECTOR],
        .weights = argv[WEIGHTS],
        .precision = SPOT_PRECISION_F32,
        .build = {.tensor_input = true, .raw_outputs = true},
    };
    int result;
    if (spot_device_open(argv[BACKEND], NULL, &device, &error) != SPOT_OK ||
        spot_model_load(device, &options, &model, &error) != SPOT_OK)
        result = failed(error.text);
    else
        result = run(model, argv);
    spot_model_free(&model);
    spot_device_close(&device);
    return result;
}
