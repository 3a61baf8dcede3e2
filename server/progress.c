/* How far long work is; see server/progress.h. */
#include "server/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "server/clock.h"

enum { INTERVAL_US = 100000 };

static const char erase_line[] = "\r\033[K";

void spot_progress_begin(struct spot_progress *progress, size_t total) {
    *progress = (struct spot_progress){
        .is_shown = isatty(STDERR_FILENO) != 0, .total = total, .started_us = spot_clock_us()};
}

void spot_progress_show(struct spot_progress *progress, const char *text, size_t done) {
    uint64_t now = spot_clock_us();
    if (!progress->is_shown || now - progress->shown_us < INTERVAL_US)
        return;
    progress->shown_us = now;
    fprintf(stderr, "%s%s", erase_line, text);
    if (progress->total > 0) {
        fprintf(stderr, " %zu of %zu", done, progress->total);
        double passed = (double)(now - progress->started_us) / 1e6;
        if (done > 0 && done <= progress->total && passed > 1)
            fprintf(stderr, ", %.0f s left",
                    passed / (double)done * (double)(progress->total - done));
    }
    fflush(stderr);
}

void spot_progress_clear(struct spot_progress *progress) {
    if (progress->is_shown && progress->shown_us > 0)
        fputs(erase_line, stderr);
    progress->shown_us = 0;
}
