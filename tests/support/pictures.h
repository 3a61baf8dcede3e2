/*
 * Small pictures of every kind, made with the formats' own libraries, for tests of decoding.
 * What is made is returned owned; data is released with free(). Failures abort: these are tests.
 */
#ifndef SPOT_TESTS_SUPPORT_PICTURES_H
#define SPOT_TESTS_SUPPORT_PICTURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct picture_bytes {
    uint8_t *data;
    size_t size;
};

/* The value of channel c at (x, y) in all of them: smooth, and different in every corner. */
uint8_t picture_value(int x, int y, int c);

enum picture_colour { PICTURE_RGB, PICTURE_GREY, PICTURE_CMYK, PICTURE_YCCK };

struct picture_jpeg {
    int width, height;
    enum picture_colour colour; /* PICTURE_RGB is stored as Y'CbCr */
    int quality;                /* 0 for 95 */
    bool progressive, arithmetic;
    bool scan_bomb;   /* grey and progressive, in 127 scans */
    bool no_adobe;    /* leave the Adobe marker of a CMYK picture out */
    int restart_rows; /* a restart marker after so many rows of blocks; 0 for none */
    int orientation;  /* EXIF; 0 for no EXIF segment */
};
struct picture_bytes picture_jpeg(const struct picture_jpeg *recipe);

struct picture_png {
    int width, height;
    int colour_type, bit_depth; /* as in IHDR: 0 grey, 2 RGB, 3 palette, 4 grey+alpha, 6 RGBA */
    bool interlaced;
    int orientation;
    bool orientation_last; /* eXIf after the pixels */
};
struct picture_bytes picture_png(const struct picture_png *recipe);

struct picture_webp {
    int width, height;
    bool lossless, alpha, animated;
    int orientation;
    bool exif_prefix; /* "Exif\0\0" in front of the TIFF header, as some programs write */
};
struct picture_bytes picture_webp(const struct picture_webp *recipe);

/* A TIFF header with one directory of one entry: the orientation. 26 bytes. */
enum { PICTURE_EXIF_BYTES = 26 };
void picture_exif(uint8_t bytes[PICTURE_EXIF_BYTES], bool big_endian, int orientation);

/* A PNG chunk with its checksum, for tests that build or bend files by hand. */
struct picture_bytes picture_png_chunk(const char *type, const uint8_t *body, size_t size);

/* Inserts the bytes of piece into picture at an offset. */
void picture_insert(struct picture_bytes *picture, size_t at, const uint8_t *piece, size_t size);

#endif
