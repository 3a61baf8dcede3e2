/*
 * Numbers with a few decimals as text. Many times faster than printf, which must be right for every
 * double there is; an answer holds dozens.
 */
#ifndef SPOT_SERVER_DECIMAL_H
#define SPOT_SERVER_DECIMAL_H

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SPOT_DECIMAL_MAX = 32, /* bytes that one number takes, with its final 0 */
    SPOT_DECIMALS_MAX = 6,
};

/*
 * Writes value, rounded half away from 0 to `decimals` places (1 to SPOT_DECIMALS_MAX), without
 * zeros at the end but with one digit behind the point: 12.5, 30.0. Returns where the final 0
 * stands. Beyond a million million, and for what is no number, it writes 0.0 or the bound.
 */
char *spot_decimal(char *text, double value, int decimals);

/* Writes a whole number; returns where the final 0 stands. */
char *spot_decimal_whole(char *text, long long value);

#ifdef __cplusplus
}
#endif
#endif
