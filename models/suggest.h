/* "Did you mean …?": the known word nearest to a mistyped one. */
#ifndef SPOT_MODELS_SUGGEST_H
#define SPOT_MODELS_SUGGEST_H

#ifdef __cplusplus
extern "C" {
#endif

enum { SPOT_SUGGEST_MAX = 64 }; /* bytes of a word worth comparing, with its end */

struct spot_suggestion {
    const char *word; /* as typed; borrowed */
    int distance;     /* of the nearest so far, in letters typed wrong */
    char nearest[SPOT_SUGGEST_MAX];
    char text[SPOT_SUGGEST_MAX + 24];
};

/* Begins for a mistyped word; then offer every word that would have been right. */
void spot_suggest_begin(struct spot_suggestion *suggestion, const char *word);
void spot_suggest_offer(struct spot_suggestion *suggestion, const char *candidate);

/* "; did you mean 'x'?" when something came near, else "". Valid while the suggestion is. */
const char *spot_suggest_text(struct spot_suggestion *suggestion);

#ifdef __cplusplus
}
#endif
#endif
