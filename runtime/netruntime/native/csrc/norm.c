/* Normalisations of rows that lie contiguously. A row is read several times, which costs little in the cache. */
#include "kernels.h"
#include "moments.h"

enum { X, WEIGHT, BIAS, Y };
enum { COUNT, CENTRED, EPS, CHANNELS, AREA };

/* A row with a weight and a bias for each of its elements, or none. */
INLINE void scale_elements(const Arguments *a, const float *x, float *y, int64_t count, Moments m) {
  const float *weight = a->p[WEIGHT], *bias = a->p[BIAS];
  for (int64_t i = 0; i < count; i += LANES) {
    Lanes part = minus(minus(lanes_of(x + i, count - i, 0), m.mean), m.error);
    EACH_PART(p) part.v[p] *= splat(m.scale);
    if (weight) {
      const Lanes w = lanes_of(weight + i, count - i, 0);
      EACH_PART(p) part.v[p] *= w.v[p];
    }
    if (bias) {
      const Lanes b = lanes_of(bias + i, count - i, 0);
      EACH_PART(p) part.v[p] += b.v[p];
    }
    store_lanes(y + i, part, count - i);
  }
}

/* A task is a row, normalised over all of its elements. */
void NATIVE(layer_norm)(const Arguments *a, int64_t begin, int64_t end) {
  const int64_t *n = a->n, count = n[COUNT];
  for (int64_t row = begin; row < end; row++) {
    const float *x = (const float *)a->p[X] + row * count;
    const Moments m = moments_of(x, count, (int)n[CENTRED], float_of(n[EPS]));
    scale_elements(a, x, (float *)a->p[Y] + row * count, count, m);
  }
}

/* A task is a row of some channels of an image, each with its weight and bias. */
void NATIVE(group_norm)(const Arguments *a, int64_t begin, int64_t end) {
  const int64_t *n = a->n, count = n[COUNT], of_row = count / n[AREA];
  const float *weight = a->p[WEIGHT], *bias = a->p[BIAS];
  for (int64_t row = begin; row < end; row++) {
    const float *x = (const float *)a->p[X] + row * count;
    float *y = (float *)a->p[Y] + row * count;
    const Moments m = moments_of(x, count, 1, float_of(n[EPS]));
    for (int64_t c = 0; c < of_row; c++, x += n[AREA], y += n[AREA]) {
      const int64_t channel = row * of_row % n[CHANNELS] + c;
      const float w = weight ? weight[channel] : 1.0f, b = bias ? bias[channel] : 0.0f;
      for (int64_t i = 0; i < n[AREA]; i += LANES) {
        Lanes part = minus(minus(lanes_of(x + i, n[AREA] - i, 0), m.mean), m.error);
        EACH_PART(p) part.v[p] = part.v[p] * splat(m.scale) * splat(w) + splat(b);
        store_lanes(y + i, part, n[AREA] - i);
      }
    }
  }
}

/* A task is a row, divided by its length, or by eps if that is larger. */
void NATIVE(l2_normalize)(const Arguments *a, int64_t begin, int64_t end) {
  const int64_t *n = a->n, count = n[COUNT];
  const float eps = float_of(n[EPS]);
  for (int64_t row = begin; row < end; row++) {
    const float *x = (const float *)a->p[X] + row * count;
    float *y = (float *)a->p[Y] + row * count, length = sqrtf(squares_from(x, count, 0, 0));
    length = length > eps || length != length ? length : eps;
    for (int64_t i = 0; i < count; i += LANES) {
      Lanes part = lanes_of(x + i, count - i, 0);
      EACH_PART(p) part.v[p] /= splat(length);
      store_lanes(y + i, part, count - i);
    }
  }
}
