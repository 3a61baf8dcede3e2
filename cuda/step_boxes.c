/* Operators that end a detector: decoding of heads to candidates, and suppression. */
#include "cuda/program.h"

enum { SETTINGS }; /* the first input of each decoder */

static struct spot_cuda_decoder decoder_of(const struct spot_cuda_step *step,
                                           const struct spot_cuda_run *run) {
    return (struct spot_cuda_decoder){
        .settings = spot_cuda_data_of(run, step->node->in[SETTINGS]),
        .candidates = spot_cuda_data_of(run, step->node->out[0]),
        .scratch = run->scratch,
    };
}

/* A head's maps: every stride-th input of the node from the first one on. */
static struct spot_cuda_levels levels_of(const struct spot_cuda_step *step,
                                         const struct spot_cuda_run *run, int first, int stride) {
    struct spot_cuda_levels levels = {.count = 0};
    for (int k = first; k < step->node->n_in; k += stride)
        levels.map[levels.count++] = spot_cuda_map_of(run, step->node->in[k]);
    return levels;
}

/* ---- gfl_decode ---- */

static struct spot_cuda_gfl_decode gfl_params(const struct spot_cuda_step *step,
                                              const struct spot_cuda_run *run) {
    return (struct spot_cuda_gfl_decode){
        .base = decoder_of(step, run),
        .attrs = *(struct spot_gfl_decode *)step->node->attrs,
        .levels = levels_of(step, run, SETTINGS + 1, 1),
    };
}

static enum spot_status prepare_gfl(struct spot_cuda_program *program, struct spot_cuda_step *step,
                                    struct spot_error *error) {
    struct spot_cuda_run dry = spot_cuda_dry_run(program);
    struct spot_cuda_gfl_decode params = gfl_params(step, &dry);
    (void)error;
    step->scratch_bytes = spot_cuda_gfl_decode_bytes(&params);
    return SPOT_OK;
}

static enum spot_status gfl_decode(const struct spot_cuda_step *step,
                                   const struct spot_cuda_run *run, struct spot_error *error) {
    struct spot_cuda_gfl_decode params = gfl_params(step, run);
    return spot_cuda_launched(spot_cuda_gfl_decode(&params, run->stream), step, error);
}

const struct spot_cuda_operator spot_cuda_operator_gfl_decode = {
    .op = &spot_op_gfl_decode,
    .dense_in = 1U << SETTINGS,
    .dense_out = 1U << 0,
    .prepare = prepare_gfl,
    .launch = gfl_decode,
};

/* ---- yolo_decode ---- */

static struct spot_cuda_yolo_decode yolo_params(const struct spot_cuda_step *step,
                                                const struct spot_cuda_run *run) {
    return (struct spot_cuda_yolo_decode){
        .base = decoder_of(step, run),
        .attrs = *(struct spot_yolo_decode *)step->node->attrs,
        .levels = levels_of(step, run, SETTINGS + 1, 1),
    };
}

static enum spot_status prepare_yolo(struct spot_cuda_program *program, struct spot_cuda_step *step,
                                     struct spot_error *error) {
    struct spot_cuda_run dry = spot_cuda_dry_run(program);
    struct spot_cuda_yolo_decode params = yolo_params(step, &dry);
    (void)error;
    step->scratch_bytes = spot_cuda_yolo_decode_bytes(&params);
    return SPOT_OK;
}

static enum spot_status yolo_decode(const struct spot_cuda_step *step,
                                    const struct spot_cuda_run *run, struct spot_error *error) {
    struct spot_cuda_yolo_decode params = yolo_params(step, run);
    return spot_cuda_launched(spot_cuda_yolo_decode(&params, run->stream), step, error);
}

const struct spot_cuda_operator spot_cuda_operator_yolo_decode = {
    .op = &spot_op_yolo_decode,
    .dense_in = 1U << SETTINGS,
    .dense_out = 1U << 0,
    .prepare = prepare_yolo,
    .launch = yolo_decode,
};

/* ---- ssd_decode ---- */

enum { PRIORS = 1, LOC, CONF, SSD_STRIDE = 2 }; /* then the next level's loc and conf */

static struct spot_cuda_ssd_decode ssd_params(const struct spot_cuda_step *step,
                                              const struct spot_cuda_run *run) {
    return (struct spot_cuda_ssd_decode){
        .base = decoder_of(step, run),
        .attrs = *(struct spot_ssd_decode *)step->node->attrs,
        .loc = levels_of(step, run, LOC, SSD_STRIDE),
        .conf = levels_of(step, run, CONF, SSD_STRIDE),
        .priors = spot_cuda_data_of(run, step->node->in[PRIORS]),
    };
}

