/* Vectors of floats of the instruction set that this file is compiled for, and what arithmetic needs of them.
 *
 * Every sum has one order, whatever the width of a vector: products are added by `fma`, and a sum over lanes
 * takes 16 lanes in turns (see `Lanes`). So the results have the same bits on AVX-512, AVX2 and NEON. */
#pragma once
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#define VL 16
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define VL 8
#else
#if defined(__ARM_NEON)
#include <arm_neon.h>
#endif
#define VL 4
#endif

#define LANES 16            /* of a block of channels, on every instruction set */
#define PARTS (LANES / VL)  /* vectors of a block */

typedef float vf __attribute__((vector_size(VL * 4)));
typedef float vf_any __attribute__((vector_size(VL * 4), aligned(4), may_alias));
typedef int32_t vi __attribute__((vector_size(VL * 4)));

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

INLINE vf load(const float *p) { return *(const vf_any *)p; }
INLINE vi load_ints(const int32_t *p) {
  vi x;
  memcpy(&x, p, sizeof x);
  return x;
}
INLINE void store(float *p, vf x) { *(vf_any *)p = x; }
INLINE vf splat(float x) { return x - (vf){0}; } /* not `+`: -0 + 0 is +0 */
INLINE vi splat_int(int32_t x) { return x - (vi){0}; }
INLINE vi lane_numbers(void) {
  vi x;
  for (int i = 0; i < VL; i++) x[i] = i;
  return x;
}

/* a * b + c, rounded once; twice on the baseline, which has no such instruction. */
INLINE vf fma_of(vf a, vf b, vf c) {
#if defined(__AVX512F__)
  return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__) && defined(__FMA__)
  return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__ARM_NEON)
  return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
  return a * b + c;
#endif
}

INLINE vf pick(vi mask, vf yes, vf no) { return (vf)(((vi)yes & mask) | ((vi)no & ~mask)); }

/* a if it is larger or smaller than b, else b, also where one of them is NaN; a if it is NaN, else b. */
#if defined(__AVX512F__)
INLINE vf larger_of(vf a, vf b) { return (vf)_mm512_max_ps((__m512)a, (__m512)b); }
INLINE vf smaller_of(vf a, vf b) { return (vf)_mm512_min_ps((__m512)a, (__m512)b); }
INLINE vf nan_or(vf a, vf b) {
  return (vf)_mm512_mask_mov_ps((__m512)b, _mm512_cmp_ps_mask((__m512)a, (__m512)a, _CMP_UNORD_Q), (__m512)a);
}
#elif defined(__AVX2__)
INLINE vf larger_of(vf a, vf b) { return (vf)_mm256_max_ps((__m256)a, (__m256)b); }
INLINE vf smaller_of(vf a, vf b) { return (vf)_mm256_min_ps((__m256)a, (__m256)b); }
INLINE vf nan_or(vf a, vf b) {
  return (vf)_mm256_blendv_ps((__m256)b, (__m256)a, _mm256_cmp_ps((__m256)a, (__m256)a, _CMP_UNORD_Q));
}
#else
INLINE vf larger_of(vf a, vf b) { return pick(a > b, a, b); }
INLINE vf smaller_of(vf a, vf b) { return pick(a < b, a, b); }
INLINE vf nan_or(vf a, vf b) { return pick(a != a, a, b); }
#endif

/* The larger; NaN if one of them is NaN, as numpy.maximum. */
INLINE vf max_of(vf a, vf b) { return nan_or(a, larger_of(a, b)); }
INLINE vf min_of(vf a, vf b) { return nan_or(a, smaller_of(a, b)); }

/* x, but no less or no more than a number; NaN stays NaN. */
INLINE vf at_least(vf x, vf low) { return larger_of(low, x); }
INLINE vf at_most(vf x, vf high) { return smaller_of(high, x); }

