/* Making lanes and running batches on them; see cuda/lane.h. */
#include "cuda/lane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/fault.h"

/* A run of one batch size on the lane's memory. */
static struct spot_cuda_run run_of(const struct spot_cuda_lane *lane, int size_index) {
    struct spot_cuda_run run = lane->run;
    run.pictures = lane->program->sizes[size_index];
    run.size_index = size_index;
    return run;
}

static void **states_of(const struct spot_cuda_lane *lane, int size_index) {
    return lane->states + (size_t)size_index * (size_t)lane->program->n_steps;
}

/* Queues all of a batch but the way up. */
static enum spot_status enqueue(const struct spot_cuda_lane *lane, int size_index,
                                struct spot_error *error) {
    struct spot_cuda_run run = run_of(lane, size_index);
    enum spot_status status = spot_cuda_ports_open(lane, &run, error);
    if (status == SPOT_OK)
        status = spot_cuda_program_run(lane->program, &run, states_of(lane, size_index), error);
    return status == SPOT_OK ? spot_cuda_ports_fetch(lane, &run, error) : status;
}

/* ---- making ---- */

/* One block of device memory, one of pinned memory, and where everything lies in them. */
static enum spot_status make_memory(struct spot_cuda_lane *lane, struct spot_error *error) {
    const struct spot_cuda_program *program = lane->program;
    const struct spot_graph *graph = program->graph;
    size_t host_bytes, port_bytes;
    void *memory = NULL, *pinned = NULL;
    enum spot_status status = spot_cuda_ports_init(lane, &host_bytes, &port_bytes, error);
    size_t ports = spot_cuda_program_bytes(program), bytes = ports + port_bytes;
    if (status == SPOT_OK)
        status = spot_cuda_alloc(bytes, "a lane", &memory, error);
    lane->memory = memory;
    if (status == SPOT_OK)
        status = spot_cuda_alloc_pinned(host_bytes, "a lane's pinned memory", &pinned, error);
    lane->pinned = pinned;
    if (status == SPOT_OK)
        status = spot_cuda_status(cudaMemsetAsync(memory, 0, bytes, lane->stream), "a lane", error);
    if (status != SPOT_OK)
        return status;
    memset(pinned, 0, host_bytes);
    lane->run =
        (struct spot_cuda_run){.program = program, .cudnn = lane->cudnn, .stream = lane->stream};
    spot_cuda_program_place(program, lane->memory, lane->data, &lane->run);
    spot_cuda_ports_place(lane, lane->pinned, lane->memory + ports);
    for (int i = 0; i < graph->n_inputs; i++) {
        int index = graph->inputs[i]->index;
        if (program->values[index].form != SPOT_CUDA_MAP)
            lane->data[index] = lane->in[i].device;
    }
    return SPOT_OK;
}

static enum spot_status make_states(struct spot_cuda_lane *lane, struct spot_error *error) {
    const struct spot_cuda_program *program = lane->program;
    enum spot_status status = SPOT_OK;
    for (int size = 0; size < program->n_sizes; size++) {
        struct spot_cuda_run run = run_of(lane, size);
        for (int i = 0; i < program->n_steps && status == SPOT_OK; i++) {
            const struct spot_cuda_step *step = &program->steps[i];
            if (step->op->lane_new != NULL)
                status = step->op->lane_new(step, &run, &states_of(lane, size)[i], error);
        }
    }
    return status;
}

/* The graph of one batch size. When it fails nothing is left of it, the runtime's error neither. */
static enum spot_status capture(struct spot_cuda_lane *lane, int size_index,
                                struct spot_error *error) {
    cudaGraph_t graph = NULL;
    struct spot_error other;
    enum spot_status status = spot_cuda_status(
        cudaStreamBeginCapture(lane->stream, cudaStreamCaptureModeThreadLocal), "capture", error);
    if (status != SPOT_OK)
        goto out;
    status = enqueue(lane, size_index, error);
    enum spot_status ended =
        spot_cuda_status(cudaStreamEndCapture(lane->stream, &graph), "capture", &other);
    if (status == SPOT_OK && ended != SPOT_OK) {
        status = ended;
        *error = other;
    }
    if (status == SPOT_OK)
        status = spot_cuda_status(cudaGraphInstantiate(&lane->graphs[size_index], graph, 0),
                                  "capture", error);
out:
    if (graph != NULL)
        (void)cudaGraphDestroy(graph);
    if (status != SPOT_OK)
        (void)cudaGetLastError();
    return status;
}

static void drop_graphs(struct spot_cuda_lane *lane) {
    for (int i = 0; i < SPOT_CUDNN_SIZES_MAX; i++) {
        if (lane->graphs[i] != NULL)
            (void)cudaGraphExecDestroy(lane->graphs[i]);
        lane->graphs[i] = NULL;
    }
}

/* All sizes as graphs, or none. */
static void capture_all(struct spot_cuda_lane *lane, void (*warn)(const char *)) {
    struct spot_error error;
    char text[sizeof error.text + 64];
    for (int i = 0; i < lane->program->n_sizes; i++) {
        if (capture(lane, i, &error) == SPOT_OK)
            continue;
        drop_graphs(lane);
        snprintf(text, sizeof text, "no CUDA graphs, kernels are launched one by one: %s",
                 error.text);
        if (warn != NULL)
            warn(text);
        return;
    }
}

