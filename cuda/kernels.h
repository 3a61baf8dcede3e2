/*
 * The CUDA kernels as C sees them: one launcher an operator, `spot_cuda_<op>` in cuda/<op>.cu.
 *
 * A launcher takes a struct of plain data (the operator's attributes, where its arguments lie) and
 * a stream, queues the work and returns at once: cudaErrorInvalidValue when a kernel cannot take
 * the arguments, else what cudaGetLastError says. It allocates nothing, so it may be captured into
 * a CUDA graph. What an operator computes is said in core/ops/<op>.h; here is how it lies in
 * memory.
 *
 * Pointers are to device memory and borrowed. Memory of inputs and outputs never overlaps, except
 * where a comment allows it. Results do not depend on how the device orders its threads, nor on
 * which pictures share a batch.
 *
 * This header compiles as C and as C++ and needs NVIDIA's headers.
 */
#ifndef SPOT_CUDA_KERNELS_H
#define SPOT_CUDA_KERNELS_H

#include <cuda_runtime_api.h>

#include "core/ops/add.h"
#include "core/ops/batch_norm.h"
#include "core/ops/channel_shuffle.h"
#include "core/ops/conv2d.h"
#include "core/ops/fully_connected.h"
#include "core/ops/gfl_decode.h"
#include "core/ops/nms.h"
#include "core/ops/pool2d.h"
#include "core/ops/preprocess.h"
#include "core/ops/proposals.h"
#include "core/ops/ps_roi_align.h"
#include "core/ops/ps_roi_pool.h"
#include "core/ops/rcnn_decode.h"
#include "core/ops/resize.h"
#include "core/ops/ssd_decode.h"
#include "core/ops/yolo_decode.h"
#include "cuda/picture.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Channels of a map are padded to a multiple of this, so that a pixel begins at 16 bytes in float32
 * and in float16, and tensor cores get whole fragments.
 */
enum { SPOT_CUDA_CHANNELS = 8 };

/*
 * A map [N,C,H,W] laid out channels last, [pictures,height,width,pitch], aligned to 16 bytes. The
 * channels of a pixel are padded to a multiple of SPOT_CUDA_CHANNELS with zeros: kernels rely on
 * that in what they read and keep it in what they write. The pitch may be larger still, when the
 * map is a part of a wider one. A matrix [N,K] is a map of one pixel, C = K.
 */
struct spot_cuda_map {
    void *data;            /* NULL where an optional map is absent */
    enum spot_dtype dtype; /* SPOT_F32 or SPOT_F16; the same for all maps of a launch */
    int pictures, height, width, channels;
    int pitch; /* elements from one pixel to the next, a multiple of SPOT_CUDA_CHANNELS */
};

/* Channels with their padding. */
static inline int spot_cuda_padded(int channels) {
    return (channels + SPOT_CUDA_CHANNELS - 1) / SPOT_CUDA_CHANNELS * SPOT_CUDA_CHANNELS;
}

/* Between dense float32 [N,C,H,W] (graph borders) and a map, either way. */
struct spot_cuda_layout {
    float *dense;
    struct spot_cuda_map map;
};
cudaError_t spot_cuda_to_map(const struct spot_cuda_layout *params, cudaStream_t stream);
cudaError_t spot_cuda_from_map(const struct spot_cuda_layout *params, cudaStream_t stream);

/* From one element type to the other; the maps' dtypes may differ. */
struct spot_cuda_convert {
    struct spot_cuda_map in, out;
};
cudaError_t spot_cuda_convert(const struct spot_cuda_convert *params, cudaStream_t stream);

struct spot_cuda_preprocess {
    struct spot_preprocess attrs;
    const struct spot_cuda_picture *pictures; /* [N] */
    const float *settings;                    /* [N,SPOT_SETTINGS] */
    struct spot_cuda_map out;
};
cudaError_t spot_cuda_preprocess(const struct spot_cuda_preprocess *params, cudaStream_t stream);

