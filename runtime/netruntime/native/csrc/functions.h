/* Elementary functions on vectors: the same operations in the same order on every instruction set. */
#pragma once
#include "vec.h"

/* 2^n for n from -126 to 127, by its bits. */
INLINE vf power_of_two(vi n) { return (vf)((n + 127) << 23); }

/* e^x within 1 ulp; 0 below -104, infinity above 89, NaN for NaN. e^x = 2^n e^r with |r| <= ln(2)/2 (Cephes). */
INLINE vf exp_of(vf x) {
  const vf half_up = splat(12582912.0f); /* 1.5 * 2^23: adding it rounds to an integer */
  x = min_of(max_of(x, splat(-104.0f)), splat(89.0f));
  const vf n = fma_of(x, splat(1.44269504088896341f), half_up) - half_up;
  vf r = fma_of(n, splat(-0.693359375f), x);
  r = fma_of(n, splat(2.12194440e-4f), r);
  vf p = splat(1.9875691500e-4f);
  p = fma_of(p, r, splat(1.3981999507e-3f));
  p = fma_of(p, r, splat(8.3334519073e-3f));
  p = fma_of(p, r, splat(4.1665795894e-2f));
  p = fma_of(p, r, splat(1.6666665459e-1f));
  p = fma_of(p, r, splat(5.0000001201e-1f));
  p = fma_of(p, r * r, r) + splat(1.0f);
  /* two factors, so that results below 2^-126 and above 2^127 come out right */
  const vi whole = __builtin_convertvector(n, vi), half = whole >> 1;
  return p * power_of_two(half) * power_of_two(whole - half);
}

INLINE vf abs_of(vf x) { return (vf)((vi)x & splat_int(0x7fffffff)); }

/* 1 / (1 + e^-x), without overflow. */
INLINE vf sigmoid_of(vf x) {
  const vf e = exp_of(-abs_of(x)), s = splat(1.0f) / (splat(1.0f) + e);
  return pick(x < (vf){0}, e * s, s);
}

/* The size of x with the sign of `sign`. */
INLINE vf with_sign(vf x, vf sign) { return (vf)((vi)x | ((vi)sign & splat_int((int32_t)0x80000000u))); }

/* An odd polynomial near 0 (Cephes), else 1 - 2 / (e^2|x| + 1). */
INLINE vf tanh_of(vf x) {
  const vf size = abs_of(x), z = size * size;
  vf p = splat(-5.70498872745e-3f);
  p = fma_of(p, z, splat(2.06390887954e-2f));
  p = fma_of(p, z, splat(-5.37397155531e-2f));
  p = fma_of(p, z, splat(1.33314422036e-1f));
  p = fma_of(p, z, splat(-3.33332819422e-1f));
  const vf near = fma_of(p * z, size, size);
  const vf far = splat(1.0f) - splat(2.0f) / (exp_of(size + size) + splat(1.0f));
  return with_sign(pick(size < splat(0.625f), near, far), x);
}
