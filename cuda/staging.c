/* Inputs on their way to the GPU and outputs on their way back; see cuda/lane.h. */
#include <math.h>
#include <string.h>

#include "core/roi.h"
#include "cuda/fault.h"
#include "cuda/lane.h"

static const struct spot_cuda_value *layout_of(const struct spot_cuda_lane *lane,
                                               const struct spot_value *value) {
    return &lane->program->values[value->index];
}

/* Takes room at the end of what was taken so far. */
static size_t take(size_t *total, size_t bytes) {
    size_t offset = *total;
    *total += spot_cuda_align(bytes);
    return offset;
}

static size_t batch_max(const struct spot_cuda_lane *lane) {
    return (size_t)lane->program->sizes[lane->program->n_sizes - 1];
}

/* Which input of the graph this is, or -1. */
static int find_input(const struct spot_graph *graph, const struct spot_value *value) {
    for (int i = 0; i < graph->n_inputs; i++)
        if (graph->inputs[i] == value)
            return i;
    return -1;
}

/* How pictures of this input are resized, and which settings say so. */
static enum spot_status init_pictures(const struct spot_graph *graph, struct spot_cuda_port *port,
                                      struct spot_error *error) {
    port->bytes = sizeof(struct spot_cuda_picture);
    for (int i = 0; i < graph->n_nodes && port->attrs == NULL; i++) {
        if (!spot_cuda_is(graph->nodes[i], &spot_op_preprocess) ||
            graph->nodes[i]->in[0] != port->value)
            continue;
        port->attrs = graph->nodes[i]->attrs;
        port->settings = find_input(graph, graph->nodes[i]->in[1]);
    }
    if (port->attrs == NULL || port->settings < 0)
        return spot_fail(error, SPOT_UNSUPPORTED,
                         "cuda: pictures of input '%s' have no settings of their own",
                         port->value->name);
    port->pixel_bytes = spot_cuda_picture_bytes_max(port->attrs);
    return SPOT_OK;
}

enum spot_status spot_cuda_ports_init(struct spot_cuda_lane *lane, size_t *host_bytes,
                                      size_t *device_bytes, struct spot_error *error) {
    const struct spot_graph *graph = lane->program->graph;
    size_t most = batch_max(lane);
    enum spot_status status = SPOT_OK;
    *host_bytes = *device_bytes = 0;
    for (int i = 0; i < graph->n_inputs && status == SPOT_OK; i++) {
        struct spot_cuda_port *port = &lane->in[i];
        port->value = graph->inputs[i];
        if (layout_of(lane, port->value)->form == SPOT_CUDA_UNUSED)
            continue;
        port->bytes = spot_shape_elements(&port->value->type.shape) * sizeof(float);
        if (layout_of(lane, port->value)->form == SPOT_CUDA_PICTURES)
            status = init_pictures(graph, port, error);
        port->host_offset = take(host_bytes, port->bytes * most);
        port->device_offset = take(device_bytes, port->bytes * most);
        port->pixel_host_offset = take(host_bytes, port->pixel_bytes * most);
        port->pixel_device_offset = take(device_bytes, port->pixel_bytes * most);
    }
    for (int i = 0; i < graph->n_outputs && status == SPOT_OK; i++) {
        struct spot_cuda_port *port = &lane->out[i];
        port->value = graph->outputs[i];
        port->bytes = spot_shape_elements(&port->value->type.shape) * sizeof(float);
        port->host_offset = take(host_bytes, port->bytes * most);
        if (layout_of(lane, port->value)->form == SPOT_CUDA_MAP)
            port->device_offset = take(device_bytes, port->bytes * most);
    }
    return status;
}

void spot_cuda_ports_place(struct spot_cuda_lane *lane, char *host, char *device) {
    const struct spot_graph *graph = lane->program->graph;
    for (int i = 0; i < graph->n_inputs; i++) {
        struct spot_cuda_port *port = &lane->in[i];
        port->host = host + port->host_offset;
        port->device = device + port->device_offset;
        port->pixels = (uint8_t *)host + port->pixel_host_offset;
        port->device_pixels = (uint8_t *)device + port->pixel_device_offset;
    }
    for (int i = 0; i < graph->n_outputs; i++) {
        struct spot_cuda_port *port = &lane->out[i];
        port->host = host + port->host_offset;
        port->device = layout_of(lane, port->value)->form == SPOT_CUDA_MAP
                           ? device + port->device_offset
                           : lane->data[port->value->index];
    }
}

/* ---- up ---- */

/*
 * Regions name a map of the batch; the caller's name one of their picture's, mostly 0, its only
 * one. Any other name is none of the caller's maps, so no region.
 */
static void number_rois(float *rows, size_t bytes, int maps, int picture) {
    size_t count = bytes / (SPOT_ROI_FIELDS * sizeof(float));
    for (size_t i = 0; i < count; i++, rows += SPOT_ROI_FIELDS) {
        bool own = rows[0] >= 0 && rows[0] < (float)maps && rows[0] == floorf(rows[0]);
        rows[0] = own ? (float)(picture * maps) + rows[0] : -1;
    }
}

