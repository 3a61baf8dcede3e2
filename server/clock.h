/* The server's clock: microseconds on CLOCK_MONOTONIC, which no one can set. */
#ifndef SPOT_SERVER_CLOCK_H
#define SPOT_SERVER_CLOCK_H

#include <stdint.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SPOT_NEVER UINT64_MAX /* a deadline that does not come */

static inline uint64_t spot_clock_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000U + (uint64_t)now.tv_nsec / 1000U;
}

/* The same moment as pthread_cond_timedwait wants it. */
static inline struct timespec spot_clock_timespec(uint64_t us) {
    struct timespec time = {(time_t)(us / 1000000U), (long)(us % 1000000U) * 1000L};
    return time;
}

#ifdef __cplusplus
}
#endif
#endif
