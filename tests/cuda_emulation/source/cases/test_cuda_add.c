/* spot_cuda_add against core/ops/add.c. */
#include "tests/cuda_emulation/source/harness.h"

static cudaError_t launch(const void *params, cudaStream_t stream) {
    return spot_cuda_add(params, stream);
}

static const int shapes[][4] = {{1, 1, 1, 1}, {2, 3, 5, 7}, {3, 58, 2, 3}, {1, 8, 20, 20}};

static struct spot_shape shape_of(int i) {
    return spot_shape4(shapes[i][0], shapes[i][1], shapes[i][2], shapes[i][3]);
}

static void check(enum spot_dtype dtype, int i, enum spot_activation_kind kind, bool in_place) {
    struct kernel_test t;
    struct spot_add attrs = {{kind, 0.1F}};
    kernel_begin(&t, dtype, "add, shape %d, %s", i, spot_activation_name(kind));
    t.extra_pitch = i % 2 * SPOT_CUDA_CHANNELS;
    struct spot_tensor in[2] = {kernel_random(&t, shape_of(i), -3, 3),
                                kernel_random(&t, shape_of(i), -3, 3)};
    struct spot_tensor out;
    kernel_reference(&t, &spot_op_add, &attrs, in, 2, &out, 1);
    struct spot_cuda_add params = {
        .attrs = attrs, .a = kernel_map(&t, &in[0]), .b = kernel_map(&t, &in[1])};
    if (in_place) {
        params.out = params.a;
        kernel_in_place(&t, &params.out, &out, KERNEL_EXACT);
    } else {
        params.out = kernel_out_map(&t, &out, KERNEL_EXACT);
    }
    kernel_check(&t, launch, &params);
    kernel_end(&t);
}

static void sums_agree_for_every_shape_and_activation(void **state) {
    (void)state;
    for (int d = 0; d < 2; d++)
        for (int i = 0; i < 4; i++)
            for (int kind = 0; kind < SPOT_ACT_COUNT; kind++)
                check(kernel_dtypes[d], i, (enum spot_activation_kind)kind, false);
}

static void the_output_may_be_an_input(void **state) {
    (void)state;
    check(SPOT_F32, 1, SPOT_ACT_NONE, true);
    check(SPOT_F16, 2, SPOT_ACT_SIGMOID, true);
}

static void maps_that_differ_are_refused(void **state) {
    (void)state;
    struct kernel_test t;
    kernel_begin(&t, SPOT_F32, "add, refused");
    struct spot_tensor x = kernel_tensor(&t, shape_of(1));
    struct spot_cuda_add good = {.a = kernel_map(&t, &x), .b = kernel_map(&t, &x)};
    good.out = kernel_map(&t, &x);
    struct spot_cuda_add params = good;
    params.b.width--;
    kernel_refuses(launch, &params, "another width");
    params = good;
    params.a.dtype = SPOT_F16;
    kernel_refuses(launch, &params, "another type");
    params = good;
    params.out.data = NULL;
    kernel_refuses(launch, &params, "no output");
    params = good;
    params.out.data = (char *)params.out.data + 4;
    kernel_refuses(launch, &params, "an output off its alignment");
    params = good;
    params.out.pitch = 12;
    kernel_refuses(launch, &params, "a pitch that is no multiple of 8");
    kernel_end(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_agree_for_every_shape_and_activation),
        cmocka_unit_test(the_output_may_be_an_input),
        cmocka_unit_test(maps_that_differ_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