static void stage_dense(const struct spot_cuda_lane *lane, const struct spot_cuda_port *port,
                        int input, int pictures) {
    int roi_maps = layout_of(lane, port->value)->roi_maps;
    for (int b = 0; b < pictures; b++) {
        const struct spot_binding *binding = &lane->bindings[b < lane->count ? b : 0];
        char *row = port->host + (size_t)b * port->bytes;
        memcpy(row, binding->in[input], port->bytes);
        if (roi_maps > 0)
            number_rois((float *)row, port->bytes, roi_maps, b);
    }
}

/* Returns the bytes of all pixels. */
static size_t stage_pictures(const struct spot_cuda_lane *lane, const struct spot_cuda_port *port,
                             int input, int pictures) {
    struct spot_cuda_picture *places = (struct spot_cuda_picture *)port->host;
    size_t used = 0;
    for (int b = 0; b < lane->count; b++) {
        const struct spot_binding *binding = &lane->bindings[b];
        size_t bytes =
            spot_cuda_picture_pack(port->attrs, binding->in[input], binding->in[port->settings],
                                   port->pixels + used, &places[b]);
        places[b].source.pixels = port->device_pixels + used;
        used += bytes;
    }
    for (int b = lane->count; b < pictures; b++)
        places[b] = places[0];
    return used;
}

static enum spot_status copy_up(const struct spot_cuda_lane *lane, void *device, const void *host,
                                size_t bytes, struct spot_error *error) {
    return spot_cuda_status(
        cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, lane->stream), "an input",
        error);
}

enum spot_status spot_cuda_ports_send(struct spot_cuda_lane *lane, int pictures,
                                      struct spot_error *error) {
    const struct spot_graph *graph = lane->program->graph;
    enum spot_status status = SPOT_OK;
    for (int i = 0; i < graph->n_inputs && status == SPOT_OK; i++) {
        const struct spot_cuda_port *port = &lane->in[i];
        if (port->bytes == 0)
            continue;
        if (port->attrs != NULL)
            status = copy_up(lane, port->device_pixels, port->pixels,
                             stage_pictures(lane, port, i, pictures), error);
        else
            stage_dense(lane, port, i, pictures);
        if (status == SPOT_OK)
            status = copy_up(lane, port->device, port->host, port->bytes * (size_t)pictures, error);
    }
    return status;
}

enum spot_status spot_cuda_ports_open(const struct spot_cuda_lane *lane,
                                      const struct spot_cuda_run *run, struct spot_error *error) {
    const struct spot_graph *graph = lane->program->graph;
    enum spot_status status = SPOT_OK;
    for (int i = 0; i < graph->n_inputs && status == SPOT_OK; i++) {
        if (layout_of(lane, graph->inputs[i])->form != SPOT_CUDA_MAP)
            continue;
        struct spot_cuda_layout params = {(float *)lane->in[i].device,
                                          spot_cuda_map_of(run, graph->inputs[i])};
        status = spot_cuda_status(spot_cuda_to_map(&params, run->stream), "an input", error);
    }
    return status;
}

/* ---- down ---- */

enum spot_status spot_cuda_ports_fetch(const struct spot_cuda_lane *lane,
                                       const struct spot_cuda_run *run, struct spot_error *error) {
    cudaError_t result = cudaSuccess;
    for (int i = 0; i < lane->program->graph->n_outputs && result == cudaSuccess; i++) {
        const struct spot_cuda_port *port = &lane->out[i];
        if (layout_of(lane, port->value)->form == SPOT_CUDA_MAP) {
            struct spot_cuda_layout params = {(float *)port->device,
                                              spot_cuda_map_of(run, port->value)};
            result = spot_cuda_from_map(&params, run->stream);
        }
        if (result == cudaSuccess)
            result = cudaMemcpyAsync(port->host, port->device, port->bytes * (size_t)run->pictures,
                                     cudaMemcpyDeviceToHost, run->stream);
    }
    return spot_cuda_status(result, "an output", error);
}

/* Each picture's regions name its own maps, from 0; see number_rois. */
static void renumber_rois(float *rows, size_t bytes, int maps, int picture) {
    size_t count = bytes / (SPOT_ROI_FIELDS * sizeof(float));
    for (size_t i = 0; i < count; i++)
        if (rows[i * SPOT_ROI_FIELDS] >= 0)
            rows[i * SPOT_ROI_FIELDS] -= (float)(picture * maps);
}

void spot_cuda_ports_deliver(const struct spot_cuda_lane *lane) {
    for (int i = 0; i < lane->program->graph->n_outputs; i++) {
        const struct spot_cuda_port *port = &lane->out[i];
        for (int b = 0; b < lane->count; b++) {
            float *rows = lane->bindings[b].out[i];
            memcpy(rows, port->host + (size_t)b * port->bytes, port->bytes);
            int roi_maps = layout_of(lane, port->value)->roi_maps;
            if (roi_maps > 0)
                renumber_rois(rows, port->bytes, roi_maps, b);
        }
    }
}