/* Kernels and cuDNN's engines are loaded when they first run, which must not be in a capture. */
static enum spot_status warm_up(struct spot_cuda_lane *lane, struct spot_error *error) {
    int last = lane->program->n_sizes - 1;
    enum spot_status status = enqueue(lane, 0, error);
    if (status == SPOT_OK && last > 0)
        status = enqueue(lane, last, error);
    return status;
}

static enum spot_status make(struct spot_cuda_lane *lane, struct spot_error *error) {
    const struct spot_cuda_program *program = lane->program;
    lane->data = calloc((size_t)program->graph->n_values + 1, sizeof *lane->data);
    lane->states =
        calloc((size_t)program->n_sizes * (size_t)program->n_steps + 1, sizeof *lane->states);
    if (lane->data == NULL || lane->states == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "cuda: out of memory for a lane");
    enum spot_status status = spot_cuda_gpu_use(program->gpu, error);
    if (status == SPOT_OK)
        status = spot_cuda_status(cudaStreamCreateWithFlags(&lane->stream, cudaStreamNonBlocking),
                                  "a stream", error);
    if (status == SPOT_OK)
        status = spot_cuda_status(
            cudaEventCreateWithFlags(&lane->done, cudaEventDisableTiming | cudaEventBlockingSync),
            "an event", error);
    if (status == SPOT_OK && program->gpu->cudnn != NULL) {
        status = spot_cudnn_new(NULL, &lane->cudnn, error);
        if (status == SPOT_OK)
            status = spot_cudnn_set_stream(lane->cudnn, lane->stream, error);
    }
    if (status == SPOT_OK)
        status = make_memory(lane, error);
    if (status == SPOT_OK)
        status = make_states(lane, error);
    return status;
}

enum spot_status spot_cuda_lane_new(struct spot_cuda_program *program, void (*warn)(const char *),
                                    struct spot_cuda_lane **lane, struct spot_error *error) {
    struct spot_cuda_lane *self = calloc(1, sizeof *self);
    *lane = NULL;
    if (self == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "cuda: out of memory for a lane");
    self->program = program;
    enum spot_status status = make(self, error);
    if (status == SPOT_OK && program->settings->graphs && program->settings->tune)
        status = warm_up(self, error);
    if (status == SPOT_OK) /* what comes before a capture is no part of it */
        status = spot_cuda_status(cudaStreamSynchronize(self->stream), "a lane", error);
    if (status == SPOT_OK && program->settings->graphs)
        capture_all(self, warn);
    if (status != SPOT_OK)
        spot_cuda_lane_free(&self);
    *lane = self;
    return status;
}

void spot_cuda_lane_free(struct spot_cuda_lane **lane) {
    struct spot_cuda_lane *self = *lane;
    *lane = NULL;
    if (self == NULL)
        return;
    const struct spot_cuda_program *program = self->program;
    (void)spot_cuda_gpu_use(program->gpu, NULL);
    if (self->stream != NULL)
        (void)cudaStreamSynchronize(self->stream);
    drop_graphs(self);
    for (int i = 0; self->states != NULL && i < program->n_sizes * program->n_steps; i++)
        if (self->states[i] != NULL)
            program->steps[i % program->n_steps].op->lane_free(self->states[i]);
    spot_cudnn_free(&self->cudnn);
    if (self->done != NULL)
        (void)cudaEventDestroy(self->done);
    if (self->stream != NULL)
        (void)cudaStreamDestroy(self->stream);
    (void)cudaFree(self->memory);
    (void)cudaFreeHost(self->pinned);
    free(self->data);
    free(self->states);
    free(self);
}

/* ---- running ---- */

enum spot_status spot_cuda_lane_submit(struct spot_cuda_lane *lane,
                                       const struct spot_binding *bindings, int count,
                                       struct spot_error *error) {
    int size_index = spot_cuda_program_size(lane->program, count);
    memcpy(lane->bindings, bindings, (size_t)count * sizeof *bindings);
    lane->count = count;
    enum spot_status status = spot_cuda_gpu_use(lane->program->gpu, error);
    if (status == SPOT_OK)
        status = spot_cuda_ports_send(lane, lane->program->sizes[size_index], error);
    if (status == SPOT_OK && lane->graphs[size_index] != NULL)
        status = spot_cuda_status(cudaGraphLaunch(lane->graphs[size_index], lane->stream),
                                  "a batch", error);
    else if (status == SPOT_OK)
        status = enqueue(lane, size_index, error);
    if (status == SPOT_OK)
        status = spot_cuda_status(cudaEventRecord(lane->done, lane->stream), "a batch", error);
    return status;
}

enum spot_status spot_cuda_lane_wait(struct spot_cuda_lane *lane, struct spot_error *error) {
    enum spot_status status = spot_cuda_gpu_use(lane->program->gpu, error);
    if (status == SPOT_OK)
        status = spot_cuda_status(cudaEventSynchronize(lane->done), "a batch", error);
    if (status == SPOT_OK)
        spot_cuda_ports_deliver(lane);
    return status;
}