/* out may be in. */
struct spot_cuda_activation {
    struct spot_activation attrs;
    struct spot_cuda_map in, out;
};
cudaError_t spot_cuda_activation(const struct spot_cuda_activation *params, cudaStream_t stream);

/* out may be a or b. */
struct spot_cuda_add {
    struct spot_add attrs;
    struct spot_cuda_map a, b, out;
};
cudaError_t spot_cuda_add(const struct spot_cuda_add *params, cudaStream_t stream);

/* out may be in. */
struct spot_cuda_batch_norm {
    struct spot_batch_norm attrs;
    struct spot_cuda_map in, out;
    const float *scale, *shift, *mean, *variance; /* [C] */
};
cudaError_t spot_cuda_batch_norm(const struct spot_cuda_batch_norm *params, cudaStream_t stream);

struct spot_cuda_channel_shuffle {
    struct spot_channel_shuffle attrs;
    struct spot_cuda_map in, out;
};
cudaError_t spot_cuda_channel_shuffle(const struct spot_cuda_channel_shuffle *params,
                                      cudaStream_t stream);

/* One output of twice the channels, or two of as many. */
struct spot_cuda_shuffle_join {
    struct spot_cuda_map in[2], out[2];
    int n_out;
};
cudaError_t spot_cuda_shuffle_join(const struct spot_cuda_shuffle_join *params,
                                   cudaStream_t stream);

/* Along the channels. Other axes are copies of whole rows, cudaMemcpy2DAsync. */
struct spot_cuda_concat {
    struct spot_cuda_map in[SPOT_NODE_INPUTS_MAX], out;
    int n_in;
};
cudaError_t spot_cuda_concat(const struct spot_cuda_concat *params, cudaStream_t stream);

struct spot_cuda_split {
    struct spot_cuda_map in, out[SPOT_NODE_OUTPUTS_MAX];
    int n_out;
};
cudaError_t spot_cuda_split(const struct spot_cuda_split *params, cudaStream_t stream);

/*
 * Convolutions of our own. Weights are packed by spot_cuda_pack_conv (cuda/pack.h) in the maps'
 * element type, the bias is float32 [padded O], zero in the padding.
 */
struct spot_cuda_conv2d {
    struct spot_conv2d attrs;
    int kernel_h, kernel_w;
    struct spot_cuda_map in, residual, out; /* residual may be absent */
    const void *weight;
    const float *bias; /* NULL: none */
};
/* Any convolution, slowly: what neither cuDNN nor spot_cuda_depthwise takes. */
cudaError_t spot_cuda_conv2d(const struct spot_cuda_conv2d *params, cudaStream_t stream);
/* Depthwise ones: groups = C = O. */
cudaError_t spot_cuda_depthwise(const struct spot_cuda_conv2d *params, cudaStream_t stream);

/* out = act(in + bias + residual): what cuDNN leaves of a convolution. out may be in. */
struct spot_cuda_conv_epilogue {
    struct spot_activation activation;
    struct spot_cuda_map in, residual, out; /* residual may be absent */
    const float *bias;                      /* [padded C], zero in the padding; NULL: none */
};
cudaError_t spot_cuda_conv_epilogue(const struct spot_cuda_conv_epilogue *params,
                                    cudaStream_t stream);

struct spot_cuda_pool2d {
    struct spot_pool2d attrs;
    struct spot_cuda_map in, out;
};
cudaError_t spot_cuda_pool2d(const struct spot_cuda_pool2d *params, cudaStream_t stream);

/* out = act(addend + resize(in)); the addend, a map as out, may be absent. */
struct spot_cuda_resize {
    struct spot_resize attrs;
    struct spot_activation activation;
    struct spot_cuda_map in, addend, out;
    const struct spot_resize_tap *rows, *columns; /* [OH], [OW] by spot_resize_tap; bilinear only */
};
cudaError_t spot_cuda_resize(const struct spot_cuda_resize *params, cudaStream_t stream);

