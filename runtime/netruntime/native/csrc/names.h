/* The functions of one element by name: the one list, from which Python takes the numbers too. */
#pragma once

#define EACH_FUNCTION(DO)                                                                                      \
  DO(none) DO(relu) DO(tanh) DO(sigmoid) DO(silu) DO(gelu) DO(gelu_tanh) DO(softplus) DO(mish) DO(leaky_relu)  \
  DO(elu) DO(celu) DO(selu) DO(hard_sigmoid) DO(hard_swish) DO(softsign) DO(erf) DO(exp) DO(expm1) DO(log)      \
  DO(log1p) DO(sqrt) DO(reciprocal) DO(square) DO(negate) DO(abs) DO(clip)

#define FUNCTION_NUMBER(name) FUNCTION_##name,
enum { EACH_FUNCTION(FUNCTION_NUMBER) };
#undef FUNCTION_NUMBER

/* And those of two. */
#define EACH_BINARY(DO) DO(add) DO(subtract) DO(multiply) DO(divide) DO(minimum) DO(maximum)
