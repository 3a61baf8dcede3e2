/* Operators on regions of interest: proposals, and pooling of what lies in them. */
#include "core/anchors.h"
#include "cuda/program.h"

/* ---- proposals ---- */

enum { CLASSES, BOXES, SETTINGS };

static struct spot_cuda_proposals proposals_params(const struct spot_cuda_step *step,
                                                   const struct spot_cuda_run *run) {
    const struct spot_node *node = step->node;
    struct spot_cuda_proposals params = {
        .attrs = *(struct spot_proposals *)node->attrs,
        .classes = spot_cuda_map_of(run, node->in[CLASSES]),
        .boxes = spot_cuda_map_of(run, node->in[BOXES]),
        .settings = spot_cuda_data_of(run, node->in[SETTINGS]),
        .rois = spot_cuda_data_of(run, node->out[0]),
        .picks = node->n_out > 1 ? spot_cuda_data_of(run, node->out[1]) : NULL,
        .scratch = run->scratch,
    };
    spot_anchors_base(&params.attrs.anchors, params.base);
    return params;
}

static enum spot_status prepare_proposals(struct spot_cuda_program *program,
                                          struct spot_cuda_step *step, struct spot_error *error) {
    struct spot_cuda_run dry = spot_cuda_dry_run(program);
    struct spot_cuda_proposals params = proposals_params(step, &dry);
    (void)error;
    step->scratch_bytes = spot_cuda_proposals_bytes(&params);
    return SPOT_OK;
}

static enum spot_status proposals(const struct spot_cuda_step *step,
                                  const struct spot_cuda_run *run, struct spot_error *error) {
    struct spot_cuda_proposals params = proposals_params(step, run);
    return spot_cuda_launched(spot_cuda_proposals(&params, run->stream), step, error);
}

const struct spot_cuda_operator spot_cuda_operator_proposals = {
    .op = &spot_op_proposals,
    .dense_in = 1U << SETTINGS,
    .dense_out = 1U << 0 | 1U << 1,
    .rois_out = 1U << 0,
    .prepare = prepare_proposals,
    .launch = proposals,
};

/* ---- position-sensitive pooling ---- */

enum { DATA, ROIS };

static enum spot_status ps_roi_pool(const struct spot_cuda_step *step,
                                    const struct spot_cuda_run *run, struct spot_error *error) {
    struct spot_cuda_ps_roi_pool params = {
        .attrs = *(struct spot_ps_roi_pool *)step->node->attrs,
        .in = spot_cuda_map_of(run, step->node->in[DATA]),
        .out = spot_cuda_map_of(run, step->node->out[0]),
        .rois = spot_cuda_data_of(run, step->node->in[ROIS]),
    };
    return spot_cuda_launched(spot_cuda_ps_roi_pool(&params, run->stream), step, error);
}

const struct spot_cuda_operator spot_cuda_operator_ps_roi_pool = {
    .op = &spot_op_ps_roi_pool,
    .dense_in = 1U << ROIS,
    .rois_in = 1U << ROIS,
    .launch = ps_roi_pool,
};

static enum spot_status ps_roi_align(const struct spot_cuda_step *step,
                                     const struct spot_cuda_run *run, struct spot_error *error) {
    struct spot_cuda_ps_roi_align params = {
        .attrs = *(struct spot_ps_roi_align *)step->node->attrs,
        .in = spot_cuda_map_of(run, step->node->in[DATA]),
        .out = spot_cuda_map_of(run, step->node->out[0]),
        .rois = spot_cuda_data_of(run, step->node->in[ROIS]),
    };
    return spot_cuda_launched(spot_cuda_ps_roi_align(&params, run->stream), step, error);
}

const struct spot_cuda_operator spot_cuda_operator_ps_roi_align = {
    .op = &spot_op_ps_roi_align,
    .dense_in = 1U << ROIS,
    .rois_in = 1U << ROIS,
    .launch = ps_roi_align,
};
