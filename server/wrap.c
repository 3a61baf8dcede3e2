/* Breaks text at spaces so that lines keep within the width. */
#include "server/wrap.h"

#include <string.h>

void spot_print_wrapped(const char *text, int column, int indent, FILE *out) {
    for (int words = 0; *text != '\0'; words++) {
        int length = (int)strcspn(text, " ");
        if (words > 0 && column + 1 + length > SPOT_WRAP_WIDTH) {
            fputc('\n', out);
            column = 0;
        }
        int gap = column < indent ? indent - column : words > 0;
        column += fprintf(out, "%*s%.*s", gap, "", length, text);
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}
