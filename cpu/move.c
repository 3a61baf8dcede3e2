/*
 * Operators that only move channels of maps: concat along the channels, split, channel_shuffle,
 * shuffle_join. Plain copies of elements of 1, 2 or 4 bytes, pixel by pixel, in any layout of maps.
 */
#include "core/ops/channel_shuffle.h"
#include "core/ops/concat.h"
#include "core/ops/shuffle_join.h"
#include "core/ops/split.h"
#include "cpu/kernel.h"

#include <string.h>

struct move {
    struct spot_cpu_layout in[SPOT_NODE_INPUTS_MAX], out[SPOT_NODE_OUTPUTS_MAX];
    size_t element; /* bytes */
    /* for shuffles: channel k of the joined map is channel k / groups of run k % groups */
    int groups;
};

static bool match(const struct spot_cpu_program *program, const struct spot_node *node,
                  struct spot_cpu_step *step) {
    const struct spot_cpu_layout *first = spot_cpu_layout(program, node->out[0]);
    (void)step;
    if (node->op == &spot_op_concat && ((const struct spot_concat *)node->attrs)->axis != 1)
        return false;
    for (int k = 0; k < node->n_in; k++)
        if (!spot_cpu_same_size(first, spot_cpu_layout(program, node->in[k])))
            return false;
    for (int k = 0; k < node->n_out; k++)
        if (!spot_cpu_same_size(first, spot_cpu_layout(program, node->out[k])))
            return false;
    return true;
}

static enum spot_status prepare(struct spot_cpu_program *program, struct spot_cpu_step *step,
                                struct spot_error *error) {
    struct move *self = spot_cpu_alloc(program, sizeof *self, error);
    if (self == NULL)
        return SPOT_NO_MEMORY;
    for (int k = 0; k < step->n_in; k++)
        self->in[k] = *spot_cpu_layout(program, step->in[k]);
    for (int k = 0; k < step->n_out; k++)
        self->out[k] = *spot_cpu_layout(program, step->out[k]);
    self->element = spot_dtype_size(self->out[0].dtype);
    self->groups = step->node->op == &spot_op_channel_shuffle
                       ? ((const struct spot_channel_shuffle *)step->node->attrs)->groups
                       : 2;
    step->prepared = self;
    return SPOT_OK;
}

static size_t channels_bytes(const struct move *self, const struct spot_cpu_layout *layout) {
    return (size_t)layout->channels * self->element;
}

static size_t pixel_bytes(const struct move *self, const struct spot_cpu_layout *layout) {
    return (size_t)layout->pitch * self->element;
}

static void concat_run(const struct spot_cpu_step *step, const struct spot_cpu_run *run) {
    const struct move *self = step->prepared;
    size_t pixels = spot_cpu_pixels(&self->out[0]), out_bytes = pixel_bytes(self, &self->out[0]);
    size_t used = 0;
    for (int k = 0; k < step->n_in; k++) {
        const char *in = spot_cpu_in(step, run, k);
        char *out = (char *)spot_cpu_out(step, run, 0) + used;
        size_t bytes = channels_bytes(self, &self->in[k]);
        size_t in_bytes = pixel_bytes(self, &self->in[k]);
        for (size_t i = 0; i < pixels; i++)
            memcpy(out + i * out_bytes, in + i * in_bytes, bytes);
        used += bytes;
    }
    spot_cpu_clear_padding(spot_cpu_out(step, run, 0), &self->out[0]);
}

static void split_run(const struct spot_cpu_step *step, const struct spot_cpu_run *run) {
    const struct move *self = step->prepared;
    const char *in = spot_cpu_in(step, run, 0);
    size_t pixels = spot_cpu_pixels(&self->in[0]), in_bytes = pixel_bytes(self, &self->in[0]);
    for (int k = 0; k < step->n_out; k++) {
        char *out = spot_cpu_out(step, run, k);
        size_t bytes = channels_bytes(self, &self->out[k]);
        size_t out_bytes = pixel_bytes(self, &self->out[k]);
        for (size_t i = 0; i < pixels; i++)
            memcpy(out + i * out_bytes, in + i * in_bytes, bytes);
        in += bytes;
        spot_cpu_clear_padding(out, &self->out[k]);
    }
}

