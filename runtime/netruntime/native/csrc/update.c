/* The updates of weights by optimizers: the same operations in the same order as on NumPy, each rounded, so that the
 * results have the same bits. A task is `CHUNK` elements. */
#include "kernels.h"
#include "vec.h"

enum { WEIGHT, GRADIENT, FIRST, SECOND };
enum { COUNT, CHUNK, KIND_OF_DECAY, DECAY, RATE, A, B, C, D, E, NESTEROV = A + 1 };
enum { NO_DECAY, OF_GRADIENT, OF_WEIGHT };

INLINE vf part(const float *p, int64_t i, int64_t count) { return count == VL ? load(p + i) : load_some(p + i, count); }
INLINE void put(float *p, int64_t i, vf x, int64_t count) {
  if (count == VL) store(p + i, x);
  else store_some(p + i, x, count);
}
INLINE vf of(const int64_t *n, int place) { return splat(float_of(n[place])); }

/* The weight and the gradient with the decay in one of them. */
INLINE vf decayed(const int64_t *n, vf *w, vf g) {
  if (n[KIND_OF_DECAY] == NO_DECAY) return g;
  if (n[KIND_OF_DECAY] == OF_GRADIENT) return *w * of(n, DECAY) + g;
  *w *= of(n, DECAY);
  return g;
}

/* A: the momentum, or 0 for none. */
void NATIVE(update_sgd)(const Arguments *a, int64_t begin, int64_t end) {
  const int64_t *n = a->n, last = end * n[CHUNK] < n[COUNT] ? end * n[CHUNK] : n[COUNT];
  float *weight = a->p[WEIGHT], *velocity = a->p[FIRST];
  for (int64_t i = begin * n[CHUNK]; i < last; i += VL) {
    const int64_t count = last - i < VL ? last - i : VL;
    vf w = part(weight, i, count), g = decayed(n, &w, part(a->p[GRADIENT], i, count));
    if (velocity) {
      const vf v = part(velocity, i, count) * of(n, A) + g;
      put(velocity, i, v, count);
      g = n[NESTEROV] ? v * of(n, A) + g : v;
    }
    put(weight, i, w - g * of(n, RATE), count);
  }
}

/* A, B: the factors of the two averages; C, D: of what is added to them; E: of the root; the number after it, eps. */
void NATIVE(update_adam)(const Arguments *a, int64_t begin, int64_t end) {
  const int64_t *n = a->n, last = end * n[CHUNK] < n[COUNT] ? end * n[CHUNK] : n[COUNT];
  float *weight = a->p[WEIGHT], *first = a->p[FIRST], *second = a->p[SECOND];
  for (int64_t i = begin * n[CHUNK]; i < last; i += VL) {
    const int64_t count = last - i < VL ? last - i : VL;
    vf w = part(weight, i, count), g = decayed(n, &w, part(a->p[GRADIENT], i, count));
    const vf m = part(first, i, count) * of(n, A) + g * of(n, C);
    const vf v = part(second, i, count) * of(n, B) + g * g * of(n, D);
    put(first, i, m, count);
    put(second, i, v, count);
    put(weight, i, w - m / (sqrt_of(v) * of(n, E) + of(n, E + 1)) * of(n, RATE), count);
  }
}
