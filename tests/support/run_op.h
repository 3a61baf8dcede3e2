/* Running one operator by itself, for unit tests: inference, then the scalar reference. */
#ifndef TESTS_SUPPORT_RUN_OP_H
#define TESTS_SUPPORT_RUN_OP_H

#include "core/op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A float32 tensor over the caller's data. */
struct spot_tensor test_tensor(struct spot_shape shape, const float *data);

/* What the operator's inference says of these arguments; *error as it filled it. */
enum spot_status test_infer_op(const struct spot_op *op, const void *attrs,
                               const struct spot_tensor *in, int n_in, int n_out,
                               struct spot_error *error);

/*
 * Fills out[0..n_out) with what the reference computes, each in memory of exactly its size, so that
 * AddressSanitizer sees every access beyond it. The caller frees out[k].data. Ends the program with
 * a message when inference fails or an element was left unwritten.
 */
void test_run_op(const struct spot_op *op, const void *attrs, const struct spot_tensor *in,
                 int n_in, struct spot_tensor *out, int n_out);

#ifdef __cplusplus
}
#endif
#endif
