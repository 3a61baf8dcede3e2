/* Small reproducible random numbers for tests. */
#ifndef TESTS_SUPPORT_RANDOM_H
#define TESTS_SUPPORT_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* splitmix64: the next 64 bits; any seed will do. */
uint64_t test_random(uint64_t *state);

/* Uniform in [low, high). */
float test_uniform(uint64_t *state, float low, float high);
void test_fill(uint64_t *state, float *values, size_t count, float low, float high);

#ifdef __cplusplus
}
#endif
#endif
