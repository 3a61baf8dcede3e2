/*
 * How fast a model runs: the measurement behind `spotter bench`, without its words.
 */
#ifndef SPOT_SERVER_BENCH_H
#define SPOT_SERVER_BENCH_H

#include "server/runner.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One measurement. */
struct spot_bench {
    struct spot_model *model;      /* borrowed; batch_max at least batch */
    int batch;                     /* pictures submitted together */
    int threads;                   /* each with a lane of its own; 1 to SPOT_THREADS_MAX */
    double seconds;                /* measured time, after a warm-up; slow models may take longer */
    struct spot_request request;   /* what every picture is asked for, picture or tensor included */
    const uint8_t *encoded;        /* a picture file to decode for each picture, in place of */
    size_t encoded_size;           /* request.picture; NULL for none. Borrowed */
    struct spot_decoding decoding; /* of encoded */
    void (*progress)(void *data);  /* called now and then on one thread; NULL for none */
    void *progress_data;
};

struct spot_bench_result {
    /* Of the time for one batch, divided by its pictures: median, the fastest and slowest tenth. */
    double median_ms, p10_ms, p90_ms;
    double pictures_per_second; /* all threads together */
    size_t pictures;            /* that were measured */
};

/* Warms up, then measures. At least 3 batches are measured on each thread. */
enum spot_status spot_bench_run(const struct spot_bench *bench, struct spot_bench_result *result,
                                struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif
