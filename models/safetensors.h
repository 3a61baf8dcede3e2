/*
 * Reading safetensors files: 8 bytes little-endian header length n, n bytes of JSON, tensor bytes.
 *
 * The file is mapped read-only and everything in its header is checked before use: its length, the
 * JSON, each tensor's dtype (F32, F16, BF16), shape, offsets against the file's size and its
 * shape, that no two tensors overlap, that none is named twice. A file that changes while it is
 * mapped is not defended against.
 */
#ifndef SPOT_MODELS_SAFETENSORS_H
#define SPOT_MODELS_SAFETENSORS_H

#include "core/weights.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SPOT_SAFETENSORS_HEADER_MAX = 16 << 20, /* bytes of JSON */
    SPOT_SAFETENSORS_TENSORS_MAX = 65536
};

struct spot_safetensors {
    struct spot_weights weights; /* borrowed from the mapping; sorted */
    /* the rest is private */
    void *map;
    size_t map_size;
    void *header; /* json_t with the names and metadata */
    struct spot_weight *items;
};

/* On failure *file is empty and the text names the path, the tensor and what is wrong. */
enum spot_status spot_safetensors_open(const char *path, struct spot_safetensors *file,
                                       struct spot_error *error);

/* The same over bytes in memory, which are borrowed until close; for tests and fuzzers. */
enum spot_status spot_safetensors_parse(const void *bytes, size_t size,
                                        struct spot_safetensors *file, struct spot_error *error);

/* The text of a key of "__metadata__", or NULL. Borrowed from the file. */
const char *spot_safetensors_metadata(const struct spot_safetensors *file, const char *key);

void spot_safetensors_close(struct spot_safetensors *file);

#ifdef __cplusplus
}
#endif
#endif
