/*
 * Candidate boxes: the rows that decode operators hand to nms, and nms to the caller.
 *
 * A list is a tensor [1,M,6] with rows x1, y1, x2, y2, score, class: boxes in pixels of the
 * picture, not clipped, best score first, equal scores in the order in which they were offered
 * (prior index, then class). Rows past the last hold -1 in every field, so score < 0 ends a list.
 *
 * A collector keeps the best M of any number of offers, in bounded time (log M an offer) and
 * memory, and refuses rows with a coordinate or score that is not finite.
 */
#ifndef SPOT_CORE_CANDIDATES_H
#define SPOT_CORE_CANDIDATES_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum spot_candidate_field {
    SPOT_CAND_X1,
    SPOT_CAND_Y1,
    SPOT_CAND_X2,
    SPOT_CAND_Y2,
    SPOT_CAND_SCORE,
    SPOT_CAND_CLASS,
    SPOT_CAND_FIELDS
};

struct spot_candidate {
    float box[4];
    float score;
    int class_id;
    unsigned order; /* number of the offer; breaks ties */
};

struct spot_collector {
    struct spot_candidate *heap; /* borrowed: capacity of them; worst at the root */
    int capacity, count;
    unsigned offers;
};

/* Bytes of heap memory for a capacity. */
size_t spot_collector_bytes(int capacity);

/* An empty collector over memory of spot_collector_bytes(capacity), aligned to 8. */
void spot_collector_init(struct spot_collector *collector, void *memory, int capacity);

/* Offers one candidate; call in the order of prior index, then class. */
void spot_collector_offer(struct spot_collector *collector, const float box[4], float score,
                          int class_id);

/* Writes capacity rows [capacity,6], best first, the rest -1. The collector is spent after it. */
void spot_collector_finish(struct spot_collector *collector, float *rows);

#ifdef __cplusplus
}
#endif
#endif
