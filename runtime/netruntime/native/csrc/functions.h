/* Elementary functions on vectors: the same operations in the same order on every instruction set. */
#pragma once
#include "vec.h"

/* 2^n for n from -126 to 127, by its bits. */
INLINE vf power_of_two(vi n) { return (vf)((n + 127) << 23); }

/* e^x within 1 ulp; 0 below -104, infinity above 89, NaN for NaN. e^x = 2^n e^r with |r| <= ln(2)/2 (Cephes). */
INLINE vf exp_of(vf x) {
  const vf half_up = splat(12582912.0f); /* 1.5 * 2^23: adding it rounds to an integer */
  const vi vanishes = x < splat(-104.0f); /* as masked scores do: results that underflow take 100 times as long */
  x = at_most(pick(vanishes, (vf){0}, x), splat(89.0f));
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
  return pick(vanishes, (vf){0}, p * power_of_two(half) * power_of_two(whole - half));
}

INLINE vf abs_of(vf x) { return (vf)((vi)x & splat_int(0x7fffffff)); }

/* 1 / (1 + e^-x), without overflow. */
INLINE vf sigmoid_of(vf x) {
  const vf e = exp_of(-abs_of(x)), s = splat(1.0f) / (splat(1.0f) + e);
  return pick(x < (vf){0}, e * s, s);
}

/* The size of x with the sign of `sign`. */
INLINE vf with_sign(vf x, vf sign) { return (vf)((vi)x | ((vi)sign & splat_int((int32_t)0x80000000u))); }

/* x P(x) + c, and so on: a polynomial by its coefficients, the highest power first. */
#define POLYNOMIAL(x, ...)                                                                   \
  ({                                                                                         \
    static const float coefficients[] = {__VA_ARGS__};                                       \
    vf sum = splat(coefficients[0]);                                                         \
    UNROLL for (unsigned i = 1; i < sizeof coefficients / 4; i++)                            \
      sum = fma_of(sum, x, splat(coefficients[i]));                                          \
    sum;                                                                                     \
  })

/* x P(x^2) / Q(x^2), which differs from tanh by 1.4e-9 of it up to 9 (fitted for the smallest relative error, in f64);
 * above, tanh is 1 in f32, which the quotient is at 9 but not beyond. Rounding makes it 5 ulp. */
INLINE vf tanh_of(vf x) {
  x = at_most(at_least(x, splat(-9.0f)), splat(9.0f));
  const vf z = x * x;
  const vf p = POLYNOMIAL(z, -1.2203249e-11f, 3.0584726e-08f, 2.8007336e-05f, 3.8683217e-03f, 1.3679910e-01f, 1.0f);
  const vf q = POLYNOMIAL(z, 1.2873580e-06f, 3.9386205e-04f, 2.7245816e-02f, 4.7013241e-01f, 1.0f);
  return at_most(at_least(x * p / q, splat(-1.0f)), splat(1.0f));
}

/* The probability that a standard normal number is above t, for t >= 0: e^(-t^2 / 2) M(t), where M is a polynomial in
 * (t - 3) / (t + 3) fitted for the smallest relative error (1e-8 up to 14.5, where the result ends). */
INLINE vf normal_tail(vf t) {
  t = at_most(t, splat(14.5f));
  const vf u = (t - splat(3.0f)) / (t + splat(3.0f));
  const vf m = POLYNOMIAL(u, 5.316187403e-05f, 1.150136289e-04f, -3.390128070e-04f, -9.832881714e-04f,
                          2.904387360e-03f, 6.131942271e-03f, -4.621326362e-02f, 1.232250412e-01f,
                          -2.064026204e-01f, 1.215139475e-01f);
  /* the square and what its rounding lost, which matters far out */
  const vf square = t * t, lost = fma_of(t, t, -square);
  const vf e = exp_of(splat(-0.5f) * square);
  return m * fma_of(splat(-0.5f) * lost, e, e);
}

/* x P(x^2) up to 1, fitted for the smallest error; else by the tail. */
INLINE vf erf_of(vf x) {
  const vf size = abs_of(x), z = size * size;
  const vf p = POLYNOMIAL(z, 7.889123123e-05f, -8.020842460e-04f, 5.189535486e-03f, -2.685444468e-02f,
                          1.128360018e-01f, -3.761262714e-01f, 1.283791659e-01f);
  const vf near = fma_of(size, p, size);
  const vf far = fma_of(splat(-2.0f), normal_tail(size * splat(1.41421356f)), splat(1.0f));
  return with_sign(pick(size < splat(1.0f), near, far), x);
}

/* log((1 + s) / (1 - s)) for |s| up to 1/3: 2 s + s^3 P(s^2), fitted for the smallest relative error. */
INLINE vf log_of_ratio(vf s) {
  const vf z = s * s;
  const vf p = POLYNOMIAL(z, 2.430093895e-01f, 2.142765700e-01f, 2.861688484e-01f, 3.999887774e-01f,
                          6.666667562e-01f);
  return fma_of(s * z, p, s + s);
}