/* The first `count` lanes of a vector, the others 0. */
INLINE vf load_some(const float *p, int64_t count) {
  vf x = {0};
  memcpy(&x, p, (size_t)count * 4);
  return x;
}
INLINE void store_some(float *p, vf x, int64_t count) { memcpy(p, &x, (size_t)count * 4); }

/* The square root, rounded correctly. */
INLINE vf sqrt_of(vf x) {
#if defined(__AVX512F__)
  return (vf)_mm512_sqrt_ps((__m512)x);
#elif defined(__AVX2__) && defined(__FMA__)
  return (vf)_mm256_sqrt_ps((__m256)x);
#elif defined(__ARM_NEON)
  return (vf)vsqrtq_f32((float32x4_t)x);
#else
  for (int i = 0; i < VL; i++) x[i] = sqrtf(x[i]);
  return x;
#endif
}

/* The bits of a number of a record as a float. */
INLINE float float_of(int64_t bits) {
  const int32_t low = (int32_t)bits;
  float x;
  memcpy(&x, &low, 4);
  return x;
}

/* 16 numbers at a time, on every instruction set: sums over a row take them in turns. */
typedef struct {
  vf v[PARTS];
} Lanes;

#define EACH_PART(p) UNROLL for (int p = 0; p < PARTS; p++)

/* The next 16 of `count` numbers; lanes beyond them are `rest`. */
INLINE Lanes lanes_of(const float *p, int64_t count, float rest) {
  Lanes x;
  if (count >= LANES) {
    EACH_PART(i) x.v[i] = load(p + i * VL);
    return x;
  }
  float some[LANES];
  for (int i = 0; i < LANES; i++) some[i] = i < count ? p[i] : rest;
  EACH_PART(i) x.v[i] = load(some + i * VL);
  return x;
}

INLINE void store_lanes(float *p, Lanes x, int64_t count) {
  EACH_PART(i) {
    const int64_t left = count - i * VL;
    if (left >= VL) store(p + i * VL, x.v[i]);
    else if (left > 0) store_some(p + i * VL, x.v[i], left);
  }
}

INLINE Lanes lanes_splat(float x) {
  Lanes y;
  EACH_PART(i) y.v[i] = splat(x);
  return y;
}

/* Four numbers, on every instruction set. */
typedef float v4 __attribute__((vector_size(16)));
typedef float v4_any __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t v4_ints __attribute__((vector_size(16)));

INLINE v4 load_4(const float *p) { return *(const v4_any *)p; }

/* The sum of 16 lanes: of lanes 8 apart, then 4, 2 and 1. */
INLINE float sum_of(Lanes x) {
  float t[LANES];
  EACH_PART(i) store(t + i * VL, x.v[i]);
  const v4 sum = (load_4(t) + load_4(t + 8)) + (load_4(t + 4) + load_4(t + 12));
  return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

INLINE v4 max_4(v4 a, v4 b) {
  const v4_ints first = (a > b) | (a != a);
  return (v4)(((v4_ints)a & first) | ((v4_ints)b & ~first));
}
INLINE float max_1(float a, float b) { return a > b || a != a ? a : b; }

/* The largest of 16 lanes; NaN if one is NaN. */
INLINE float largest_of(Lanes x) {
  float t[LANES];
  EACH_PART(i) store(t + i * VL, x.v[i]);
  const v4 top = max_4(max_4(load_4(t), load_4(t + 8)), max_4(load_4(t + 4), load_4(t + 12)));
  return max_1(max_1(top[0], top[2]), max_1(top[1], top[3]));
}

/* Four vectors of four numbers as the columns of a matrix become its rows. */
INLINE void transpose_4(const float *x, int64_t x_row, float *y, int64_t y_row) {
  const v4 a = load_4(x), b = load_4(x + x_row), c = load_4(x + 2 * x_row), d = load_4(x + 3 * x_row);
  const v4 ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const v4 cd = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  *(v4_any *)y = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
  *(v4_any *)(y + y_row) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
  *(v4_any *)(y + 2 * y_row) = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
  *(v4_any *)(y + 3 * y_row) = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
}
