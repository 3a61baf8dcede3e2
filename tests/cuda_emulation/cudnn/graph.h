/*
 * Convolutions as the emulated libcudnn computes them: a convolution and the pointwise operations
 * behind it, read from cuDNN descriptors. Internal to the emulated libcudnn.
 */
#ifndef SPOT_TESTS_CUDA_EMULATION_CUDNN_GRAPH_H
#define SPOT_TESTS_CUDA_EMULATION_CUDNN_GRAPH_H

#include <cudnn.h>
#include <map>
#include <memory>
#include <stdint.h>
#include <string>
#include <vector>

/* What was set on a descriptor, and those that it refers to. */
struct Descriptor {
    cudnnBackendDescriptorType_t type;
    bool finalized = false;
    std::map<int, std::vector<char>> values;
    std::map<int, std::vector<std::shared_ptr<Descriptor>>> children;
    std::shared_ptr<Descriptor> graph; /* of an engine or configuration that cuDNN proposed */

    /* The value of an attribute number `i`, or `otherwise`. */
    template <typename T> T get(int attribute, T otherwise, size_t i = 0) const {
        auto found = values.find(attribute);
        if (found == values.end() || found->second.size() < (i + 1) * sizeof(T))
            return otherwise;
        return ((const T *)found->second.data())[i];
    }
    std::shared_ptr<Descriptor> child(int attribute, size_t i = 0) const {
        auto found = children.find(attribute);
        return found == children.end() || found->second.size() <= i ? nullptr : found->second[i];
    }
};
typedef std::shared_ptr<Descriptor> DescriptorPtr;

/* A tensor [N,C,H,W], channels next to one another. */
struct Tensor {
    int64_t number;
    int64_t dims[4], strides[4]; /* elements */
    bool half, is_virtual;
    char *device; /* NULL: virtual */

    size_t element() const { return half ? 2 : 4; }
    /* Bytes from the first element to the end of the last. */
    size_t bytes() const;
};

struct Pointwise {
    cudnnPointwiseMode_t mode;
    bool has_operand;
    Tensor operand; /* [1 or N, C, 1 or H, 1 or W] */
    double lower, upper, slope;
    bool half_result; /* rounded to float16 afterwards, being virtual */
};

/* A plan with its memory, ready to be computed again and again. */
struct Job {
    Tensor in, weight, out;
    int64_t padding[2], stride[2], dilation[2];
    bool half_sum; /* the convolution's own output is float16 */
    std::vector<Pointwise> pointwise;
    char *workspace; /* device */
    size_t workspace_bytes;
};

/* Reads an operation graph and a variant pack; says what is wrong, or "". */
std::string make_job(const Descriptor &graph, const Descriptor &pack, int64_t workspace_bytes,
                     Job *job);

/* Computes it: products of the values as they are stored, summed in float32. */
void run_job(void *job);

#endif
