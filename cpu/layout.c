/* Layouts and conversions between them, in plain C; the fast ones are in cpu/borders.h. */
#include "cpu/layout.h"

#include <string.h>

struct spot_cpu_layout spot_cpu_layout_dense(const struct spot_type *type) {
    size_t bytes = spot_shape_elements(&type->shape) * sizeof(float);
    return (struct spot_cpu_layout){
        .form = SPOT_CPU_DENSE, .dtype = type->dtype, .bytes = bytes + SPOT_CPU_SLACK_BYTES};
}

struct spot_cpu_layout spot_cpu_layout_map(const struct spot_shape *shape, enum spot_dtype dtype,
                                           bool packed) {
    int line = 64 / (int)spot_dtype_size(dtype);
    struct spot_cpu_layout layout = {
        .form = SPOT_CPU_MAP,
        .dtype = dtype,
        .channels = shape->dim[1],
        .height = shape->dim[2],
        .width = shape->dim[3],
        .pitch = packed ? shape->dim[1] : (shape->dim[1] + line - 1) / line * line,
    };
    layout.bytes = (spot_cpu_pixels(&layout) + SPOT_CPU_SLACK_PIXELS) * (size_t)layout.pitch *
                       spot_dtype_size(dtype) +
                   SPOT_CPU_SLACK_BYTES;
    return layout;
}

size_t spot_cpu_pixels(const struct spot_cpu_layout *layout) {
    return (size_t)layout->height * (size_t)layout->width;
}

bool spot_cpu_same_size(const struct spot_cpu_layout *a, const struct spot_cpu_layout *b) {
    if (a->dtype == SPOT_U8 && (a->quantisation.scale != b->quantisation.scale ||
                                a->quantisation.zero != b->quantisation.zero))
        return false;
    return a->form == SPOT_CPU_MAP && b->form == SPOT_CPU_MAP && a->dtype == b->dtype &&
           a->height == b->height && a->width == b->width;
}

/* One channel of `pixels` pixels. */
static void write_channel(const float *plane, const struct spot_cpu_layout *layout, size_t pixels,
                          int c, void *map) {
    size_t pitch = (size_t)layout->pitch;
    if (layout->dtype == SPOT_F32) {
        float *to = (float *)map + c;
        for (size_t i = 0; i < pixels; i++)
            to[i * pitch] = plane != NULL ? plane[i] : 0;
    } else if (layout->dtype == SPOT_BF16) {
        uint16_t *to = (uint16_t *)map + c;
        for (size_t i = 0; i < pixels; i++)
            to[i * pitch] = plane != NULL ? spot_bf16_from_f32(plane[i]) : 0;
    } else {
        uint8_t *to = (uint8_t *)map + c;
        float inverse = 1 / layout->quantisation.scale;
        for (size_t i = 0; i < pixels; i++)
            to[i * pitch] =
                spot_cpu_quantise(plane != NULL ? plane[i] : 0, inverse, layout->quantisation.zero);
    }
}

void spot_cpu_to_map(const float *dense, const struct spot_cpu_layout *layout, void *map) {
    size_t pixels = spot_cpu_pixels(layout);
    for (int c = 0; c < layout->pitch; c++)
        write_channel(c < layout->channels ? dense + (size_t)c * pixels : NULL, layout, pixels, c,
                      map);
}

static float read_element(const struct spot_cpu_layout *layout, const void *map, size_t at) {
    if (layout->dtype == SPOT_F32)
        return ((const float *)map)[at];
    if (layout->dtype == SPOT_BF16)
        return spot_f32_from_bf16(((const uint16_t *)map)[at]);
    const struct spot_quantisation *by = &layout->quantisation;
    return by->scale * (float)(((const uint8_t *)map)[at] - by->zero);
}

static void write_element(const struct spot_cpu_layout *layout, void *map, size_t at, float value) {
    if (layout->dtype == SPOT_F32)
        ((float *)map)[at] = value;
    else if (layout->dtype == SPOT_BF16)
        ((uint16_t *)map)[at] = spot_bf16_from_f32(value);
    else
        ((uint8_t *)map)[at] =
            spot_cpu_quantise(value, 1 / layout->quantisation.scale, layout->quantisation.zero);
}

void spot_cpu_from_map(const void *map, const struct spot_cpu_layout *layout, float *dense) {
    size_t pixels = spot_cpu_pixels(layout), pitch = (size_t)layout->pitch;
    for (int c = 0; c < layout->channels; c++)
        for (size_t i = 0; i < pixels; i++)
            *dense++ = read_element(layout, map, i * pitch + (size_t)c);
}

void spot_cpu_map_to_map(const void *from, const struct spot_cpu_layout *from_layout, void *to,
                         const struct spot_cpu_layout *to_layout) {
    size_t pixels = spot_cpu_pixels(from_layout);
    for (size_t i = 0; i < pixels; i++) {
        for (int c = 0; c < to_layout->pitch; c++) {
            size_t from_at = i * (size_t)from_layout->pitch + (size_t)c;
            size_t to_at = i * (size_t)to_layout->pitch + (size_t)c;
            write_element(to_layout, to, to_at,
                          c < from_layout->channels ? read_element(from_layout, from, from_at) : 0);
        }
    }
}

void spot_cpu_clear_padding(void *map, const struct spot_cpu_layout *layout) {
    size_t pixels = spot_cpu_pixels(layout), element = spot_dtype_size(layout->dtype);
    size_t padding = (size_t)(layout->pitch - layout->channels) * element;
    char *at = (char *)map + (size_t)layout->channels * element;
    for (size_t i = 0; i < pixels && padding > 0; i++, at += (size_t)layout->pitch * element)
        memset(at, 0, padding);
}