/* NOLINTBEGIN: a type in parentheses would not compile, and runs has a place for every group */
/*
 * Writes one pixel of the joined channels. runs[g] are what alternates; channels are cut into
 * n_out maps.
 */
#define DEFINE_INTERLEAVE(type)                                                                    \
    static void interleave_##type(const struct move *self, const void *const *runs, size_t i,      \
                                  int n_out, void *const *outs) {                                  \
        int channels = self->out[0].channels, k = 0;                                               \
        for (int o = 0; o < n_out; o++) {                                                          \
            type *out = (type *)outs[o] + i * (size_t)self->out[o].pitch;                          \
            for (int c = 0; c < channels; c++, k++)                                                \
                out[c] = ((const type *)runs[k % self->groups])[k / self->groups];                 \
            for (int c = channels; c < self->out[o].pitch; c++)                                    \
                out[c] = 0;                                                                        \
        }                                                                                          \
    }
DEFINE_INTERLEAVE(uint8_t)
DEFINE_INTERLEAVE(uint16_t)
DEFINE_INTERLEAVE(uint32_t)
#undef DEFINE_INTERLEAVE
/* NOLINTEND */

enum { GROUPS_MAX = 64 };

static bool shuffle_match(const struct spot_cpu_program *program, const struct spot_node *node,
                          struct spot_cpu_step *step) {
    return ((const struct spot_channel_shuffle *)node->attrs)->groups <= GROUPS_MAX &&
           match(program, node, step);
}

static void shuffle_run(const struct spot_cpu_step *step, const struct spot_cpu_run *run) {
    const struct move *self = step->prepared;
    size_t pixels = spot_cpu_pixels(&self->in[0]);
    const void *runs[GROUPS_MAX];
    void *outs[SPOT_NODE_OUTPUTS_MAX];
    for (int k = 0; k < step->n_out; k++)
        outs[k] = spot_cpu_out(step, run, k);
    size_t width = (size_t)(self->in[0].channels / self->groups) * self->element;
    for (size_t i = 0; i < pixels; i++) {
        for (int g = 0; g < self->groups; g++) {
            int k = step->n_in == 2 ? g : 0; /* two maps, or runs of one map's channels */
            runs[g] = (const char *)spot_cpu_in(step, run, k) +
                      i * pixel_bytes(self, &self->in[k]) +
                      (step->n_in == 2 ? 0 : (size_t)g * width);
        }
        if (self->element == sizeof(uint8_t))
            interleave_uint8_t(self, runs, i, step->n_out, outs);
        else if (self->element == sizeof(uint16_t))
            interleave_uint16_t(self, runs, i, step->n_out, outs);
        else
            interleave_uint32_t(self, runs, i, step->n_out, outs);
    }
}

const struct spot_cpu_kernel spot_cpu_kernel_concat = {
    .name = "concat", .op = &spot_op_concat, .match = match, .prepare = prepare, .run = concat_run};

const struct spot_cpu_kernel spot_cpu_kernel_split = {
    .name = "split", .op = &spot_op_split, .match = match, .prepare = prepare, .run = split_run};

const struct spot_cpu_kernel spot_cpu_kernel_channel_shuffle = {
    .name = "channel_shuffle",
    .op = &spot_op_channel_shuffle,
    .match = shuffle_match,
    .prepare = prepare,
    .run = shuffle_run,
};

const struct spot_cpu_kernel spot_cpu_kernel_shuffle_join = {
    .name = "shuffle_join",
    .op = &spot_op_shuffle_join,
    .match = match,
    .prepare = prepare,
    .run = shuffle_run,
};
