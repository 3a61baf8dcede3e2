/*
 * Activations of a vector, for instruction sets with fused multiply-add.
 *
 * exp(x) = 2^n * exp(r), n = round(x / ln 2), |r| <= ln 2 / 2, with Taylor's polynomial of degree 7
 * for exp(r): below 2 units in the last place. ln 2 is subtracted in two parts (Cody and Waite).
 */
#ifndef SPOT_CPU_SIMD_VECTOR_ACTIVATE_H
#define SPOT_CPU_SIMD_VECTOR_ACTIVATE_H

SIMD_INLINE vf vf_exp(vf x) {
    x = vf_min(vf_max(x, vf_set(-87.0F)), vf_set(88.0F));
    vf n = vf_round(vf_mul(x, vf_set(1.44269504F)));
    vf r = vf_fma(n, vf_set(-0.693359375F), x);
    r = vf_fma(n, vf_set(2.12194440e-4F), r);
    static const float coefficients[] = {1.0F / 720, 1.0F / 120, 1.0F / 24, 1.0F / 6, 0.5F, 1, 1};
    vf sum = vf_set(1.0F / 5040);
    for (int i = 0; i < 7; i++)
        sum = vf_fma(sum, r, vf_set(coefficients[i]));
    return vf_scale2(sum, n);
}

SIMD_INLINE vf vf_sigmoid(vf x) {
    vf one = vf_set(1);
    return vf_div(one, vf_add(one, vf_exp(vf_sub(vf_set(0), x))));
}

SIMD_INLINE vf vf_hard_sigmoid(vf x) {
    vf y = vf_fma(x, vf_set(1.0F / 6), vf_set(0.5F));
    return vf_min(vf_max(y, vf_set(0)), vf_set(1));
}

/* x * tanh(ln(1 + e^x)) = x * q / (q + 2) with q = e^x (e^x + 2); x itself above 20. */
SIMD_INLINE vf vf_mish(vf x) {
    vf e = vf_exp(vf_min(x, vf_set(20)));
    vf q = vf_mul(e, vf_add(e, vf_set(2)));
    return vf_above(x, 20, x, vf_mul(x, vf_div(q, vf_add(q, vf_set(2)))));
}

SIMD_INLINE vf vf_activate(vf x, struct spot_activation activation) {
    switch (activation.kind) {
    case SPOT_ACT_RELU:
        return vf_max(x, vf_set(0));
    case SPOT_ACT_RELU6:
        return vf_min(vf_max(x, vf_set(0)), vf_set(6));
    case SPOT_ACT_LEAKY_RELU:
        return vf_above(x, 0, x, vf_mul(x, vf_set(activation.alpha)));
    case SPOT_ACT_SIGMOID:
        return vf_sigmoid(x);
    case SPOT_ACT_HARD_SIGMOID:
        return vf_hard_sigmoid(x);
    case SPOT_ACT_SWISH:
        return vf_mul(x, vf_sigmoid(x));
    case SPOT_ACT_HARD_SWISH:
        return vf_mul(x, vf_hard_sigmoid(x));
    case SPOT_ACT_MISH:
        return vf_mish(x);
    case SPOT_ACT_NONE:
    case SPOT_ACT_COUNT:
        break;
    }
    return x;
}

#endif
