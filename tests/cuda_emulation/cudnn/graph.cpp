/* See graph.h. */
#include "tests/cuda_emulation/cudnn/graph.h"

#include <math.h>
#include <string.h>

#include "tests/cuda_emulation/cudart/emulated.h"

enum { ALIGNMENT = 16, SCRATCHED = 0xcc /* what a plan leaves in its workspace */ };

/* ---- reading descriptors ---- */

size_t Tensor::bytes() const {
    int64_t last = 0;
    for (int i = 0; i < 4; i++)
        last += (dims[i] - 1) * strides[i];
    return (size_t)(last + 1) * element();
}

static std::string read_tensor(const DescriptorPtr &from, Tensor *tensor) {
    if (from == nullptr)
        return "a tensor is missing";
    tensor->number = from->get<int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID, -1);
    for (size_t i = 0; i < 4; i++) {
        tensor->dims[i] = from->get<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS, 0, i);
        tensor->strides[i] = from->get<int64_t>(CUDNN_ATTR_TENSOR_STRIDES, 0, i);
        if (tensor->dims[i] < 1)
            return "a tensor without four dimensions";
    }
    int type = from->get<int>(CUDNN_ATTR_TENSOR_DATA_TYPE, -1);
    if (type != CUDNN_DATA_FLOAT && type != CUDNN_DATA_HALF)
        return "a tensor that is not of float32 or float16";
    if (tensor->strides[1] != 1)
        return "a tensor whose channels are not next to one another";
    tensor->half = type == CUDNN_DATA_HALF;
    tensor->is_virtual = from->get<char>(CUDNN_ATTR_TENSOR_IS_VIRTUAL, 0) != 0;
    tensor->device = nullptr;
    return "";
}

static std::string find_memory(const Descriptor &pack, Tensor *tensor) {
    if (tensor->is_virtual)
        return "";
    for (size_t i = 0;; i++) {
        int64_t number = pack.get<int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, -1, i);
        if (number == -1)
            return "the variant pack lacks a tensor";
        if (number != tensor->number)
            continue;
        tensor->device = pack.get<char *>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, nullptr, i);
        break;
    }
    if ((uintptr_t)tensor->device % ALIGNMENT != 0)
        return "a tensor is not aligned as declared";
    if (!emulated_cuda_holds(tensor->device, tensor->bytes()))
        return "a tensor is not in device memory, or larger than its memory";
    return "";
}

static std::string read_convolution(const Descriptor &operation, Job *job, DescriptorPtr *out) {
    DescriptorPtr how = operation.child(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC);
    *out = operation.child(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y);
    std::string wrong =
        read_tensor(operation.child(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X), &job->in);
    if (wrong.empty())
        wrong =
            read_tensor(operation.child(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W), &job->weight);
    if (wrong.empty())
        wrong = read_tensor(*out, &job->out);
    if (!wrong.empty())
        return wrong;
    if (how == nullptr ||
        operation.get<double>(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, 1) != 1 ||
        operation.get<double>(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, 0) != 0 ||
        how->get<int>(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION) !=
            CUDNN_CROSS_CORRELATION)
        return "a convolution that is scaled, added or flipped";
    for (size_t i = 0; i < 2; i++) {
        job->padding[i] = how->get<int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, 0, i);
        job->stride[i] = how->get<int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, 1, i);
        job->dilation[i] = how->get<int64_t>(CUDNN_ATTR_CONVOLUTION_DILATIONS, 1, i);
    }
    job->half_sum = job->out.half;
    return "";
}

