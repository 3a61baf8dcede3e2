/* spot_cuda_preprocess against core/ops/preprocess.c, to the last bit. */
#include "tests/cuda_emulation/source/harness.h"
#include "tests/support/random.h"

#include <stdlib.h>
#include <string.h>

enum { PICTURES = 3 };

static cudaError_t launch(const void *params, cudaStream_t stream) {
    return spot_cuda_preprocess(params, stream);
}

/* Pictures of these sizes with random pixels, the last row exactly as long as it must be. */
static void make_pictures(struct kernel_test *t, const int sizes[PICTURES][2],
                          struct spot_picture *host) {
    static uint8_t pixels[PICTURES][1 << 17];
    for (int i = 0; i < PICTURES; i++) {
        int width = sizes[i][0], height = sizes[i][1];
        size_t stride = 3 * (size_t)width + (size_t)i * 5;
        size_t bytes = stride * (size_t)(height - 1) + 3 * (size_t)width;
        assert_true(bytes <= sizeof pixels[i]);
        for (size_t k = 0; k < bytes; k++)
            pixels[i][k] = (uint8_t)test_random(&t->random);
        host[i] = (struct spot_picture){pixels[i], width, height, stride};
    }
}

/* The pictures as the GPU gets them: whole, or of large ones only what is read. */
static void send_pictures(struct kernel_test *t, const struct spot_preprocess *attrs,
                          const struct spot_picture *host, const float *settings,
                          struct spot_cuda_picture *device) {
    size_t most = spot_cuda_picture_bytes_max(attrs);
    for (int i = 0; i < PICTURES; i++, settings += SPOT_SETTINGS) {
        uint8_t *packed = malloc(most);
        assert_non_null(packed);
        size_t bytes = spot_cuda_picture_pack(attrs, &host[i], settings, packed, &device[i]);
        assert_true(bytes <= most);
        assert_int_equal(device[i].packed_columns,
                         host[i].width > 2 * (int)settings[SPOT_SET_RESIZED_W]);
        assert_int_equal(device[i].packed_rows,
                         host[i].height > 2 * (int)settings[SPOT_SET_RESIZED_H]);
        device[i].source.pixels = kernel_data(t, packed, bytes);
        free(packed);
    }
}

static void check(enum spot_dtype dtype, const struct spot_preprocess *attrs,
                  const int sizes[PICTURES][2]) {
    struct kernel_test t;
    struct spot_picture host[PICTURES];
    struct spot_cuda_picture device[PICTURES];
    kernel_begin(&t, dtype, "preprocess fit %d arithmetic %d, %dx%d to %dx%d", (int)attrs->fit,
                 (int)attrs->arithmetic, sizes[0][0], sizes[0][1], attrs->width, attrs->height);
    make_pictures(&t, sizes, host);
    struct spot_tensor settings = kernel_tensor(&t, spot_shape2(PICTURES, SPOT_SETTINGS));
    for (int i = 0; i < PICTURES; i++)
        spot_preprocess_geometry(attrs, host[i].width, host[i].height,
                                 (float *)settings.data + (size_t)i * SPOT_SETTINGS);
    struct spot_tensor in[2] = {{{SPOT_PICTURE, spot_shape1(PICTURES)}, host}, settings}, out;
    kernel_reference(&t, &spot_op_preprocess, attrs, in, 2, &out, 1);
    send_pictures(&t, attrs, host, settings.data, device);
    struct spot_cuda_preprocess params = {
        .attrs = *attrs,
        .pictures = kernel_data(&t, device, sizeof device),
        .settings = kernel_floats(&t, &settings),
        .out = kernel_out_map(&t, &out, KERNEL_EXACT),
    };
    kernel_check(&t, launch, &params);
    kernel_end(&t);
}

static const int sizes[][PICTURES][2] = {
    {{97, 61}, {61, 97}, {64, 48}},     /* smaller, the same size */
    {{128, 96}, {1, 1}, {33, 47}},      /* twice the size, one pixel, larger */
    {{200, 3}, {2, 100}, {130, 100}},   /* long ones */
    {{257, 131}, {300, 97}, {97, 250}}, /* so large that only taps are sent */
};

static void every_fit_and_arithmetic_agrees(void **state) {
    (void)state;
    struct spot_preprocess attrs = {.height = 48,
                                    .width = 64,
                                    .short_side = 40,
                                    .long_side = 60,
                                    .pad = {0, 114, 255},
                                    .mean = {103.53F, 116.28F, 123.675F},
                                    .scale = {1 / 57.375F, 1 / 57.12F, 1 / 58.395F}};
    for (int d = 0; d < 2; d++) {
        for (int fit = SPOT_FIT_LETTERBOX; fit <= SPOT_FIT_TOP_LEFT; fit++) {
            for (int arithmetic = 0; arithmetic < 2; arithmetic++) {
                attrs.fit = (enum spot_preprocess_fit)fit;
                attrs.arithmetic = (enum spot_preprocess_arithmetic)arithmetic;
                attrs.bgr = fit % 2 == 0;
                for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
                    check(kernel_dtypes[d], &attrs, sizes[i]);
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_fit_and_arithmetic_agrees)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
