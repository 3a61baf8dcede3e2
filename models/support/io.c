/* Inputs and outputs of detector graphs; see models/support/io.h. */
#include "models/support/io.h"

#include "core/ops/nms.h"

#include <stdio.h>

struct spot_input spot_input(struct spot_graph *graph, const struct spot_detector *detector,
                             const struct spot_detector_options *options,
                             const struct spot_preprocess *rule) {
    struct spot_input input;
    struct spot_shape shape = spot_shape4(1, 3, detector->input_height, detector->input_width);
    if (options->tensor_input)
        input.tensor = spot_graph_input(graph, "tensor", (struct spot_type){SPOT_F32, shape});
    else
        input.tensor =
            spot_graph_input(graph, "picture", (struct spot_type){SPOT_PICTURE, spot_shape1(1)});
    input.settings = spot_graph_input(graph, "settings",
                                      (struct spot_type){SPOT_F32, spot_shape2(1, SPOT_SETTINGS)});
    if (!options->tensor_input) {
        struct spot_preprocess attrs = *rule;
        attrs.height = detector->input_height;
        attrs.width = detector->input_width;
        input.tensor = spot_preprocess(graph, input.tensor, input.settings, attrs);
    }
    return input;
}

void spot_detections_output(struct spot_graph *graph, struct spot_value *candidates,
                            struct spot_value *settings,
                            const struct spot_detector_options *options, bool inclusive_pixels) {
    struct spot_value *kept =
        spot_nms(graph, candidates, settings,
                 (struct spot_nms){.max_detections = SPOT_DETECTIONS_MAX,
                                   .inclusive_pixels = inclusive_pixels,
                                   .class_agnostic = options->class_agnostic});
    spot_graph_output(graph, kept, "detections");
}

void spot_raw_outputs(struct spot_graph *graph, struct spot_value *const *maps, int n_maps,
                      const char *name) {
    for (int i = 0; i < n_maps; i++) {
        char numbered[SPOT_NAME_MAX];
        snprintf(numbered, sizeof numbered, "%s.%d", name, i);
        spot_graph_output(graph, maps[i], numbered);
    }
}