static std::string read_pointwise(const Descriptor &operation, const DescriptorPtr &value,
                                  DescriptorPtr *out, Job *job) {
    DescriptorPtr how = operation.child(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR);
    if (how == nullptr || operation.child(CUDNN_ATTR_OPERATION_POINTWISE_XDESC) != value)
        return "a pointwise operation that does not follow the one before";
    Pointwise step = {};
    step.mode = how->get<cudnnPointwiseMode_t>(CUDNN_ATTR_POINTWISE_MODE, CUDNN_POINTWISE_ADD);
    step.lower = how->get<double>(CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP, 0);
    step.upper = how->get<double>(CUDNN_ATTR_POINTWISE_RELU_UPPER_CLIP, INFINITY);
    step.slope = how->get<double>(CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP_SLOPE, 0);
    std::string wrong;
    if (DescriptorPtr operand = operation.child(CUDNN_ATTR_OPERATION_POINTWISE_BDESC)) {
        step.has_operand = true;
        wrong = read_tensor(operand, &step.operand);
    }
    *out = operation.child(CUDNN_ATTR_OPERATION_POINTWISE_YDESC);
    if (wrong.empty())
        wrong = read_tensor(*out, &job->out);
    if (step.mode != CUDNN_POINTWISE_ADD && step.mode != CUDNN_POINTWISE_RELU_FWD)
        wrong = "a pointwise operation other than add and ReLU";
    if (step.mode == CUDNN_POINTWISE_ADD && !step.has_operand)
        wrong = "an addition of nothing";
    step.half_result = job->out.half;
    job->pointwise.push_back(step);
    return wrong;
}

/* Whether a tensor shares bytes with other memory. */
static bool overlap(const Tensor &tensor, const char *other, size_t bytes) {
    return tensor.device < other + bytes && other < tensor.device + tensor.bytes();
}

/* A plan may write its workspace at any time while it reads and writes the rest. */
static bool workspace_overlaps(const Job &job) {
    bool found = false;
    for (const Tensor *tensor : {&job.in, &job.weight, &job.out})
        found = found || overlap(*tensor, job.workspace, job.workspace_bytes);
    for (const Pointwise &step : job.pointwise)
        found = found || (step.has_operand && !step.operand.is_virtual &&
                          overlap(step.operand, job.workspace, job.workspace_bytes));
    return found;
}

static std::string find_all_memory(const Descriptor &pack, int64_t workspace_bytes, Job *job) {
    std::string wrong = find_memory(pack, &job->in);
    for (Tensor *tensor : {&job->weight, &job->out})
        if (wrong.empty())
            wrong = find_memory(pack, tensor);
    for (Pointwise &step : job->pointwise)
        if (wrong.empty() && step.has_operand)
            wrong = find_memory(pack, &step.operand);
    if (!wrong.empty())
        return wrong;
    if (job->in.is_virtual || job->weight.is_virtual || job->out.is_virtual)
        return "an input or the result is virtual";
    if (overlap(job->in, job->out.device, job->out.bytes()))
        return "the result lies on the input";
    job->workspace = pack.get<char *>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, nullptr);
    job->workspace_bytes = (size_t)workspace_bytes;
    if (workspace_bytes > 0 && !emulated_cuda_holds(job->workspace, job->workspace_bytes))
        return "the workspace is missing or too small";
    if (workspace_overlaps(*job))
        return "the workspace lies on a tensor";
    return "";
}

std::string make_job(const Descriptor &graph, const Descriptor &pack, int64_t workspace_bytes,
                     Job *job) {
    DescriptorPtr value, operation;
    for (size_t i = 0; (operation = graph.child(CUDNN_ATTR_OPERATIONGRAPH_OPS, i)) != nullptr;
         i++) {
        std::string wrong = "an operation that is not emulated";
        if (i == 0 && operation->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR)
            wrong = read_convolution(*operation, job, &value);
        else if (i > 0 && operation->type == CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR)
            wrong = read_pointwise(*operation, value, &value, job);
        if (!wrong.empty())
            return wrong;
    }
    return value == nullptr ? "a graph without operations"
                            : find_all_memory(pack, workspace_bytes, job);
}

/* ---- computing ---- */

static float from_half(uint16_t bits) {
    _Float16 value;
    memcpy(&value, &bits, sizeof value);
    return (float)value;
}

