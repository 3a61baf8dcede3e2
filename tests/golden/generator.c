/* Generated weights and pictures; see tests/golden/generator.h. */
#include "tests/golden/generator.h"

#include <stdio.h>
#include <string.h>

uint64_t test_fnv1a(const void *bytes, size_t size) {
    const unsigned char *byte = bytes;
    uint64_t hash = 0xcbf29ce484222325U;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ byte[i]) * 0x100000001b3U;
    return hash;
}

uint64_t test_splitmix64(uint64_t seed, uint64_t i) {
    uint64_t z = seed + (i + 1) * 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

double test_unit(uint64_t seed, uint64_t i) {
    return ((double)(test_splitmix64(seed, i) >> 40) - 8388608.0) / 8388608.0;
}

void test_generate(const char *name, double offset, double factor, float *out, size_t count) {
    uint64_t seed = test_fnv1a(name, strlen(name));
    for (size_t i = 0; i < count; i++)
        out[i] = (float)(offset + factor * test_unit(seed, i));
}

void test_generate_picture(const char *name, int height, int width, uint8_t *pixels) {
    static const int scales[3] = {32, 8, 1}, weights[3] = {2, 1, 1};
    uint64_t seeds[3];
    for (int s = 0; s < 3; s++) {
        char layer[256];
        int length = snprintf(layer, sizeof layer, "%s/%d", name, scales[s]);
        seeds[s] = test_fnv1a(layer, (size_t)length);
    }
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            for (int c = 0; c < 3; c++) {
                unsigned sum = 0;
                for (int s = 0; s < 3; s++) {
                    int rows = (height + scales[s] - 1) / scales[s];
                    int columns = (width + scales[s] - 1) / scales[s];
                    uint64_t k = ((uint64_t)c * (uint64_t)rows + (uint64_t)(y / scales[s])) *
                                     (uint64_t)columns +
                                 (uint64_t)(x / scales[s]);
                    sum += (unsigned)weights[s] * (unsigned)(test_splitmix64(seeds[s], k) >> 56);
                }
                *pixels++ = (uint8_t)(sum >> 2);
            }
        }
    }
}
