/* The queue: a binary heap whose entries know their place, so that any can leave in O(log n). */
#include "server/queue.h"

#include <stdlib.h>
#include <string.h>

enum spot_status spot_queue_init(struct spot_queue *queue, int capacity, struct spot_error *error) {
    memset(queue, 0, sizeof *queue);
    queue->heap = calloc((size_t)capacity + 1, sizeof(struct spot_queue_entry *));
    if (queue->heap == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "queue: out of memory for %d places", capacity);
    queue->capacity = capacity;
    return SPOT_OK;
}

void spot_queue_fini(struct spot_queue *queue) {
    free(queue->heap);
    memset(queue, 0, sizeof *queue);
}

static bool before(const struct spot_queue_entry *a, const struct spot_queue_entry *b) {
    return a->deadline_us != b->deadline_us ? a->deadline_us < b->deadline_us : a->order < b->order;
}

static void set(struct spot_queue *queue, int place, struct spot_queue_entry *entry) {
    queue->heap[place] = entry;
    entry->place = place;
}

/* Puts the entry where it belongs on the way from place up to the root. */
static void rise(struct spot_queue *queue, int place, struct spot_queue_entry *entry) {
    for (; place > 1 && before(entry, queue->heap[place / 2]); place /= 2)
        set(queue, place, queue->heap[place / 2]);
    set(queue, place, entry);
}

/* Puts the entry where it belongs on the way from place down. */
static void sink(struct spot_queue *queue, int place, struct spot_queue_entry *entry) {
    for (int child = 2 * place; child <= queue->count; child = 2 * place) {
        if (child < queue->count && before(queue->heap[child + 1], queue->heap[child]))
            child++;
        if (!before(queue->heap[child], entry))
            break;
        set(queue, place, queue->heap[child]);
        place = child;
    }
    set(queue, place, entry);
}

bool spot_queue_put(struct spot_queue *queue, struct spot_queue_entry *entry) {
    if (queue->count == queue->capacity)
        return false;
    entry->order = queue->next_order++;
    rise(queue, ++queue->count, entry);
    return true;
}

struct spot_queue_entry *spot_queue_first(const struct spot_queue *queue) {
    return queue->count > 0 ? queue->heap[1] : NULL;
}

bool spot_queue_remove(struct spot_queue *queue, struct spot_queue_entry *entry) {
    int place = entry->place;
    if (place < 1 || place > queue->count || queue->heap[place] != entry)
        return false;
    struct spot_queue_entry *last = queue->heap[queue->count--];
    entry->place = 0;
    if (last == entry)
        return true;
    if (place > 1 && before(last, queue->heap[place / 2]))
        rise(queue, place, last);
    else
        sink(queue, place, last);
    return true;
}

struct spot_queue_entry *spot_queue_take(struct spot_queue *queue) {
    struct spot_queue_entry *first = spot_queue_first(queue);
    if (first != NULL)
        spot_queue_remove(queue, first);
    return first;
}
