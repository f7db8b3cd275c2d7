/* The gradients of normalisations of rows that lie contiguously. The moments are computed again from x, as in norm.c. */
#include "kernels.h"
#include "moments.h"

enum { DY, X, WEIGHT, DX, SUMS };
enum { COUNT, CENTRED, EPS, ROWS, CHUNK, WITH_WEIGHT, WITH_BIAS };

/* A row: its gradient, and what it adds to those of the weight and the bias. */
static void row_gradient(const Arguments *a, int64_t row, float *d_weight, float *d_bias) {
  const int64_t *n = a->n, count = n[COUNT];
  const float *x = (const float *)a->p[X] + row * count, *dy = (const float *)a->p[DY] + row * count;
  const float *weight = a->p[WEIGHT];
  float *dx = (float *)a->p[DX] + row * count;
  const Moments m = moments_of(x, count, (int)n[CENTRED], float_of(n[EPS]));
  Lanes along = lanes_splat(0), sum = lanes_splat(0);
  for (int64_t i = 0; i < count; i += LANES) {
    const int64_t left = count - i;
    Lanes z = minus(minus(lanes_of(x + i, left, 0), m.mean), m.error), flow = lanes_of(dy + i, left, 0);
    EACH_PART(p) z.v[p] *= splat(m.scale);
    if (d_weight) {
      Lanes total = lanes_of(d_weight + i, left, 0);
      EACH_PART(p) total.v[p] += z.v[p] * flow.v[p];
      store_lanes(d_weight + i, total, left);
    }
    if (d_bias) {
      Lanes total = lanes_of(d_bias + i, left, 0);
      EACH_PART(p) total.v[p] += flow.v[p];
      store_lanes(d_bias + i, total, left);
    }
    if (weight) {
      const Lanes w = lanes_of(weight + i, left, 0);
      EACH_PART(p) flow.v[p] *= w.v[p];
    }
    EACH_PART(p) {
      along.v[p] = fma_of(flow.v[p], z.v[p], along.v[p]);
      sum.v[p] += flow.v[p];
    }
  }
  const vf slope = splat(sum_of(along) / -(float)count);
  const vf mean = splat(n[CENTRED] ? sum_of(sum) / (float)count : 0);
  for (int64_t i = 0; i < count; i += LANES) {
    const int64_t left = count - i;
    Lanes z = minus(minus(lanes_of(x + i, left, 0), m.mean), m.error), flow = lanes_of(dy + i, left, 0);
    if (weight) {
      const Lanes w = lanes_of(weight + i, left, 0);
      EACH_PART(p) flow.v[p] *= w.v[p];
    }
    EACH_PART(p) {
      const vf own = z.v[p] * splat(m.scale) * slope + flow.v[p];
      flow.v[p] = (n[CENTRED] ? own - mean : own) * splat(m.scale);
    }
    store_lanes(dx + i, flow, left);
  }
}

/* A task is a chunk of rows, with sums of its own over them: [chunks][count] for the weight, then for the bias. */
void NATIVE(layer_norm_gradient)(const Arguments *a, int64_t begin, int64_t end) {
  const int64_t *n = a->n, chunks = (n[ROWS] + n[CHUNK] - 1) / n[CHUNK];
  for (int64_t task = begin; task < end; task++) {
    const int64_t first = task * n[CHUNK], last = first + n[CHUNK] < n[ROWS] ? first + n[CHUNK] : n[ROWS];
    float *sums = a->p[SUMS];
    float *d_weight = n[WITH_WEIGHT] ? sums + task * n[COUNT] : 0;
    float *d_bias = n[WITH_BIAS] ? sums + (n[WITH_WEIGHT] * chunks + task) * n[COUNT] : 0;
    if (d_weight) memset(d_weight, 0, (size_t)n[COUNT] * 4);
    if (d_bias) memset(d_bias, 0, (size_t)n[COUNT] * 4);
    for (int64_t row = first; row < last; row++) row_gradient(a, row, d_weight, d_bias);
  }
}
