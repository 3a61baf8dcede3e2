/* Named bounds of the engine. The server's own limits are options (server/options.h). */
#ifndef SPOT_CORE_LIMITS_H
#define SPOT_CORE_LIMITS_H

enum {
    SPOT_NODE_INPUTS_MAX = 16,     /* values that one operator reads */
    SPOT_NODE_OUTPUTS_MAX = 4,     /* values that one operator writes */
    SPOT_GRAPH_INPUTS_MAX = 4,     /* inputs of a graph */
    SPOT_GRAPH_OUTPUTS_MAX = 16,   /* outputs of a graph */
    SPOT_GRAPH_NODES_MAX = 4096,   /* operators of a graph */
    SPOT_NAME_MAX = 128,           /* bytes of a tensor, operator or model name, with its end */
    SPOT_CANVASES_MAX = 4,         /* sizes of network input that a model has at once */
    SPOT_BATCH_MAX = 64,           /* pictures that one submission holds */
    SPOT_CLASSES_MAX = 4096,       /* classes of a detector */
    SPOT_DETECTIONS_MAX = 1000,    /* detections returned for one picture */
    SPOT_PICTURE_SIDE_MAX = 16384, /* pixels */
};

#endif
