/*
 * How far long work is: one line on standard error, rewritten in place, only on a terminal. For one
 * thread at a time.
 */
#ifndef SPOT_SERVER_PROGRESS_H
#define SPOT_SERVER_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct spot_progress {
    bool is_shown;
    size_t total;        /* steps; 0: not known */
    uint64_t started_us; /* on the server's clock */
    uint64_t shown_us;   /* when the line was last written */
};

void spot_progress_begin(struct spot_progress *progress, size_t total);

/* Shows "text 12 of 240, 8 s left", at most ten times a second. */
void spot_progress_show(struct spot_progress *progress, const char *text, size_t done);

/* Takes the line away, so that something else can be written; the next show brings it back. */
void spot_progress_clear(struct spot_progress *progress);

#ifdef __cplusplus
}
#endif
#endif