/* The natural logarithm; -infinity at 0, NaN below. */
INLINE vf log_of(vf x) {
  const vi tiny = x < splat(1.17549435e-38f);
  const vf scaled = pick(tiny, x * splat(8388608.0f), x);
  /* the exponent such that the rest is between sqrt(1/2) and sqrt(2) */
  const vi bits = (vi)scaled, n = (bits - splat_int(0x3f3504f3)) >> 23;
  const vf m = (vf)(bits - (n << 23));
  const vf e = __builtin_convertvector(n - (tiny & splat_int(23)), vf);
  const vf log_m = log_of_ratio((m - splat(1.0f)) / (m + splat(1.0f)));
  vf y = fma_of(e, splat(0.693359375f), fma_of(e, splat(-2.12194440e-4f), log_m));
  y = pick(x > (vf){0}, y, pick(x == (vf){0}, splat(-INFINITY), splat(NAN)));
  return pick((x == splat(INFINITY)) | (x != x), x, y);
}

/* log(1 + x): the logarithm of the rounded sum, and what its rounding lost. */
INLINE vf log1p_of(vf x) {
  const vf u = x + splat(1.0f), lost = (x - (u - splat(1.0f))) / u;
  const vf near = log_of_ratio(x / (x + splat(2.0f)));
  const vf far = log_of(u) + pick((abs_of(x) < splat(1e9f)) & (u > (vf){0}), lost, (vf){0});
  return pick(abs_of(x) < splat(0.4f), near, far);
}

/* e^x - 1 without loss of digits near 0. */
INLINE vf expm1_of(vf x) {
  const vf half_up = splat(12582912.0f), small = at_most(at_least(x, splat(-20.0f)), splat(20.0f));
  const vf n = fma_of(small, splat(1.44269504088896341f), half_up) - half_up;
  vf r = fma_of(n, splat(-0.693359375f), small);
  r = fma_of(n, splat(2.12194440e-4f), r);
  const vf q = POLYNOMIAL(r, 1.395047892e-03f, 8.368882335e-03f, 4.166620598e-02f, 1.666651890e-01f, 5.000000095e-01f);
  const vf p = fma_of(r * r, q, r), power = power_of_two(__builtin_convertvector(n, vi));
  const vf near = pick(abs_of(x) < splat(1e-8f), x, fma_of(power, p, power - splat(1.0f)));
  return pick(x > splat(20.0f), exp_of(x), near);
}

/* x times the cumulative distribution of the standard normal. */
INLINE vf gelu_of(vf x) {
  const vf tail = normal_tail(abs_of(x)), low = at_least(x, splat(-1e4f)); /* not -inf * 0 */
  return pick(x > (vf){0}, fma_of(-at_most(x, splat(1e4f)), tail, x), low * tail);
}

/* x / 2 (1 + tanh z) is x / (1 + e^-2z). */
INLINE vf gelu_tanh_of(vf x) {
  const vf near = at_most(at_least(x, splat(-100.0f)), splat(100.0f));
  const vf z = near * fma_of(splat(0.0713548162726f) * near, near, splat(1.59576912160573f));
  return at_least(x, splat(-1e4f)) * sigmoid_of(z);
}

/* max(x, 0) + log(1 + e^-|x|) */
INLINE vf softplus_of(vf x) {
  const vf e = exp_of(-abs_of(x));
  return max_of(x, (vf){0}) + log_of_ratio(e / (e + splat(2.0f)));
}

/* x tanh(log(1 + e^x)) is x (e^2x + 2 e^x) / (e^2x + 2 e^x + 2); both are divided by e^x or its square where it is large. */
INLINE vf mish_of(vf x) {
  const vf e = exp_of(-abs_of(x)), two = splat(2.0f);
  const vi below = x < (vf){0};
  const vf top = pick(below, e * (e + two), fma_of(two, e, splat(1.0f))), bottom = pick(below, two, two * e * e);
  return at_least(x, splat(-1e4f)) * (top / (top + bottom));
}

/* x above 0, and alpha (e^(x / width) - 1) below. */
INLINE vf exponential_unit(vf x, float alpha, float width) {
  const vf below = min_of(max_of(x, splat(-100.0f * width)), (vf){0});
  return max_of(x, (vf){0}) + expm1_of(below / splat(width)) * splat(alpha);
}

INLINE vf clip_of(vf x, float low, float high) { return min_of(max_of(x, splat(low)), splat(high)); }

/* x above 0 and slope * x below, also for a slope above 1. */
INLINE vf sloped(vf x, float slope) { return max_of(x, (vf){0}) + min_of(x, (vf){0}) * splat(slope); }
