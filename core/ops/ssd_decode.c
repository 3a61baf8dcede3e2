/* Decoding of SSD heads; see core/ops/ssd_decode.h. */
#include "core/ops/ssd_decode.h"

#include "core/candidates.h"

#include <math.h>

enum { SETTINGS, PRIORS, FIRST_LEVEL };

/* The loc and conf maps of the level at input i; adds its priors to *priors. */
static enum spot_status check_level(const struct spot_op_types *types, int i, int64_t *priors,
                                    struct spot_error *error) {
    const struct spot_ssd_decode *a = types->attrs;
    const struct spot_shape *loc = &types->in[i].shape, *conf = &types->in[i + 1].shape;
    struct spot_shape expected = *loc;
    char left[64], right[64];
    expected.dim[1] = loc->dim[1] / 4 * (a->classes + 1);
    if (loc->rank != 4 || loc->dim[1] % 4 != 0 || !spot_shape_equal(conf, &expected))
        return spot_fail(error, SPOT_INVALID, "maps %s and %s do not hold 4 and 1 + %d numbers",
                         spot_shape_format(loc, left, sizeof left),
                         spot_shape_format(conf, right, sizeof right), a->classes);
    *priors += (int64_t)(loc->dim[1] / 4) * loc->dim[2] * loc->dim[3];
    return SPOT_OK;
}

static enum spot_status infer(struct spot_op_types *types, struct spot_error *error) {
    const struct spot_ssd_decode *a = types->attrs;
    const struct spot_shape *rows = &types->in[PRIORS].shape;
    if (a->classes < 1 || a->classes > SPOT_CLASSES_MAX || a->max_candidates < 1)
        return spot_fail(error, SPOT_INVALID, "%d classes or %d candidates are out of range",
                         a->classes, a->max_candidates);
    if ((types->n_in - FIRST_LEVEL) % 2 != 0)
        return spot_fail(error, SPOT_INVALID, "every level must have a loc and a conf map");
    int64_t priors = 0;
    for (int i = FIRST_LEVEL; i < types->n_in; i += 2) {
        enum spot_status status = check_level(types, i, &priors, error);
        if (status != SPOT_OK)
            return status;
    }
    char text[64];
    if (rows->rank != 2 || rows->dim[0] != priors || rows->dim[1] != 4)
        return spot_fail(error, SPOT_INVALID, "priors %s, expected [%lld,4]",
                         spot_shape_format(rows, text, sizeof text), (long long)priors);
    types->out[0].shape =
        spot_shape3(types->in[SETTINGS].shape.dim[0], a->max_candidates, SPOT_CAND_FIELDS);
    return SPOT_OK;
}

static size_t scratch(const struct spot_op_types *types) {
    return spot_collector_bytes(((const struct spot_ssd_decode *)types->attrs)->max_candidates);
}

/* The box of a prior in picture pixels; its loc numbers lie `step` floats apart. */
static void decode_box(const struct spot_ssd_decode *a, const float *s, const float *prior,
                       const float *loc, size_t step, float box[4]) {
    float cx = prior[0] + loc[0] * a->variance_centre * prior[2];
    float cy = prior[1] + loc[step] * a->variance_centre * prior[3];
    float w = prior[2] * expf(a->variance_size * loc[2 * step]);
    float h = prior[3] * expf(a->variance_size * loc[3 * step]);
    float left = cx - w / 2, top = cy - h / 2;
    box[0] = left * s[SPOT_SET_PICTURE_W];
    box[1] = top * s[SPOT_SET_PICTURE_H];
    box[2] = (left + w) * s[SPOT_SET_PICTURE_W];
    box[3] = (top + h) * s[SPOT_SET_PICTURE_H];
}

void spot_ssd_decode_prior(const struct spot_ssd_decode *a, const float *s, const float *prior,
                           const float *loc, const float *logits, size_t step,
                           struct spot_collector *collector) {
    float max = logits[0], sum = 0;
    for (int k = 1; k <= a->classes; k++)
        max = fmaxf(max, logits[(size_t)k * step]);
    for (int k = 0; k <= a->classes; k++)
        sum += expf(logits[(size_t)k * step] - max);
    bool have_box = false;
    float box[4];
    for (int c = 0; c < a->classes; c++) {
        float score = expf(logits[(size_t)(c + 1) * step] - max) / sum;
        if (!(score > s[SPOT_SET_CONFIDENCE]))
            continue;
        if (!have_box)
            decode_box(a, s, prior, loc, step, box);
        have_box = true;
        spot_collector_offer(collector, box, score, c);
    }
}

/* Decodes picture n of one level; returns the first prior of the next. */
static const float *decode_level(const struct spot_ssd_decode *a, const float *s,
                                 const float *prior, const struct spot_tensor *level, int n,
                                 struct spot_collector *collector) {
    const int *dim = level[0].type.shape.dim;
    int in_cell = dim[1] / 4;
    size_t plane = (size_t)dim[2] * (size_t)dim[3];
    size_t loc_step = 4 * plane, conf_step = (size_t)(a->classes + 1) * plane;
    const float *loc = (const float *)level[0].data + (size_t)(n * in_cell) * loc_step;
    const float *conf = (const float *)level[1].data + (size_t)(n * in_cell) * conf_step;
    for (size_t cell = 0; cell < plane; cell++)
        for (size_t i = 0; i < (size_t)in_cell; i++, prior += 4)
            spot_ssd_decode_prior(a, s, prior, loc + i * loc_step + cell,
                                  conf + i * conf_step + cell, plane, collector);
    return prior;
}

static void reference(const struct spot_op_args *args) {
    const struct spot_ssd_decode *a = args->attrs;
    float *out = args->out[0].data;
    for (int n = 0; n < args->out[0].type.shape.dim[0]; n++) {
        const float *s = (const float *)args->in[SETTINGS].data + (size_t)n * SPOT_SETTINGS;
        const float *prior = args->in[PRIORS].data;
        struct spot_collector collector;
        spot_collector_init(&collector, args->scratch, a->max_candidates);
        for (int i = FIRST_LEVEL; i < args->n_in; i += 2)
            prior = decode_level(a, s, prior, &args->in[i], n, &collector);
        spot_collector_finish(&collector,
                              out + (size_t)n * (size_t)a->max_candidates * SPOT_CAND_FIELDS);
    }
}

const struct spot_op spot_op_ssd_decode = {
    .name = "ssd_decode",
    .attrs_size = sizeof(struct spot_ssd_decode),
    .n_in_min = 4,
    .n_in_max = 2 + 2 * SPOT_SSD_LEVELS_MAX,
    .n_out_min = 1,
    .n_out_max = 1,
    .infer = infer,
    .scratch = scratch,
    .reference = reference,
};

struct spot_value *spot_ssd_decode(struct spot_graph *graph, struct spot_value *settings,
                                   struct spot_value *priors, struct spot_value *const *loc,
                                   struct spot_value *const *conf, int n_levels,
                                   struct spot_ssd_decode attrs) {
    struct spot_value *in[2 + 2 * SPOT_SSD_LEVELS_MAX] = {settings, priors};
    for (int i = 0; i < n_levels && i < SPOT_SSD_LEVELS_MAX; i++) {
        in[FIRST_LEVEL + 2 * i] = loc[i];
        in[FIRST_LEVEL + 2 * i + 1] = conf[i];
    }
    return spot_graph_add(graph, &spot_op_ssd_decode, NULL, &attrs, in, 2 + 2 * n_levels, NULL, 1);
}
