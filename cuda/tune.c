/* See cuda/tune.h. */
#include "cuda/tune.h"

#include <stdlib.h>

#include "cuda/fault.h"

enum {
    WARM_UPS = 3, /* launches before the clock runs: kernels are loaded, clocks rise */
    LAUNCHES = 10,
};

/* Events around several launches. */
static enum spot_status
time_between(cudaEvent_t begin, cudaEvent_t end,
             enum spot_status (*launch)(const struct spot_cuda_step *, const struct spot_cuda_run *,
                                        struct spot_error *),
             const struct spot_cuda_step *step, const struct spot_cuda_run *run,
             float *milliseconds, struct spot_error *error) {
    enum spot_status status = SPOT_OK;
    for (int i = 0; i < WARM_UPS && status == SPOT_OK; i++)
        status = launch(step, run, error);
    if (status == SPOT_OK)
        status = spot_cuda_status(cudaEventRecord(begin, run->stream), "timing", error);
    for (int i = 0; i < LAUNCHES && status == SPOT_OK; i++)
        status = launch(step, run, error);
    if (status == SPOT_OK)
        status = spot_cuda_status(cudaEventRecord(end, run->stream), "timing", error);
    if (status == SPOT_OK)
        status = spot_cuda_status(cudaEventSynchronize(end), "timing", error);
    if (status == SPOT_OK)
        status = spot_cuda_status(cudaEventElapsedTime(milliseconds, begin, end), "timing", error);
    *milliseconds /= LAUNCHES;
    return status;
}

enum spot_status spot_cuda_time(enum spot_status (*launch)(const struct spot_cuda_step *step,
                                                           const struct spot_cuda_run *run,
                                                           struct spot_error *error),
                                const struct spot_cuda_step *step, const struct spot_cuda_run *run,
                                float *milliseconds, struct spot_error *error) {
    cudaEvent_t begin = NULL, end = NULL;
    *milliseconds = 0;
    enum spot_status status = spot_cuda_status(cudaEventCreate(&begin), "an event", error);
    if (status == SPOT_OK)
        status = spot_cuda_status(cudaEventCreate(&end), "an event", error);
    if (status == SPOT_OK)
        status = time_between(begin, end, launch, step, run, milliseconds, error);
    if (end != NULL)
        (void)cudaEventDestroy(end);
    if (begin != NULL)
        (void)cudaEventDestroy(begin);
    return status;
}

/* Memory as in a lane; maps keep the zeros it begins with. */
static enum spot_status make_run(const struct spot_cuda_program *program, struct spot_cuda_run *run,
                                 char **memory, void **data, struct spot_error *error) {
    size_t bytes = spot_cuda_program_bytes(program);
    void *made = NULL;
    enum spot_status status = spot_cuda_alloc(bytes, "tuning", &made, error);
    *memory = made;
    if (status == SPOT_OK && made != NULL)
        status = spot_cuda_status(cudaMemsetAsync(made, 0, bytes, run->stream), "tuning", error);
    if (status == SPOT_OK)
        spot_cuda_program_place(program, *memory, data, run);
    run->cudnn = program->gpu->cudnn;
    return status;
}

static enum spot_status tune_steps(struct spot_cuda_program *program, struct spot_cuda_run *run,
                                   struct spot_error *error) {
    enum spot_status status = SPOT_OK;
    if (run->cudnn != NULL)
        status = spot_cudnn_set_stream(run->cudnn, run->stream, error);
    for (int i = 0; i < program->n_steps && status == SPOT_OK; i++) {
        run->state = NULL;
        if (program->steps[i].op->tune != NULL)
            status = program->steps[i].op->tune(program, &program->steps[i], run, error);
    }
    return status;
}

enum spot_status spot_cuda_tune(struct spot_cuda_program *program, struct spot_error *error) {
    struct spot_cuda_run run = spot_cuda_dry_run(program);
    char *memory = NULL;
    void **data = calloc((size_t)program->graph->n_values + 1, sizeof *data);
    if (data == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "cuda: out of memory");
    enum spot_status status = spot_cuda_status(
        cudaStreamCreateWithFlags(&run.stream, cudaStreamNonBlocking), "a stream", error);
    if (status == SPOT_OK)
        status = make_run(program, &run, &memory, data, error);
    if (status == SPOT_OK)
        status = tune_steps(program, &run, error);
    if (run.stream != NULL) {
        (void)cudaStreamSynchronize(run.stream);
        (void)cudaStreamDestroy(run.stream);
    }
    (void)cudaFree(memory);
    free(data);
    return status;
}
