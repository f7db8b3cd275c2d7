/* The slopes of activations, of their results (relu, tanh, sigmoid) or of what they are applied to. */
#pragma once
#include "functions.h"

enum { SLOPE_RELU, SLOPE_TANH, SLOPE_SIGMOID, SLOPE_SILU, SLOPE_GELU }; /* as in lowering/image_elements.py */

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

INLINE vf slope_of(int64_t kind, vf at) {
  switch (kind) {
    case SLOPE_RELU: return pick(at > (vf){0}, splat(1.0f), (vf){0});
    case SLOPE_TANH: return splat(1.0f) - at * at;
    case SLOPE_SIGMOID: return at * (splat(1.0f) - at);
    case SLOPE_SILU: return silu_slope(at);
    default: return gelu_slope(at);
  }
}
