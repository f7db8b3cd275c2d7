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
INLINE void store(float *p, vf x) { *(vf_any *)p = x; }
INLINE vf splat(float x) { return x - (vf){0}; } /* not `+`: -0 + 0 is +0 */
INLINE vi splat_int(int32_t x) { return x - (vi){0}; }

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

/* The larger; NaN if one of them is NaN, as numpy.maximum. */
INLINE vf max_of(vf a, vf b) { return pick((a > b) | (a != a), a, b); }
INLINE vf min_of(vf a, vf b) { return pick((a < b) | (a != a), a, b); }

/* The first `count` lanes of a vector, the others 0. */
INLINE vf load_some(const float *p, int64_t count) {
  vf x = {0};
  memcpy(&x, p, (size_t)count * 4);
  return x;
}
INLINE void store_some(float *p, vf x, int64_t count) { memcpy(p, &x, (size_t)count * 4); }
