/* The pool's threads around one queue. */
#include "server/pool.h"

#include <pthread.h>
#include <stdlib.h>

struct spot_pool {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct spot_queue queue;
    uint64_t cost_us; /* of all that waits or is being done */
    bool stopping;
    int n_threads;
    pthread_t *threads;
};

static void *pool_main(void *arg) {
    struct spot_pool *pool = arg;
    pthread_mutex_lock(&pool->lock);
    while (pool->queue.count > 0 || !pool->stopping) {
        struct spot_work *work = (struct spot_work *)spot_queue_take(&pool->queue);
        if (work == NULL) {
            pthread_cond_wait(&pool->changed, &pool->lock);
            continue;
        }
        uint64_t cost_us = work->cost_us;
        pthread_mutex_unlock(&pool->lock);
        work->run(work);
        pthread_mutex_lock(&pool->lock);
        pool->cost_us -= cost_us;
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

enum spot_status spot_pool_start(int threads, int capacity, struct spot_pool **pool,
                                 struct spot_error *error) {
    struct spot_pool *self = calloc(1, sizeof *self);
    *pool = NULL;
    if (self != NULL)
        self->threads = calloc((size_t)threads, sizeof *self->threads);
    if (self == NULL || self->threads == NULL) {
        free(self);
        return spot_fail(error, SPOT_NO_MEMORY, "pool: out of memory");
    }
    enum spot_status status = spot_queue_init(&self->queue, capacity, error);
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    for (int i = 0; i < threads && status == SPOT_OK; i++) {
        if (pthread_create(&self->threads[i], NULL, pool_main, self) != 0)
            status = spot_fail(error, SPOT_NO_MEMORY, "pool: only %d of %d threads could start", i,
                               threads);
        else
            self->n_threads++;
    }
    if (status != SPOT_OK)
        spot_pool_stop(&self);
    *pool = self;
    return status;
}

void spot_pool_stop(struct spot_pool **pool) {
    struct spot_pool *self = *pool;
    *pool = NULL;
    if (self == NULL)
        return;
    pthread_mutex_lock(&self->lock);
    self->stopping = true;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
    for (int i = 0; i < self->n_threads; i++)
        pthread_join(self->threads[i], NULL);
    pthread_mutex_destroy(&self->lock);
    pthread_cond_destroy(&self->changed);
    spot_queue_fini(&self->queue);
    free(self->threads);
    free(self);
}

bool spot_pool_put(struct spot_pool *pool, struct spot_work *work) {
    pthread_mutex_lock(&pool->lock);
    bool put = spot_queue_put(&pool->queue, &work->entry);
    if (put) {
        pool->cost_us += work->cost_us;
        pthread_cond_signal(&pool->changed);
    }
    pthread_mutex_unlock(&pool->lock);
    return put;
}

bool spot_pool_remove(struct spot_pool *pool, struct spot_work *work) {
    pthread_mutex_lock(&pool->lock);
    bool removed = spot_queue_remove(&pool->queue, &work->entry);
    if (removed)
        pool->cost_us -= work->cost_us;
    pthread_mutex_unlock(&pool->lock);
    return removed;
}

uint64_t spot_pool_wait_us(struct spot_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    uint64_t wait_us = pool->cost_us / (uint64_t)pool->n_threads;
    pthread_mutex_unlock(&pool->lock);
    return wait_us;
}