/*
 * Rows anywhere in memory: element k of row r is at
 *   data[(r / inner) * outer_pitch + (r % inner) * inner_pitch + k * step]
 * so that the last axis of a dense tensor and of a map are rows alike. out may be in.
 */
struct spot_cuda_softmax {
    enum spot_dtype dtype;
    const void *in;
    void *out;
    int rows, length, inner;
    size_t outer_pitch, inner_pitch, step; /* elements */
};
cudaError_t spot_cuda_softmax(const struct spot_cuda_softmax *params, cudaStream_t stream);

/* The weight [O,padded K] packed by spot_cuda_pack_matrix, K in the order of in's memory. */
struct spot_cuda_fully_connected {
    struct spot_fully_connected attrs;
    struct spot_cuda_map in, out; /* [N,C,H,W] with pitch = padded C; [N,O,1,1] */
    const void *weight;           /* of the maps' type */
    const float *bias;            /* [O]; NULL: none */
};
cudaError_t spot_cuda_fully_connected(const struct spot_cuda_fully_connected *params,
                                      cudaStream_t stream);

/* rois [R,SPOT_ROI_FIELDS] (core/roi.h); out [R,D,P,P] is a map of R pictures. */
struct spot_cuda_ps_roi_pool {
    struct spot_ps_roi_pool attrs;
    struct spot_cuda_map in, out;
    const float *rois;
};
cudaError_t spot_cuda_ps_roi_pool(const struct spot_cuda_ps_roi_pool *params, cudaStream_t stream);

struct spot_cuda_ps_roi_align {
    struct spot_ps_roi_align attrs;
    struct spot_cuda_map in, out;
    const float *rois;
};
cudaError_t spot_cuda_ps_roi_align(const struct spot_cuda_ps_roi_align *params,
                                   cudaStream_t stream);

/*
 * The best of many offers, as struct spot_collector keeps them (core/candidates.h). Every possible
 * offer of a picture has a slot, numbered in the order of offering; a kernel of the operator fills
 * its key (spot_topk_key in cuda/topk.cuh; 0: nothing offered). spot_cuda_topk then picks the
 * `capacity` best, equal ones by slot, in any order; another kernel of the operator ranks and
 * writes them.
 */
struct spot_cuda_topk {
    int pictures, slots, capacity;
    uint32_t *keys; /* [pictures,slots] */
    uint64_t *best; /* [pictures,capacity] out: key and slot, see cuda/topk.cuh */
    int *counts;    /* [pictures] out: how many of `best` are used */
};
cudaError_t spot_cuda_topk(const struct spot_cuda_topk *params, cudaStream_t stream);

/* Bytes of scratch memory for keys, best and counts; and their places in it. */
size_t spot_cuda_topk_bytes(int pictures, int slots, int capacity);
struct spot_cuda_topk spot_cuda_topk_in(void *scratch, int pictures, int slots, int capacity);

/* What all decoders have. */
struct spot_cuda_decoder {
    const float *settings; /* [N,SPOT_SETTINGS] */
    float *candidates;     /* [N,max_candidates,SPOT_CAND_FIELDS] out */
    void *scratch;         /* spot_cuda_<op>_bytes(params), aligned to 16 */
};

/* The maps of a head, from the finest level to the coarsest. */
enum { SPOT_CUDA_LEVELS_MAX = SPOT_SSD_LEVELS_MAX }; /* no head has more */
struct spot_cuda_levels {
    int count;
    struct spot_cuda_map map[SPOT_CUDA_LEVELS_MAX];
};

struct spot_cuda_gfl_decode {
    struct spot_cuda_decoder base;
    struct spot_gfl_decode attrs;
    struct spot_cuda_levels levels;
};
size_t spot_cuda_gfl_decode_bytes(const struct spot_cuda_gfl_decode *params);
cudaError_t spot_cuda_gfl_decode(const struct spot_cuda_gfl_decode *params, cudaStream_t stream);

