/*
 * Weights that nobody trained, for benchmarks and self-tests of any detector.
 *
 * They are drawn at random, each convolution scaled so that what passes its activation keeps a mean
 * square near 1 (He et al., "Delving Deep into Rectifiers", 2015, section 2.2), so values neither
 * vanish nor overflow in half precision, however deep the network. The same seed gives the same
 * weights on every machine, each tensor's depending on its name only.
 */
#ifndef SPOT_MODELS_SUPPORT_MADE_WEIGHTS_H
#define SPOT_MODELS_SUPPORT_MADE_WEIGHTS_H

#include "core/arena.h"
#include "models/detector.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_made_weights {
    struct spot_weights weights; /* borrowed from here until spot_made_weights_free */
    struct spot_arena arena;     /* private */
};

/*
 * Makes every weight that the detector's graph names, for its default number of classes. On
 * failure *made is empty.
 */
enum spot_status spot_made_weights_init(struct spot_made_weights *made,
                                        const struct spot_detector *detector,
                                        const struct spot_detector_options *options, uint64_t seed,
                                        struct spot_error *error);
void spot_made_weights_free(struct spot_made_weights *made);

#ifdef __cplusplus
}
#endif
#endif
