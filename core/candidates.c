/* A bounded min-heap of candidates, then heap sort into rows. */
#include "core/candidates.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

size_t spot_collector_bytes(int capacity) {
    return (size_t)capacity * sizeof(struct spot_candidate);
}

void spot_collector_init(struct spot_collector *collector, void *memory, int capacity) {
    *collector = (struct spot_collector){.heap = memory, .capacity = capacity};
}

/* Whether a comes after b in the final order. */
static bool worse(const struct spot_candidate *a, const struct spot_candidate *b) {
    return a->score < b->score || (a->score == b->score && a->order > b->order);
}

static void swap(struct spot_candidate *a, struct spot_candidate *b) {
    struct spot_candidate copy = *a;
    *a = *b;
    *b = copy;
}

static void sift_down(struct spot_candidate *heap, int count, int at) {
    for (;;) {
        int worst = at;
        for (int child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++)
            if (worse(&heap[child], &heap[worst]))
                worst = child;
        if (worst == at)
            return;
        swap(&heap[at], &heap[worst]);
        at = worst;
    }
}

static void sift_up(struct spot_candidate *heap, int at) {
    for (; at > 0 && worse(&heap[at], &heap[(at - 1) / 2]); at = (at - 1) / 2)
        swap(&heap[at], &heap[(at - 1) / 2]);
}

void spot_collector_offer(struct spot_collector *collector, const float box[4], float score,
                          int class_id) {
    struct spot_candidate row = {.score = score, .class_id = class_id};
    row.order = collector->offers++;
    if (!isfinite(box[0]) || !isfinite(box[1]) || !isfinite(box[2]) || !isfinite(box[3]) ||
        !isfinite(score))
        return;
    memcpy(row.box, box, sizeof row.box);
    if (collector->count < collector->capacity) {
        collector->heap[collector->count] = row;
        sift_up(collector->heap, collector->count++);
    } else if (worse(&collector->heap[0], &row)) {
        collector->heap[0] = row;
        sift_down(collector->heap, collector->count, 0);
    }
}

void spot_collector_finish(struct spot_collector *collector, float *rows) {
    struct spot_candidate *heap = collector->heap;
    for (int end = collector->count - 1; end > 0; end--) { /* the worst goes to the end */
        swap(&heap[0], &heap[end]);
        sift_down(heap, end, 0);
    }
    for (int i = 0; i < collector->capacity; i++, rows += SPOT_CAND_FIELDS) {
        bool used = i < collector->count;
        for (int k = 0; k < 4; k++)
            rows[k] = used ? heap[i].box[k] : -1.0F;
        rows[SPOT_CAND_SCORE] = used ? heap[i].score : -1.0F;
        rows[SPOT_CAND_CLASS] = used ? (float)heap[i].class_id : -1.0F;
    }
}
