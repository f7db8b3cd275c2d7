/* Functions of two elements. */
#pragma once
#include "names.h"
#include "vec.h"

#define BINARY(name, expression) \
  INLINE vf binary_##name(vf x, vf y) { return expression; }
BINARY(add, x + y)
BINARY(subtract, x - y)
BINARY(multiply, x * y)
BINARY(divide, x / y)
BINARY(minimum, min_of(x, y))
BINARY(maximum, max_of(x, y))
#undef BINARY
