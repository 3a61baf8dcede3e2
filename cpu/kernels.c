/* The kernels in order of preference: the first that matches a node computes it. */
#include "cpu/kernel.h"

extern const struct spot_cpu_kernel spot_cpu_kernel_onednn_conv;
extern const struct spot_cpu_kernel spot_cpu_kernel_generic;

const struct spot_cpu_kernel *const spot_cpu_kernels[] = {
    &spot_cpu_kernel_onednn_conv,
    &spot_cpu_kernel_generic, /* takes everything */
    NULL,
};
