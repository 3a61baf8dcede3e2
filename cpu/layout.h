/*
 * How the CPU backend lays values out in memory.
 *
 * Dense: row-major float32 as in core/tensor.h; everything that is no map of one picture.
 *
 * Map [1,C,H,W]: channels last, [H][W][pitch], float32 or bf16. The pitch is C rounded up to 64
 * bytes, so every pixel begins a cache line and kernels need no tail along the channels. Channels
 * from C to the pitch are always zero: every kernel that writes a map keeps that, and may rely on
 * it. Pictures as network inputs (C up to 4, from preprocess or the caller) are packed instead:
 * their pitch is C.
 *
 * In an int8 program many maps are quantised, element type U8: real = scale * (byte - zero), see
 * core/calibration.h. Their channels from C to the pitch hold anything: kernels that read them give
 * them no weight. A float32 map that a quantised convolution reads has a scale and zero too, by
 * which the convolution quantises it on the way in.
 *
 * After the last pixel follow SPOT_CPU_SLACK_PIXELS more, of any content, so that a kernel may
 * read and write whole blocks of pixels. The content of one never influences another's.
 */
#ifndef SPOT_CPU_LAYOUT_H
#define SPOT_CPU_LAYOUT_H

#include <math.h>

#include "core/calibration.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SPOT_CPU_SLACK_PIXELS = 32,
    SPOT_CPU_SLACK_BYTES = 64, /* after the slack pixels: a packed picture is read in vectors */
    SPOT_CPU_PACKED_MAX = 4,   /* channels of a packed picture */
};

enum spot_cpu_form { SPOT_CPU_DENSE, SPOT_CPU_MAP };

struct spot_cpu_layout {
    enum spot_cpu_form form;
    enum spot_dtype dtype;                 /* F32, BF16, U8; PICTURE for pictures */
    int channels, height, width;           /* maps */
    int pitch;                             /* maps: elements from one pixel to the next */
    size_t bytes;                          /* to reserve, slack included */
    struct spot_quantisation quantisation; /* maps; scale 0: there is none */
};

/* The byte for a real number: nearest even of x / scale + zero, 0 to 255; 0 for NaN. */
static inline uint8_t spot_cpu_quantise(float x, float inverse_scale, int zero) {
    float scaled = x * inverse_scale + (float)zero;
    return (uint8_t)(scaled >= UINT8_MAX ? UINT8_MAX : scaled > 0 ? rintf(scaled) : 0);
}

struct spot_cpu_layout spot_cpu_layout_dense(const struct spot_type *type);

/* shape is [1,C,H,W]. */
struct spot_cpu_layout spot_cpu_layout_map(const struct spot_shape *shape, enum spot_dtype dtype,
                                           bool packed);

/* Pixels of a map. */
size_t spot_cpu_pixels(const struct spot_cpu_layout *layout);

/* Whether two maps of one size are laid out alike, channels aside. */
bool spot_cpu_same_size(const struct spot_cpu_layout *a, const struct spot_cpu_layout *b);

/* Between dense float32 [C,H,W] and a map; to_map writes the zero channels too. */
void spot_cpu_to_map(const float *dense, const struct spot_cpu_layout *layout, void *map);
void spot_cpu_from_map(const void *map, const struct spot_cpu_layout *layout, float *dense);

/* Between maps of one size and count of channels, of either element type. */
void spot_cpu_map_to_map(const void *from, const struct spot_cpu_layout *from_layout, void *to,
                         const struct spot_cpu_layout *to_layout);

/* Sets the channels from C to the pitch to zero; for libraries that may not have. */
void spot_cpu_clear_padding(void *map, const struct spot_cpu_layout *layout);

#ifdef __cplusplus
}
#endif
#endif
