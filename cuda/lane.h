/*
 * A lane: what runs one batch at a time on one GPU. It has a stream, its own memory for all values
 * of the program, pinned memory for what goes up and comes down, and a CUDA graph for each batch
 * size, all made when the lane is made; a running batch allocates nothing.
 *
 * A batch goes up as one copy of each input (pictures as 8-bit pixels, see cuda/picture.h), runs as
 * one launch of the graph, whose last nodes bring the outputs down, and ends with an event that
 * wait() sleeps on. Two lanes on a GPU overlap: one copies while the other computes.
 *
 * When a graph cannot be captured the lane launches its kernels one by one instead, with the same
 * results, and says so once (spot_device_options.warn).
 */
#ifndef SPOT_CUDA_LANE_H
#define SPOT_CUDA_LANE_H

#include "cuda/program.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An input or output of the graph on its way. Memory for the largest batch. */
struct spot_cuda_port {
    const struct spot_value *value;
    size_t
        bytes;  /* of one picture as the caller sees it: dense float32; of a picture: its struct */
    char *host; /* pinned */
    char *device;
    size_t host_offset, device_offset; /* while sizes are added up */
    /* pictures only */
    const struct spot_preprocess *attrs;
    int settings; /* which input of the graph has the settings rows */
    size_t pixel_bytes, pixel_host_offset, pixel_device_offset;
    uint8_t *pixels; /* pinned, of all pictures of the batch one after the other */
    uint8_t *device_pixels;
};

struct spot_cuda_lane {
    struct spot_lane base;
    struct spot_cuda_program *program; /* borrowed */
    cudaStream_t stream;
    cudaEvent_t done;
    struct spot_cudnn *cudnn;
    char *memory, *pinned;
    void **data;                                  /* device memory of each value of the graph */
    struct spot_cuda_run run;                     /* of any batch size: where its memory is */
    void **states;                                /* of each step, for each batch size */
    cudaGraphExec_t graphs[SPOT_CUDNN_SIZES_MAX]; /* NULL: launched one by one */
    struct spot_cuda_port in[SPOT_GRAPH_INPUTS_MAX], out[SPOT_GRAPH_OUTPUTS_MAX];
    struct spot_binding bindings[SPOT_BATCH_MAX]; /* of the batch under way */
    int count;
};

enum spot_status spot_cuda_lane_new(struct spot_cuda_program *program, void (*warn)(const char *),
                                    struct spot_cuda_lane **lane, struct spot_error *error);
void spot_cuda_lane_free(struct spot_cuda_lane **lane);

/* As spot_backend's. */
enum spot_status spot_cuda_lane_submit(struct spot_cuda_lane *lane,
                                       const struct spot_binding *bindings, int count,
                                       struct spot_error *error);
enum spot_status spot_cuda_lane_wait(struct spot_cuda_lane *lane, struct spot_error *error);

/* ---- cuda/staging.c ---- */

/*
 * Sets up the ports, their sizes and offsets. *host_bytes and *device_bytes say how much memory
 * they need; spot_cuda_ports_place tells them where it is.
 */
enum spot_status spot_cuda_ports_init(struct spot_cuda_lane *lane, size_t *host_bytes,
                                      size_t *device_bytes, struct spot_error *error);
void spot_cuda_ports_place(struct spot_cuda_lane *lane, char *host, char *device);

/* Copies inputs to pinned memory and queues their way up, for a batch that computes `pictures`. */
enum spot_status spot_cuda_ports_send(struct spot_cuda_lane *lane, int pictures,
                                      struct spot_error *error);

/* Queues the way of inputs to maps; of maps to outputs and down. Both may be captured. */
enum spot_status spot_cuda_ports_open(const struct spot_cuda_lane *lane,
                                      const struct spot_cuda_run *run, struct spot_error *error);
enum spot_status spot_cuda_ports_fetch(const struct spot_cuda_lane *lane,
                                       const struct spot_cuda_run *run, struct spot_error *error);

/* Copies what came down to the callers' memory. */
void spot_cuda_ports_deliver(const struct spot_cuda_lane *lane);

#ifdef __cplusplus
}
#endif
#endif