static float round_half(float value) {
    return (float)(_Float16)value;
}

/* `count` values from the channels of one pixel. */
static void load(const Tensor &tensor, int64_t offset, int64_t count, float *values) {
    const char *device = tensor.device + offset * (int64_t)tensor.element();
    const void *memory = emulated_cuda_access(device, (size_t)count * tensor.element(), false,
                                              "cudnnBackendExecute");
    if (memory == nullptr) {
        for (int64_t i = 0; i < count; i++)
            values[i] = NAN;
    } else if (tensor.half) {
        for (int64_t i = 0; i < count; i++)
            values[i] = from_half(((const uint16_t *)memory)[i]);
    } else {
        memcpy(values, memory, (size_t)count * sizeof *values);
    }
}

static void store(const Tensor &tensor, int64_t offset, int64_t count, const float *values) {
    char *device = tensor.device + offset * (int64_t)tensor.element();
    void *memory =
        emulated_cuda_access(device, (size_t)count * tensor.element(), true, "cudnnBackendExecute");
    if (memory == nullptr)
        return;
    if (!tensor.half) {
        memcpy(memory, values, (size_t)count * sizeof *values);
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        _Float16 value = (_Float16)values[i];
        memcpy((char *)memory + 2 * i, &value, sizeof value);
    }
}

/* A tensor as dense float32 [N,H,W,C]. */
static std::vector<float> load_all(const Tensor &t) {
    std::vector<float> values((size_t)(t.dims[0] * t.dims[1] * t.dims[2] * t.dims[3]));
    float *next = values.data();
    bool dense = t.strides[3] == t.dims[1] && t.strides[2] == t.dims[1] * t.dims[3] &&
                 t.strides[0] == t.strides[2] * t.dims[2];
    if (dense) {
        load(t, 0, (int64_t)values.size(), next);
        return values;
    }
    for (int64_t n = 0; n < t.dims[0]; n++)
        for (int64_t y = 0; y < t.dims[2]; y++)
            for (int64_t x = 0; x < t.dims[3]; x++, next += t.dims[1])
                load(t, n * t.strides[0] + y * t.strides[2] + x * t.strides[3], t.dims[1], next);
    return values;
}

/* The pixels under a filter's taps that lie on the map, each with its part of the filter. */
struct Tap {
    const float *pixel;
    int64_t number; /* row by row */
};

static std::vector<Tap> taps_at(const Job &job, const float *in, int64_t y, int64_t x) {
    std::vector<Tap> taps;
    for (int64_t r = 0; r < job.weight.dims[2]; r++) {
        int64_t row = y * job.stride[0] - job.padding[0] + r * job.dilation[0];
        if (row < 0 || row >= job.in.dims[2])
            continue;
        for (int64_t s = 0; s < job.weight.dims[3]; s++) {
            int64_t column = x * job.stride[1] - job.padding[1] + s * job.dilation[1];
            if (column >= 0 && column < job.in.dims[3])
                taps.push_back({in + (row * job.in.dims[3] + column) * job.in.dims[1],
                                r * job.weight.dims[3] + s});
        }
    }
    return taps;
}

/*
 * A filter [O,KH,KW,C/G] as [O/SIDE,KH,KW,C/G,SIDE]: the sums of SIDE output channels of a group
 * stay in registers while the inputs pass by. What is beyond a group's outputs is 0.
 */
enum { SIDE = 32 };

struct Filter {
    std::vector<float> values;
    int64_t groups, outputs, blocks, channels, taps; /* outputs and blocks of a group */
    size_t at(int64_t group, int64_t block, int64_t tap) const {
        return (size_t)(((group * blocks + block) * taps + tap) * channels * SIDE);
    }
};

