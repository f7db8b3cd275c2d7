/* The slopes of activations, of their results (relu, tanh, sigmoid) or of what they are applied to. */
#pragma once
#include "functions.h"

enum { /* as in lowering/image_elements.py */
  SLOPE_RELU, SLOPE_TANH, SLOPE_SIGMOID, SLOPE_SILU, SLOPE_GELU, SLOPE_SOFTPLUS, SLOPE_LEAKY_RELU, SLOPE_GELU_TANH,
};

INLINE vf silu_slope(vf x) {
  x = at_most(at_least(x, splat(-1e4f)), splat(1e4f)); /* outside, it is 0 or 1, and infinity * 0 would be NaN */
  const vf gate = sigmoid_of(x);
  return gate * fma_of(x, splat(1.0f) - gate, splat(1.0f));
}

/* The normal distribution plus x times its density. */
INLINE vf gelu_slope(vf x) {
  x = at_most(at_least(x, splat(-100.0f)), splat(100.0f));
  const vf tail = normal_tail(abs_of(x)), gate = pick(x > (vf){0}, splat(1.0f) - tail, tail);
  return fma_of(x, exp_of(x * x * splat(-0.5f)) * splat(0.39894228040143268f), gate);
}

/* x / (1 + e^-2z), where z is x times a polynomial in x^2: s + 2 x z' s (1 - s), with s (1 - s) = e / (1 + e)^2. */
INLINE vf gelu_tanh_slope(vf x) {
  x = at_most(at_least(x, splat(-100.0f)), splat(100.0f));
  const vf scale = splat(0.79788456080286536f), square = splat(0.03567740813630012f) * x * x;
  const vf z = x * (scale + square), e = exp_of(splat(-2.0f) * abs_of(z)), s = splat(1.0f) / (splat(1.0f) + e);
  const vf rate = fma_of(splat(3.0f), square, scale);
  return fma_of(splat(2.0f) * x * rate, e * s * s, pick(z < (vf){0}, e * s, s));
}

/* `a` is the parameter of the activation. */
INLINE vf slope_of(int64_t kind, float a, vf at) {
  switch (kind) {
    case SLOPE_RELU: return pick(at > (vf){0}, splat(1.0f), (vf){0});
    case SLOPE_TANH: return splat(1.0f) - at * at;
    case SLOPE_SIGMOID: return at * (splat(1.0f) - at);
    case SLOPE_SILU: return silu_slope(at);
    case SLOPE_SOFTPLUS: return sigmoid_of(at);
    case SLOPE_LEAKY_RELU: return pick(at > (vf){0}, splat(1.0f), splat(a));
    case SLOPE_GELU_TANH: return gelu_tanh_slope(at);
    default: return gelu_slope(at);
  }
}
