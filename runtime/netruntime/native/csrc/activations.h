/* Activations, alone or at the end of a product. The names are those of the operators; see activations.py. */
#pragma once
#include "functions.h"

enum { ACT_NONE, ACT_RELU, ACT_TANH, ACT_SIGMOID, ACT_SILU };

typedef struct {
  int64_t kind;
} Activation;

INLINE vf activated(Activation act, vf x) {
  switch (act.kind) {
    case ACT_RELU: return max_of(x, (vf){0});
    case ACT_TANH: return tanh_of(x);
    case ACT_SIGMOID: return sigmoid_of(x);
    case ACT_SILU: return max_of(x, splat(-1e4f)) * sigmoid_of(x); /* not -inf * 0 */
    default: return x;
  }
}
