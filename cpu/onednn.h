/*
 * oneDNN as this backend uses it: a few kinds of operations, made once, run on many threads. Every
 * dnnl_ call of the project is behind this header (cpu/onednn.c), built for API 2.x and 3.x alike.
 *
 * An operation keeps its weights in the library's own order. What the library would compute with
 * its slow reference code is refused with SPOT_UNSUPPORTED: a kernel of ours does better.
 */
#ifndef SPOT_CPU_ONEDNN_H
#define SPOT_CPU_ONEDNN_H

#include "core/ops/activation.h"
#include "cpu/layout.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_onednn_op;   /* read-only after its creation: shared by lanes */
struct spot_onednn_lane; /* one op bound to the memory of one lane */

/*
 * A convolution of one picture, channels last. weight is dense [groups][out/groups][in/groups]
 * [kernel_h][kernel_w] with the counts of channels given here; both are copied.
 */
struct spot_onednn_conv {
    int in_channels, in_height, in_width;
    int out_channels, out_height, out_width;
    enum spot_dtype in_dtype, out_dtype; /* F32 or BF16; weights are as the input */
    int groups, kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
    int pad_top, pad_left;
    const float *weight, *bias;
    bool accumulate; /* out = act(conv + out) */
    struct spot_activation activation;
};

/* Whether the library has this activation as part of another operation. */
bool spot_onednn_can_fuse(struct spot_activation activation);

enum spot_status spot_onednn_conv_new(const struct spot_onednn_conv *conv,
                                      struct spot_onednn_op **op, struct spot_error *error);

/*
 * out[rows,outs] = act(in[rows,ins] * weight[outs,ins]^T + bias[outs]), dense; out, weight and bias
 * as given here are float32.
 */
struct spot_onednn_matmul {
    int rows, ins, outs;
    enum spot_dtype in_dtype;   /* F32 or BF16; weights become as the input, sums stay float32 */
    const float *weight, *bias; /* bias may be NULL */
    struct spot_activation activation;
};

enum spot_status spot_onednn_matmul_new(const struct spot_onednn_matmul *matmul,
                                        struct spot_onednn_op **op, struct spot_error *error);

void spot_onednn_op_free(struct spot_onednn_op **op);

/* Bytes of scratch memory for a run, and of weights held. */
size_t spot_onednn_scratch_bytes(const struct spot_onednn_op *op);
size_t spot_onednn_weight_bytes(const struct spot_onednn_op *op);

enum spot_status spot_onednn_lane_new(const struct spot_onednn_op *op,
                                      struct spot_onednn_lane **lane, struct spot_error *error);
void spot_onednn_lane_free(struct spot_onednn_lane **lane);

/*
 * Runs on the calling thread alone. The library itself allocates a few hundred bytes on the way,
 * which it always has done and this code cannot prevent.
 */
void spot_onednn_run(struct spot_onednn_lane *lane, const void *in, void *out, void *scratch);

/* Makes the library use one thread when called from this one; cheap after the first time. */
void spot_onednn_this_thread(void);

/* "oneDNN 2.6.3" */
const char *spot_onednn_version(void);

#ifdef __cplusplus
}
#endif
#endif
