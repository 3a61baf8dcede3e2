/* splitmix64 (Steele, Lea, Flood, 2014). */
#include "tests/support/random.h"

uint64_t test_random(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

float test_uniform(uint64_t *state, float low, float high) {
    float unit = (float)(test_random(state) >> 40) / (float)(1 << 24);
    return low + (high - low) * unit;
}

void test_fill(uint64_t *state, float *values, size_t count, float low, float high) {
    for (size_t i = 0; i < count; i++)
        values[i] = test_uniform(state, low, high);
}
