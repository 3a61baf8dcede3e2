/* spot_cuda_activation against core/ops/activation.c. */
#include "tests/cuda_emulation/source/harness.h"

#include <math.h>

static cudaError_t launch(const void *params, cudaStream_t stream) {
    return spot_cuda_activation(params, stream);
}

static void check(struct kernel_test *t, const struct spot_activation *attrs,
                  const struct spot_tensor *in, bool in_place) {
    struct spot_tensor out;
    kernel_reference(t, &spot_op_activation, attrs, in, 1, &out, 1);
    struct spot_cuda_activation params = {.attrs = *attrs, .in = kernel_map(t, in)};
    if (in_place) {
        params.out = params.in;
        kernel_in_place(t, &params.out, &out, KERNEL_EXACT);
    } else {
        params.out = kernel_out_map(t, &out, KERNEL_EXACT);
    }
    kernel_check(t, launch, &params);
}

static void every_kind_agrees(void **state) {
    (void)state;
    for (int d = 0; d < 2; d++) {
        for (int kind = 0; kind < SPOT_ACT_COUNT; kind++) {
            struct kernel_test t;
            struct spot_activation attrs = {(enum spot_activation_kind)kind, 0.3F};
            kernel_begin(&t, kernel_dtypes[d], "activation %s", spot_activation_name(attrs.kind));
            t.extra_pitch = kind % 2 * SPOT_CUDA_CHANNELS;
            struct spot_tensor in = kernel_random(&t, spot_shape4(2, 13, 5, 7), -9, 9);
            check(&t, &attrs, &in, kind % 3 == 0);
            kernel_end(&t);
        }
    }
}

static void values_without_a_number_agree(void **state) {
    (void)state;
    static const float values[] = {NAN,   INFINITY, -INFINITY, 0.0F,  -0.0F,  6.0F, -3.0F,
                                   65504, -65504,   20.0F,     88.0F, -88.0F, 3.0F, 1e-7F};
    for (int d = 0; d < 2; d++) {
        for (int kind = 0; kind < SPOT_ACT_COUNT; kind++) {
            struct kernel_test t;
            struct spot_activation attrs = {(enum spot_activation_kind)kind, 0.3F};
            kernel_begin(&t, kernel_dtypes[d], "activation %s, special",
                         spot_activation_name(attrs.kind));
            struct spot_tensor in = kernel_tensor(&t, spot_shape2(1, 14));
            for (int i = 0; i < 14; i++)
                ((float *)in.data)[i] = values[i];
            kernel_round(&t, &in);
            check(&t, &attrs, &in, false);
            kernel_end(&t);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_agrees),
        cmocka_unit_test(values_without_a_number_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
