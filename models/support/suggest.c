/* The known word nearest to a mistyped one, by Levenshtein distance. */
#include "models/suggest.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static int min(int a, int b) {
    return a < b ? a : b;
}

/* Letters to insert, delete or replace to turn a into b; row by row of the usual table. */
static int distance(const char *a, const char *b) {
    int row[SPOT_SUGGEST_MAX];
    int width = (int)strlen(b);
    for (int j = 0; j <= width; j++)
        row[j] = j;
    for (int i = 0; a[i] != '\0'; i++) {
        int diagonal = row[0];
        row[0] = i + 1;
        for (int j = 1; j <= width; j++) {
            int replaced = diagonal + (a[i] != b[j - 1]);
            diagonal = row[j];
            row[j] = min(replaced, min(row[j - 1], row[j]) + 1);
        }
    }
    return row[width];
}

void spot_suggest_begin(struct spot_suggestion *suggestion, const char *word) {
    suggestion->word = word;
    suggestion->distance = INT_MAX;
    suggestion->nearest[0] = '\0';
}

void spot_suggest_offer(struct spot_suggestion *suggestion, const char *candidate) {
    if (strlen(suggestion->word) >= SPOT_SUGGEST_MAX || strlen(candidate) >= SPOT_SUGGEST_MAX)
        return;
    int found = distance(suggestion->word, candidate);
    if (found < suggestion->distance) {
        suggestion->distance = found;
        strcpy(suggestion->nearest, candidate);
    }
}

const char *spot_suggest_text(struct spot_suggestion *suggestion) {
    int near = (int)strlen(suggestion->word) / 3;
    if (suggestion->distance > (near > 1 ? near : 1))
        return "";
    snprintf(suggestion->text, sizeof suggestion->text, "; did you mean '%s'?",
             suggestion->nearest);
    return suggestion->text;
}
