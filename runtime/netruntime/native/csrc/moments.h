/* The mean and the deviation of a row that lies contiguously. Sums take 16 lanes in turns, on every instruction set. */
#pragma once
#include "vec.h"

INLINE Lanes minus(Lanes x, float y) {
  EACH_PART(p) x.v[p] -= splat(y);
  return x;
}

/* The sum of x - mean over a row. */
INLINE float sum_from(const float *x, int64_t count, float mean) {
  Lanes sum = lanes_splat(0);
  for (int64_t i = 0; i < count; i += LANES) {
    const Lanes part = minus(lanes_of(x + i, count - i, mean), mean);
    EACH_PART(p) sum.v[p] += part.v[p];
  }
  return sum_of(sum);
}

/* The sum of ((x - mean) - error)^2 over a row. */
INLINE float squares_from(const float *x, int64_t count, float mean, float error) {
  Lanes sum = lanes_splat(0);
  int64_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    const Lanes part = minus(minus(lanes_of(x + i, LANES, 0), mean), error);
    EACH_PART(p) sum.v[p] = fma_of(part.v[p], part.v[p], sum.v[p]);
  }
  if (i < count) {
    Lanes part = minus(minus(lanes_of(x + i, count - i, 0), mean), error);
    float some[LANES];
    EACH_PART(p) store(some + p * VL, part.v[p]);
    part = lanes_of(some, count - i, 0);
    EACH_PART(p) sum.v[p] = fma_of(part.v[p], part.v[p], sum.v[p]);
  }
  return sum_of(sum);
}

typedef struct {
  float mean, error, scale;
} Moments;

/* The mean in two parts, as `centred` of the operators has it, and 1 / sqrt(variance + eps). */
INLINE Moments moments_of(const float *x, int64_t count, int centred, float eps) {
  Moments m = {0, 0, 0};
  if (centred) {
    m.mean = sum_from(x, count, 0) / (float)count;
    m.error = sum_from(x, count, m.mean) / (float)count;
  }
  m.scale = 1.0f / sqrtf(squares_from(x, count, m.mean, m.error) / (float)count + eps);
  return m;
}
