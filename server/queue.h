/*
 * A bounded queue ordered by deadline, earliest first; entries with the same deadline come out in
 * the order in which they went in. Any entry can be taken out again before its turn.
 *
 * It is a binary heap of pointers. It has no lock: its owner has one.
 */
#ifndef SPOT_SERVER_QUEUE_H
#define SPOT_SERVER_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What waits begins with this. Zeros are an entry that is in no queue. */
struct spot_queue_entry {
    uint64_t deadline_us; /* set by the owner; not to be changed while it waits */
    /* private */
    uint64_t order;
    int place; /* in the heap, from 1; 0: in no queue */
};

struct spot_queue {
    int count, capacity;
    /* private */
    struct spot_queue_entry **heap; /* heap[1] is the first */
    uint64_t next_order;
};

enum spot_status spot_queue_init(struct spot_queue *queue, int capacity, struct spot_error *error);
void spot_queue_fini(struct spot_queue *queue);

/* False when the queue is full. The entry is borrowed until it comes out. */
bool spot_queue_put(struct spot_queue *queue, struct spot_queue_entry *entry);

/* The first, which stays; NULL when the queue is empty. */
struct spot_queue_entry *spot_queue_first(const struct spot_queue *queue);

/* The first, which leaves; NULL when the queue is empty. */
struct spot_queue_entry *spot_queue_take(struct spot_queue *queue);

/* Takes this entry out; false when it was not waiting. */
bool spot_queue_remove(struct spot_queue *queue, struct spot_queue_entry *entry);

#ifdef __cplusplus
}
#endif
#endif
