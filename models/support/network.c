/* One network of a model; see models/support/network.h. */
#include "models/support/network.h"

#include <string.h>

int spot_network_canvases(const struct spot_detector *detector,
                          const struct spot_detector_options *options,
                          struct spot_canvas *canvases) {
    canvases[0] = (struct spot_canvas){detector->input_width, detector->input_height};
    if (detector->family->canvases == NULL)
        return 1;
    int count = detector->family->canvases(detector, options, canvases);
    return options->tensor_input ? 1 : count; /* a tensor has one size */
}

static enum spot_status build(const struct spot_detector *detector,
                              const struct spot_detector_options *options,
                              struct spot_network *network, struct spot_error *error) {
    struct spot_detector sized = *detector;
    sized.input_width = network->canvas.width;
    sized.input_height = network->canvas.height;
    detector->family->build(&sized, options, network->graph);
    enum spot_status status = spot_graph_finish(network->graph, error);
    if (status != SPOT_OK)
        return status;
    network->parameters = spot_graph_parameters(network->graph);
    network->macs = spot_graph_macs(network->graph);
    status = spot_graph_prepare(network->graph, error);
    for (int i = 0; status == SPOT_OK && i < network->graph->n_nodes; i++)
        if (network->graph->nodes[i]->op == &spot_op_preprocess)
            network->preprocess = network->graph->nodes[i]->attrs;
    return status;
}

enum spot_status spot_network_build(const struct spot_detector *detector,
                                    const struct spot_detector_options *options,
                                    const struct spot_weights *weights, struct spot_canvas canvas,
                                    struct spot_network *network, struct spot_error *error) {
    *network = (struct spot_network){.canvas = canvas};
    if (detector->family->switches == NULL && options->variant != NULL &&
        options->variant[0] != '\0')
        return spot_fail(error, SPOT_INVALID,
                         "variant: detector %s has no switches, '%.60s' is given", detector->name,
                         options->variant);
    network->graph = spot_graph_new(weights);
    if (network->graph == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "model: out of memory");
    enum spot_status status = build(detector, options, network, error);
    if (status != SPOT_OK)
        spot_network_free(network);
    return status;
}

enum spot_status spot_network_compile(struct spot_network *network, struct spot_device *device,
                                      const struct spot_program_options *options,
                                      struct spot_error *error) {
    return device->backend->compile(device, network->graph, options, &network->program, error);
}

void spot_network_free(struct spot_network *network) {
    if (network->program != NULL)
        network->program->device->backend->program_free(network->program);
    spot_graph_free(&network->graph);
    *network = (struct spot_network){.graph = NULL};
}

void spot_network_geometry(const struct spot_network *network, int picture_width,
                           int picture_height, float *settings) {
    if (network->preprocess != NULL) {
        spot_preprocess_geometry(network->preprocess, picture_width, picture_height, settings);
        return;
    }
    settings[SPOT_SET_PICTURE_W] = settings[SPOT_SET_RESIZED_W] = (float)network->canvas.width;
    settings[SPOT_SET_PICTURE_H] = settings[SPOT_SET_RESIZED_H] = (float)network->canvas.height;
    settings[SPOT_SET_PAD_X] = settings[SPOT_SET_PAD_Y] = 0;
    settings[SPOT_SET_SCALE_X] = settings[SPOT_SET_SCALE_Y] = 1;
}

int spot_network_choose(const struct spot_network *networks, int n_networks, int picture_width,
                        int picture_height, float *settings) {
    int best = 0;
    float largest = 0;
    for (int i = 0; n_networks > 1 && i < n_networks; i++) {
        spot_network_geometry(&networks[i], picture_width, picture_height, settings);
        float area = settings[SPOT_SET_RESIZED_W] * settings[SPOT_SET_RESIZED_H];
        if (area > largest) {
            largest = area;
            best = i;
        }
    }
    spot_network_geometry(&networks[best], picture_width, picture_height, settings);
    return best;
}
