/* Atomic types in headers that must also compile as C++. */
#ifndef SPOT_SERVER_ATOMICS_H
#define SPOT_SERVER_ATOMICS_H

#ifdef __cplusplus
#include <atomic>
using std::atomic_int;
#else
#include <stdatomic.h>
#endif

#endif
