/*
 * Weights and pictures that any language with IEEE arithmetic can make bit for bit: FNV-1a of a
 * tensor's name seeds splitmix64, whose top 24 bits give numbers in [-1, 1). Golden files are made
 * with it where trained weights cannot be had.
 */
#ifndef TESTS_GOLDEN_GENERATOR_H
#define TESTS_GOLDEN_GENERATOR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

uint64_t test_fnv1a(const void *bytes, size_t size);

/* Element i, counted from 0, of the sequence of a name whose FNV-1a is seed. */
uint64_t test_splitmix64(uint64_t seed, uint64_t i);

/* The same as a number in [-1, 1), a multiple of 2^-23. */
double test_unit(uint64_t seed, uint64_t i);

/* out[i] = offset + factor * unit, computed in double and rounded once. */
void test_generate(const char *name, double offset, double factor, float *out, size_t count);

/* A picture of 8-bit R, G, B, rows without gaps: noise at scales of 32, 8 and 1 pixels. */
void test_generate_picture(const char *name, int height, int width, uint8_t *pixels);

#ifdef __cplusplus
}
#endif
#endif
