/* Packing of weights (cuda/pack.h): float16 to nearest even, layouts and padding. */
#include "cuda/pack.h"

#include "tests/cuda_emulation/source/harness.h"

#include <math.h>

static void every_half_survives(void **state) {
    (void)state;
    for (unsigned half = 0; half < 0x10000; half++) {
        float value = spot_f32_from_f16((uint16_t)half);
        if (isnan(value))
            assert_int_equal(spot_cuda_f16(value), 0x7fff);
        else if (spot_cuda_f16(value) != half)
            fail_msg("half %04x is %g and comes back as %04x", half, (double)value,
                     spot_cuda_f16(value));
    }
}

/* A value between two neighbours goes to the nearer, in the middle to the even one. */
static void other_values_go_to_the_nearest_even(void **state) {
    (void)state;
    for (unsigned half = 0; half < 0x7c00; half++) {
        float low = spot_f32_from_f16((uint16_t)half);
        float high = half + 1 < 0x7c00 ? spot_f32_from_f16((uint16_t)(half + 1)) : 65536.0F;
        float middle = (low + high) / 2;
        unsigned even = half % 2 == 0 ? half : half + 1;
        assert_int_equal(spot_cuda_f16(middle), even);
        assert_int_equal(spot_cuda_f16(nextafterf(middle, low)), half);
        assert_int_equal(spot_cuda_f16(nextafterf(middle, INFINITY)), half + 1);
        assert_int_equal(spot_cuda_f16(-middle), 0x8000 | even);
    }
    assert_int_equal(spot_cuda_f16(1e30F), 0x7c00);
    assert_int_equal(spot_cuda_f16(-INFINITY), 0xfc00);
    assert_int_equal(spot_cuda_f16(1e-30F), 0);
}

static void convolution_weights_have_outputs_last(void **state) {
    (void)state;
    struct spot_shape shape = spot_shape4(3, 2, 1, 2);
    float weight[12], packed[2 * 2 * 8];
    for (int i = 0; i < 12; i++)
        weight[i] = (float)(i + 1);
    assert_int_equal(spot_cuda_conv_bytes(&shape, SPOT_F32), sizeof packed);
    assert_int_equal(spot_cuda_conv_bytes(&shape, SPOT_F16), sizeof packed / 2);
    spot_cuda_pack_conv(weight, &shape, SPOT_F32, packed);
    for (int tap = 0; tap < 2; tap++)
        for (int c = 0; c < 2; c++)
            for (int o = 0; o < 8; o++)
                assert_float_equal(packed[(tap * 2 + c) * 8 + o],
                                   o < 3 ? weight[(o * 2 + c) * 2 + tap] : 0, 0);
}

static void matrices_follow_the_map_they_read(void **state) {
    (void)state;
    struct spot_cuda_matrix matrix = {2, 3, 1, 2};
    float weight[12];
    uint16_t packed[2 * 2 * 8];
    for (int i = 0; i < 12; i++)
        weight[i] = (float)(i + 1);
    assert_int_equal(spot_cuda_matrix_bytes(&matrix, SPOT_F16), sizeof packed);
    spot_cuda_pack_matrix(weight, &matrix, SPOT_F16, packed);
    for (int o = 0; o < 2; o++)
        for (int pixel = 0; pixel < 2; pixel++)
            for (int c = 0; c < 8; c++)
                assert_float_equal(spot_f32_from_f16(packed[(o * 2 + pixel) * 8 + c]),
                                   c < 3 ? weight[(o * 3 + c) * 2 + pixel] : 0, 0);
}

static void biases_are_padded(void **state) {
    (void)state;
    const float bias[3] = {1, 2, 3};
    float packed[8];
    spot_cuda_pack_bias(bias, 3, packed);
    for (int o = 0; o < 8; o++)
        assert_float_equal(packed[o], o < 3 ? bias[o] : 0, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_survives),
        cmocka_unit_test(other_values_go_to_the_nearest_even),
        cmocka_unit_test(convolution_weights_have_outputs_last),
        cmocka_unit_test(matrices_follow_the_map_they_read),
        cmocka_unit_test(biases_are_padded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
