/* UTF-8, as RFC 3629 defines it. */
#include "server/utf8.h"

#include <stdbool.h>
#include <string.h>

size_t spot_utf8_length(const unsigned char *text) {
    if (text[0] < 0x80)
        return 1;
    size_t length = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
    if (text[0] < 0xc2 || text[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    bool over_long = (text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xf0 && text[1] < 0x90);
    bool beyond = (text[0] == 0xed && text[1] > 0x9f) || (text[0] == 0xf4 && text[1] > 0x8f);
    return over_long || beyond ? 0 : length;
}

void spot_utf8_clean(const char *text, char *clean, size_t size) {
    static const char replacement[] = "\xef\xbf\xbd";
    size_t used = 0;
    while (*text != '\0') {
        size_t length = spot_utf8_length((const unsigned char *)text);
        const char *from = length > 0 ? text : replacement;
        size_t copied = length > 0 ? length : sizeof replacement - 1;
        if (used + copied >= size)
            break;
        memcpy(clean + used, from, copied);
        used += copied;
        text += length > 0 ? length : 1;
    }
    clean[used] = '\0';
}