static enum spot_status prepare_ssd(struct spot_cuda_program *program, struct spot_cuda_step *step,
                                    struct spot_error *error) {
    struct spot_cuda_run dry = spot_cuda_dry_run(program);
    struct spot_cuda_ssd_decode params = ssd_params(step, &dry);
    (void)error;
    step->scratch_bytes = spot_cuda_ssd_decode_bytes(&params);
    return SPOT_OK;
}

static enum spot_status ssd_decode(const struct spot_cuda_step *step,
                                   const struct spot_cuda_run *run, struct spot_error *error) {
    struct spot_cuda_ssd_decode params = ssd_params(step, run);
    return spot_cuda_launched(spot_cuda_ssd_decode(&params, run->stream), step, error);
}

const struct spot_cuda_operator spot_cuda_operator_ssd_decode = {
    .op = &spot_op_ssd_decode,
    .dense_in = 1U << SETTINGS | 1U << PRIORS,
    .dense_out = 1U << 0,
    .prepare = prepare_ssd,
    .launch = ssd_decode,
};

/* ---- rcnn_decode ---- */

enum { ROIS = 1, PROBABILITIES, DELTAS };

static struct spot_cuda_rcnn_decode rcnn_params(const struct spot_cuda_step *step,
                                                const struct spot_cuda_run *run) {
    return (struct spot_cuda_rcnn_decode){
        .base = decoder_of(step, run),
        .attrs = *(struct spot_rcnn_decode *)step->node->attrs,
        .pictures = run->pictures,
        .rois = spot_cuda_data_of(run, step->node->in[ROIS]),
        .probabilities = spot_cuda_map_of(run, step->node->in[PROBABILITIES]),
        .deltas = spot_cuda_map_of(run, step->node->in[DELTAS]),
    };
}

static enum spot_status prepare_rcnn(struct spot_cuda_program *program, struct spot_cuda_step *step,
                                     struct spot_error *error) {
    struct spot_cuda_run dry = spot_cuda_dry_run(program);
    struct spot_cuda_rcnn_decode params = rcnn_params(step, &dry);
    (void)error;
    step->scratch_bytes = spot_cuda_rcnn_decode_bytes(&params);
    return SPOT_OK;
}

static enum spot_status rcnn_decode(const struct spot_cuda_step *step,
                                    const struct spot_cuda_run *run, struct spot_error *error) {
    struct spot_cuda_rcnn_decode params = rcnn_params(step, run);
    return spot_cuda_launched(spot_cuda_rcnn_decode(&params, run->stream), step, error);
}

const struct spot_cuda_operator spot_cuda_operator_rcnn_decode = {
    .op = &spot_op_rcnn_decode,
    .dense_in = 1U << SETTINGS | 1U << ROIS,
    .dense_out = 1U << 0,
    .rois_in = 1U << ROIS,
    .prepare = prepare_rcnn,
    .launch = rcnn_decode,
};

/* ---- nms ---- */

enum { CANDIDATES, NMS_SETTINGS };

static struct spot_cuda_nms nms_params(const struct spot_cuda_step *step,
                                       const struct spot_cuda_run *run) {
    const struct spot_node *node = step->node;
    return (struct spot_cuda_nms){
        .attrs = *(struct spot_nms *)node->attrs,
        .pictures = run->pictures,
        .count = node->in[CANDIDATES]->type.shape.dim[1],
        .candidates = spot_cuda_data_of(run, node->in[CANDIDATES]),
        .settings = spot_cuda_data_of(run, node->in[NMS_SETTINGS]),
        .detections = spot_cuda_data_of(run, node->out[0]),
        .scratch = run->scratch,
    };
}

static bool supports_nms(const struct spot_node *node) {
    return node->in[CANDIDATES]->type.shape.dim[1] <= SPOT_CUDA_SUPPRESS_MAX;
}

static enum spot_status prepare_nms(struct spot_cuda_program *program, struct spot_cuda_step *step,
                                    struct spot_error *error) {
    struct spot_cuda_run dry = spot_cuda_dry_run(program);
    struct spot_cuda_nms params = nms_params(step, &dry);
    (void)error;
    step->scratch_bytes =
        spot_cuda_suppress_bytes(params.pictures, params.count, params.attrs.max_detections);
    return SPOT_OK;
}

static enum spot_status nms(const struct spot_cuda_step *step, const struct spot_cuda_run *run,
                            struct spot_error *error) {
    struct spot_cuda_nms params = nms_params(step, run);
    return spot_cuda_launched(spot_cuda_nms(&params, run->stream), step, error);
}

const struct spot_cuda_operator spot_cuda_operator_nms = {
    .op = &spot_op_nms,
    .dense_in = 1U << CANDIDATES | 1U << NMS_SETTINGS,
    .dense_out = 1U << 0,
    .supports = supports_nms,
    .prepare = prepare_nms,
    .launch = nms,
};
