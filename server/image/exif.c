/* The one thing wanted from EXIF: which way up the picture is. */
#include <string.h>

#include "server/image/codec.h"

enum {
    TIFF_HEADER = 8,  /* byte order, 42, offset of the first directory */
    ENTRY_BYTES = 12, /* tag, type, count, value */
    TAG_ORIENTATION = 0x0112,
    TYPE_SHORT = 3,
    TYPE_LONG = 4,
};

struct tiff {
    const uint8_t *bytes;
    size_t size;
    bool big_endian;
};

static uint32_t read16(const struct tiff *tiff, size_t at) {
    const uint8_t *b = tiff->bytes + at;
    return tiff->big_endian ? (uint32_t)(b[0] << 8 | b[1]) : (uint32_t)(b[1] << 8 | b[0]);
}

static uint32_t read32(const struct tiff *tiff, size_t at) {
    uint32_t first = read16(tiff, at), second = read16(tiff, at + 2);
    return tiff->big_endian ? first << 16 | second : second << 16 | first;
}

static int orientation_of(uint32_t value) {
    return value >= 1 && value <= 8 ? (int)value : 1;
}

int spot_exif_orientation(const uint8_t *bytes, size_t size) {
    if (size < TIFF_HEADER)
        return 1;
    struct tiff tiff = {bytes, size, memcmp(bytes, "MM", 2) == 0};
    if ((!tiff.big_endian && memcmp(bytes, "II", 2) != 0) || read16(&tiff, 2) != 42)
        return 1;

    size_t directory = read32(&tiff, 4);
    if (directory > size || size - directory < 2)
        return 1;
    size_t entries = read16(&tiff, directory);
    size_t entry = directory + 2;
    for (size_t i = 0; i < entries && size - entry >= ENTRY_BYTES; i++, entry += ENTRY_BYTES) {
        if (read16(&tiff, entry) != TAG_ORIENTATION)
            continue;
        uint32_t type = read16(&tiff, entry + 2);
        if (read32(&tiff, entry + 4) != 1)
            return 1;
        if (type == TYPE_SHORT)
            return orientation_of(read16(&tiff, entry + 8));
        return type == TYPE_LONG ? orientation_of(read32(&tiff, entry + 8)) : 1;
    }
    return 1;
}