struct spot_cuda_yolo_decode {
    struct spot_cuda_decoder base;
    struct spot_yolo_decode attrs;
    struct spot_cuda_levels levels;
};
size_t spot_cuda_yolo_decode_bytes(const struct spot_cuda_yolo_decode *params);
cudaError_t spot_cuda_yolo_decode(const struct spot_cuda_yolo_decode *params, cudaStream_t stream);

struct spot_cuda_ssd_decode {
    struct spot_cuda_decoder base;
    struct spot_ssd_decode attrs;
    struct spot_cuda_levels loc, conf;
    const float *priors; /* [P,4] */
};
size_t spot_cuda_ssd_decode_bytes(const struct spot_cuda_ssd_decode *params);
cudaError_t spot_cuda_ssd_decode(const struct spot_cuda_ssd_decode *params, cudaStream_t stream);

struct spot_cuda_rcnn_decode {
    struct spot_cuda_decoder base;
    struct spot_rcnn_decode attrs;
    int pictures;
    const float *rois;                          /* [R,SPOT_ROI_FIELDS], R / N of each picture */
    struct spot_cuda_map probabilities, deltas; /* [R,C], [R,4*K] */
};
size_t spot_cuda_rcnn_decode_bytes(const struct spot_cuda_rcnn_decode *params);
cudaError_t spot_cuda_rcnn_decode(const struct spot_cuda_rcnn_decode *params, cudaStream_t stream);

enum { SPOT_CUDA_SUPPRESS_MAX = 1 << 16 }; /* rows of a picture that go through suppression */

/*
 * Greedy suppression of sorted rows [pictures,count,SPOT_CAND_FIELDS], a part of nms and proposals:
 * finds the numbers of the rows that are kept, at most `kept_max` a picture. A list ends with the
 * first row whose field `end_field` is not >= 0.
 */
struct spot_cuda_suppress {
    int pictures, count, kept_max;
    const float *rows;
    const float *settings; /* [pictures,SPOT_SETTINGS] for SPOT_SET_IOU; NULL: `iou` */
    float iou;
    bool inclusive_pixels, class_agnostic;
    int end_field;
    uint64_t *overlaps; /* scratch [pictures,count,ceil(count/64)]: which later rows each drops */
    int *kept;          /* out [pictures,kept_max], then -1 */
};
cudaError_t spot_cuda_suppress(const struct spot_cuda_suppress *params, cudaStream_t stream);

/* Bytes of scratch memory for overlaps and kept; and their places in it. */
size_t spot_cuda_suppress_bytes(int pictures, int count, int kept_max);
void spot_cuda_suppress_in(struct spot_cuda_suppress *suppress, void *scratch);

struct spot_cuda_nms {
    struct spot_nms attrs;
    int pictures, count;     /* count: M of the candidates */
    const float *candidates; /* [N,M,SPOT_CAND_FIELDS] */
    const float *settings;   /* [N,SPOT_SETTINGS] */
    float *detections;       /* [N,max_detections,SPOT_CAND_FIELDS] */
    void *scratch;           /* spot_cuda_suppress_bytes(N, M, max_detections), aligned to 16 */
};
cudaError_t spot_cuda_nms(const struct spot_cuda_nms *params, cudaStream_t stream);

struct spot_cuda_proposals {
    struct spot_proposals attrs;
    float base[SPOT_ANCHORS_MAX][4];     /* by spot_anchors_base */
    struct spot_cuda_map classes, boxes; /* [N,2A,H,W], [N,4A,H,W] */
    const float *settings;               /* [N,SPOT_SETTINGS] */
    float *rois;                         /* [N*post_nms,SPOT_ROI_FIELDS] */
    float *picks;                        /* [N*post_nms,2]; NULL: not wanted */
    void *scratch;                       /* spot_cuda_proposals_bytes, aligned to 16 */
};
size_t spot_cuda_proposals_bytes(const struct spot_cuda_proposals *params);
cudaError_t spot_cuda_proposals(const struct spot_cuda_proposals *params, cudaStream_t stream);

#ifdef __cplusplus
}
#endif
#endif
