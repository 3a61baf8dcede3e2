/* The operator that reads pictures. */
#include "cuda/program.h"

enum { PICTURE, SETTINGS };

static enum spot_status launch(const struct spot_cuda_step *step, const struct spot_cuda_run *run,
                               struct spot_error *error) {
    struct spot_cuda_preprocess params = {
        .attrs = *(struct spot_preprocess *)step->node->attrs,
        .pictures = spot_cuda_data_of(run, step->node->in[PICTURE]),
        .settings = spot_cuda_data_of(run, step->node->in[SETTINGS]),
        .out = spot_cuda_map_of(run, step->node->out[0]),
    };
    return spot_cuda_launched(spot_cuda_preprocess(&params, run->stream), step, error);
}

const struct spot_cuda_operator spot_cuda_operator_preprocess = {
    .op = &spot_op_preprocess, .dense_in = 1U << SETTINGS, .launch = launch};
