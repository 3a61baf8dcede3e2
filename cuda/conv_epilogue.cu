/*
 * What cuDNN leaves of a convolution: out = act(in + bias[c] + residual), [N,H,W,C]. cuDNN's ready
 * engines add a bias and ReLU; other activations would be compiled by it at run time, seconds for
 * each layer, so they are done here. One vector a thread.
 */
#include "cuda/epilogue.cuh"

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS)
    conv_epilogue(const __grid_constant__ struct spot_cuda_conv_epilogue p) {
    struct spot_place at;
    if (!spot_find_place<T>(p.out, &at))
        return;
    float v[spot_lanes<T>];
    spot_load(spot_at<const T>(p.in, at), v);
    spot_finish_conv<T>(p.out, at, v, p.bias, p.residual, p.activation);
}

cudaError_t spot_cuda_conv_epilogue(const struct spot_cuda_conv_epilogue *p, cudaStream_t stream) {
    if (!spot_maps_equal(&p->in, &p->out) || !spot_map_optional(&p->residual, &p->out))
        return cudaErrorInvalidValue;
    return spot_launch_map(p->out.dtype == SPOT_F16 ? conv_epilogue<__half> : conv_epilogue<float>,
                           &p->out, stream, *p);
}