static Filter pack(const Job &job) {
    std::vector<float> weight = load_all(job.weight);
    Filter f;
    f.channels = job.weight.dims[1];
    f.taps = job.weight.dims[2] * job.weight.dims[3];
    f.groups = job.in.dims[1] / f.channels;
    f.outputs = job.weight.dims[0] / f.groups;
    f.blocks = (f.outputs + SIDE - 1) / SIDE;
    f.values.assign((size_t)(f.groups * f.blocks * f.taps * f.channels * SIDE), 0);
    for (int64_t o = 0; o < job.weight.dims[0]; o++)
        for (int64_t tap = 0; tap < f.taps; tap++)
            for (int64_t c = 0; c < f.channels; c++) {
                int64_t inside = o % f.outputs;
                size_t to = f.at(o / f.outputs, inside / SIDE, tap);
                f.values[to + (size_t)(c * SIDE + inside % SIDE)] =
                    weight[(size_t)((o * f.taps + tap) * f.channels + c)];
            }
    return f;
}

/* The sums of all output channels of one pixel. */
static void convolve_pixel(const Filter &filter, const std::vector<Tap> &taps, float *sums) {
    for (int64_t group = 0; group < filter.groups; group++) {
        for (int64_t block = 0; block < filter.blocks; block++) {
            float sum[SIDE] = {0};
            for (const Tap &tap : taps) {
                const float *pixel = tap.pixel + group * filter.channels;
                const float *weight = filter.values.data() + filter.at(group, block, tap.number);
                for (int64_t c = 0; c < filter.channels; c++, weight += SIDE)
                    for (int i = 0; i < SIDE; i++)
                        sum[i] += pixel[c] * weight[i];
            }
            for (int64_t i = block * SIDE; i < filter.outputs && i < (block + 1) * SIDE; i++)
                sums[group * filter.outputs + i] = sum[i % SIDE];
        }
    }
}

static void apply(const Pointwise &step, int64_t n, int64_t y, int64_t x, int64_t count,
                  float *values) {
    const Tensor &t = step.operand;
    if (step.mode == CUDNN_POINTWISE_ADD) {
        std::vector<float> operand((size_t)count);
        load(t,
             (t.dims[0] > 1 ? n * t.strides[0] : 0) + (t.dims[2] > 1 ? y * t.strides[2] : 0) +
                 (t.dims[3] > 1 ? x * t.strides[3] : 0),
             count, operand.data());
        for (int64_t i = 0; i < count; i++)
            values[i] += operand[(size_t)i];
    } else {
        float lower = (float)step.lower, upper = (float)step.upper, slope = (float)step.slope;
        for (int64_t i = 0; i < count; i++) {
            float v = values[i] > lower ? values[i] : lower + slope * (values[i] - lower);
            values[i] = v > upper ? upper : v;
        }
    }
    for (int64_t i = 0; step.half_result && i < count; i++)
        values[i] = round_half(values[i]);
}

void run_job(void *data) {
    const Job &job = *(const Job *)data;
    const Tensor &out = job.out;
    std::vector<float> in = load_all(job.in);
    Filter filter = pack(job);
    std::vector<float> values((size_t)out.dims[1]);
    size_t picture = in.size() / (size_t)job.in.dims[0];
    if (job.workspace_bytes > 0)
        if (void *memory = emulated_cuda_access(job.workspace, job.workspace_bytes, true,
                                                "cudnnBackendExecute"))
            memset(memory, SCRATCHED, job.workspace_bytes);
    for (int64_t n = 0; n < out.dims[0]; n++) {
        for (int64_t y = 0; y < out.dims[2]; y++) {
            for (int64_t x = 0; x < out.dims[3]; x++) {
                convolve_pixel(filter, taps_at(job, in.data() + (size_t)n * picture, y, x),
                               values.data());
                for (size_t i = 0; job.half_sum && i < values.size(); i++)
                    values[i] = round_half(values[i]);
                for (const Pointwise &step : job.pointwise)
                    apply(step, n, y, x, out.dims[1], values.data());
                store(out, n * out.strides[0] + y * out.strides[2] + x * out.strides[3],
                      out.dims[1], values.data());
            }
        }
    }
}
