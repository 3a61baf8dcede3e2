/* Running one operator by itself; see tests/support/run_op.h. */
#include "tests/support/run_op.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A NaN that no computation gives: an output that still holds it was not written. */
static const uint32_t UNWRITTEN = 0x7fc0beefU;

static void stop(const char *what, const char *detail) {
    fprintf(stderr, "test_run_op: %s%s\n", what, detail);
    abort();
}

static void *memory(size_t bytes) {
    void *block = malloc(bytes > 0 ? bytes : 1);
    if (block == NULL)
        stop("out of memory", "");
    return block;
}

struct spot_tensor test_tensor(struct spot_shape shape, const float *data) {
    return (struct spot_tensor){{SPOT_F32, shape}, (void *)(uintptr_t)data};
}

static void fill_types(struct spot_op_types *types, const void *attrs, const struct spot_tensor *in,
                       int n_in, int n_out) {
    *types = (struct spot_op_types){.attrs = attrs, .n_in = n_in, .n_out = n_out};
    for (int i = 0; i < n_in; i++)
        types->in[i] = in[i].type;
}

enum spot_status test_infer_op(const struct spot_op *op, const void *attrs,
                               const struct spot_tensor *in, int n_in, int n_out,
                               struct spot_error *error) {
    struct spot_op_types types;
    fill_types(&types, attrs, in, n_in, n_out);
    return op->infer(&types, error);
}

void test_run_op(const struct spot_op *op, const void *attrs, const struct spot_tensor *in,
                 int n_in, struct spot_tensor *out, int n_out) {
    struct spot_op_types types;
    struct spot_error error = {SPOT_OK, ""};
    fill_types(&types, attrs, in, n_in, n_out);
    if (op->infer(&types, &error) != SPOT_OK)
        stop("inference failed: ", error.text);
    for (int k = 0; k < n_out; k++) {
        size_t count = spot_shape_elements(&types.out[k].shape);
        uint32_t *words = memory(count * sizeof *words);
        for (size_t i = 0; i < count; i++)
            words[i] = UNWRITTEN;
        out[k] = (struct spot_tensor){types.out[k], words};
    }
    size_t bytes = op->scratch != NULL ? (op->scratch(&types) + 63) / 64 * 64 : 0;
    void *scratch = bytes > 0 ? aligned_alloc(64, bytes) : NULL;
    if (bytes > 0 && scratch == NULL)
        stop("out of memory", "");
    struct spot_op_args args = {attrs, n_in, n_out, in, out, scratch};
    op->reference(&args);
    free(scratch);
    for (int k = 0; k < n_out; k++) {
        size_t count = spot_shape_elements(&out[k].type.shape);
        for (size_t i = 0; i < count; i++)
            if (memcmp((uint32_t *)out[k].data + i, &UNWRITTEN, sizeof UNWRITTEN) == 0)
                stop("the reference left an element unwritten in ", op->name);
    }
}
