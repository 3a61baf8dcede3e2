/* assert_near, for numbers computed by two ways. */
#ifndef TESTS_SUPPORT_NEAR_H
#define TESTS_SUPPORT_NEAR_H

#include <math.h>

/* Fails unless |got - expected| <= tolerance, in double; so NaN fails. */
#define assert_near(got, expected, tolerance)                                                      \
    do {                                                                                           \
        double got_ = (got), expected_ = (expected);                                               \
        if (!(fabs(got_ - expected_) <= (tolerance)))                                              \
            fail_msg("%s is %.9g, expected %.9g", #got, got_, expected_);                          \
    } while (0)

#endif
