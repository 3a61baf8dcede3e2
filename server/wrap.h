/* Text for terminals of 80 columns. */
#ifndef SPOT_SERVER_WRAP_H
#define SPOT_SERVER_WRAP_H

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { SPOT_WRAP_WIDTH = 80 };

/*
 * Prints text and a newline: the cursor stands in `column`, the words go from column `indent` on
 * and continue there on the next lines.
 */
void spot_print_wrapped(const char *text, int column, int indent, FILE *out);

#ifdef __cplusplus
}
#endif
#endif
