/*
 * A pool of threads for the work that is done for a picture outside the network: decoding, drawing,
 * encoding. Work is done earliest deadline first.
 *
 * A piece of work is embedded in its owner's struct. From put until run is called it belongs to
 * the pool; run is called exactly once unless remove took it back.
 */
#ifndef SPOT_SERVER_POOL_H
#define SPOT_SERVER_POOL_H

#include "server/queue.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_pool;

struct spot_work {
    struct spot_queue_entry entry;       /* first; entry.deadline_us is set by the owner */
    uint64_t cost_us;                    /* about how long it takes; set by the owner */
    void (*run)(struct spot_work *work); /* the work is the owner's again from here on */
};

enum spot_status spot_pool_start(int threads, int capacity, struct spot_pool **pool,
                                 struct spot_error *error);

/* Does what still waits, then ends the threads and frees. NULL is accepted. */
void spot_pool_stop(struct spot_pool **pool);

/* False when the pool is full. */
bool spot_pool_put(struct spot_pool *pool, struct spot_work *work);

/* Takes work back that no thread has begun; false when it is too late. */
bool spot_pool_remove(struct spot_pool *pool, struct spot_work *work);

/* How long work that is put now would wait, about. */
uint64_t spot_pool_wait_us(struct spot_pool *pool);

#ifdef __cplusplus
}
#endif
#endif
