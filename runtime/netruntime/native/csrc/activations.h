/* Functions of one element: activations, alone or at the end of a product, and elementary functions.
 *
 * The names are those of the operators, and Python finds the numbers by them; see activations.py. A function may use
 * two parameters, a and b. */
#pragma once
#include "functions.h"
#include "names.h"

typedef struct {
  int64_t kind;
  float a, b;
} Activation;

/* From three numbers of a record: the kind, and the bits of the parameters. */
INLINE Activation activation_of(const int64_t *n) { return (Activation){n[0], float_of(n[1]), float_of(n[2])}; }

INLINE vf function_none(vf x, float a, float b) { (void)a, (void)b; return x; }
#define FUNCTION(name, expression) \
  INLINE vf function_##name(vf x, float a, float b) { (void)a, (void)b; return expression; }

FUNCTION(relu, max_of(x, (vf){0}))
FUNCTION(tanh, tanh_of(x))
FUNCTION(sigmoid, sigmoid_of(x))
FUNCTION(silu, at_least(x, splat(-1e4f)) * sigmoid_of(x)) /* not -inf * 0 */
FUNCTION(gelu, gelu_of(x))
FUNCTION(gelu_tanh, gelu_tanh_of(x))
FUNCTION(softplus, softplus_of(x))
FUNCTION(mish, mish_of(x))
FUNCTION(leaky_relu, sloped(x, a))
FUNCTION(elu, exponential_unit(x, a, 1.0f))
FUNCTION(celu, exponential_unit(x, a, a))
FUNCTION(selu, exponential_unit(x, 1.6732632423543772f, 1.0f) * splat(1.0507009873554805f))
FUNCTION(hard_sigmoid, clip_of(x * splat(a) + splat(b), 0.0f, 1.0f))
FUNCTION(hard_swish, at_least(x, splat(-1e4f)) * clip_of(x / splat(6.0f) + splat(0.5f), 0.0f, 1.0f))
FUNCTION(softsign, pick(abs_of(x) == splat(INFINITY), with_sign(splat(1.0f), x), x / (splat(1.0f) + abs_of(x))))
FUNCTION(erf, erf_of(x))
FUNCTION(exp, exp_of(x))
FUNCTION(expm1, expm1_of(x))
FUNCTION(log, log_of(x))
FUNCTION(log1p, log1p_of(x))
FUNCTION(sqrt, sqrt_of(x))
FUNCTION(reciprocal, splat(1.0f) / x)
FUNCTION(square, x * x)
FUNCTION(negate, -x)
FUNCTION(abs, abs_of(x))
FUNCTION(clip, clip_of(x, a, b))

INLINE vf activated(Activation act, vf x) {
#define CASE(name) case FUNCTION_##name: return function_##name(x, act.a, act.b);
  switch (act.kind) {
    EACH_FUNCTION(CASE)
    default: return x;
  }
#undef CASE
}
