/* Softmax and reductions: of rows that lie contiguously, or over the middle axis of [outer][count][inner].
 *
 * Rows take 16 lanes in turns. Over a middle axis the elements are added in order, several columns at a time. */
#include "functions.h"
#include "kernels.h"

enum { X, KEEP, Y };
enum { COUNT, INNER, KIND };
enum { SUM, MEAN, LARGEST, SMALLEST };
enum { SOFTMAX, LOG_SOFTMAX };

/* 16 elements of a row; those that are not kept, and those beyond the row, are `rest`. */
INLINE Lanes kept_lanes(const float *x, const uint8_t *keep, int64_t i, int64_t count, float rest) {
  if (!keep) return lanes_of(x + i, count - i, rest);
  float some[LANES];
  for (int64_t lane = 0; lane < LANES; lane++) some[lane] = i + lane < count && keep[i + lane] ? x[i + lane] : rest;
  return lanes_of(some, LANES, rest);
}

/* What is subtracted so that no power overflows: the maximum if it is finite. */
INLINE float shift_of(float largest) { return largest - largest == 0 ? largest : 0; }

INLINE void softmax_row(const float *x, const uint8_t *keep, float *y, int64_t count, int logarithm) {
  Lanes top = lanes_splat(-INFINITY), sum = lanes_splat(0);
  for (int64_t i = 0; i < count; i += LANES) {
    const Lanes part = kept_lanes(x, keep, i, count, -INFINITY);
    EACH_PART(p) top.v[p] = max_of(top.v[p], part.v[p]);
  }
  const float shift = shift_of(largest_of(top));
  for (int64_t i = 0; i < count; i += LANES) {
    Lanes part = kept_lanes(x, keep, i, count, -INFINITY);
    EACH_PART(p) {
      const vf shifted = part.v[p] - splat(shift), e = exp_of(shifted);
      sum.v[p] += e;
      part.v[p] = logarithm ? shifted : e;
    }
    store_lanes(y + i, part, count - i);
  }
  float total = sum_of(sum);
  total = total == 0 ? 1 : total;
  const float divisor = logarithm ? log_of(splat(total))[0] : total;
  for (int64_t i = 0; i < count; i += LANES) {
    Lanes part = lanes_of(y + i, count - i, 0);
    EACH_PART(p) part.v[p] = logarithm ? part.v[p] - splat(divisor) : part.v[p] / splat(divisor);
    store_lanes(y + i, part, count - i);
  }
}

/* Elements of up to VL columns; those that are not kept are `rest`. */
INLINE vf kept_columns(const float *x, const uint8_t *keep, int64_t at, int64_t columns, float rest) {
  vf value = splat(rest);
  if (columns == VL) value = load(x + at);
  else for (int64_t i = 0; i < columns; i++) value[i] = x[at + i];
  if (keep) for (int64_t i = 0; i < columns; i++) value[i] = keep[at + i] ? value[i] : rest;
  return value;
}

INLINE void softmax_columns(const float *x, const uint8_t *keep, float *y, const int64_t *n, int64_t columns) {
  const int logarithm = n[KIND] == LOG_SOFTMAX;
  vf top = splat(-INFINITY), sum = {0};
  for (int64_t i = 0; i < n[COUNT]; i++)
    top = max_of(top, kept_columns(x, keep, i * n[INNER], columns, -INFINITY));
  const vf shift = pick(top - top == (vf){0}, top, (vf){0});
  for (int64_t i = 0; i < n[COUNT]; i++)
    sum += exp_of(kept_columns(x, keep, i * n[INNER], columns, -INFINITY) - shift);
  const vf total = pick(sum == (vf){0}, splat(1.0f), sum), divisor = logarithm ? log_of(total) : total;
  for (int64_t i = 0; i < n[COUNT]; i++) {
    const vf shifted = kept_columns(x, keep, i * n[INNER], columns, -INFINITY) - shift;
    store_some(y + i * n[INNER], logarithm ? shifted - divisor : exp_of(shifted) / divisor, columns);
  }
}

/* A task is one of the outer arrays. */
void NATIVE(softmax)(const Arguments *a, int64_t begin, int64_t end) {
  const int64_t *n = a->n, size = n[COUNT] * n[INNER];
  for (int64_t task = begin; task < end; task++) {
    const float *x = (const float *)a->p[X] + task * size;
    const uint8_t *keep = a->p[KEEP] ? (const uint8_t *)a->p[KEEP] + task * size : 0;
    float *y = (float *)a->p[Y] + task * size;
    if (n[INNER] == 1) softmax_row(x, keep, y, n[COUNT], n[KIND] == LOG_SOFTMAX);
    else
      for (int64_t i = 0; i < n[INNER]; i += VL)
        softmax_columns(x + i, keep ? keep + i : 0, y + i, n, n[INNER] - i < VL ? n[INNER] - i : VL);
  }
}

/* The gradients of both, from dy and the result: y (dy - sum(dy y)), or dy - e^y sum(dy). */
INLINE void gradient_row(const float *dy, const float *y, float *dx, int64_t count, int logarithm) {
  Lanes sum = lanes_splat(0);
  for (int64_t i = 0; i < count; i += LANES) {
    const Lanes flow = lanes_of(dy + i, count - i, 0), result = lanes_of(y + i, count - i, 0);
    EACH_PART(p) sum.v[p] = logarithm ? sum.v[p] + flow.v[p] : fma_of(flow.v[p], result.v[p], sum.v[p]);
  }
  const vf total = splat(sum_of(sum));
  for (int64_t i = 0; i < count; i += LANES) {
    Lanes flow = lanes_of(dy + i, count - i, 0);
    const Lanes result = lanes_of(y + i, count - i, 0);
    EACH_PART(p)
      flow.v[p] = logarithm ? flow.v[p] - exp_of(result.v[p]) * total : (flow.v[p] - total) * result.v[p];
    store_lanes(dx + i, flow, count - i);
  }
}

INLINE void gradient_columns(const float *dy, const float *y, float *dx, const int64_t *n, int64_t columns) {
  const int logarithm = n[KIND] == LOG_SOFTMAX;
  vf sum = {0};
  for (int64_t i = 0; i < n[COUNT]; i++) {
    const vf flow = kept_columns(dy, 0, i * n[INNER], columns, 0), result = kept_columns(y, 0, i * n[INNER], columns, 0);
    sum = logarithm ? sum + flow : fma_of(flow, result, sum);
  }
  for (int64_t i = 0; i < n[COUNT]; i++) {
    const vf flow = kept_columns(dy, 0, i * n[INNER], columns, 0), result = kept_columns(y, 0, i * n[INNER], columns, 0);
    store_some(dx + i * n[INNER], logarithm ? flow - exp_of(result) * sum : (flow - sum) * result, columns);
  }
}

/* A task is one of the outer arrays. */
void NATIVE(softmax_gradient)(const Arguments *a, int64_t begin, int64_t end) {
  enum { DY, RESULT, DX };
  const int64_t *n = a->n, size = n[COUNT] * n[INNER];
  for (int64_t task = begin; task < end; task++) {
    const float *dy = (const float *)a->p[DY] + task * size, *y = (const float *)a->p[RESULT] + task * size;
    float *dx = (float *)a->p[DX] + task * size;
    if (n[INNER] == 1) gradient_row(dy, y, dx, n[COUNT], n[KIND] == LOG_SOFTMAX);
    else
      for (int64_t i = 0; i < n[INNER]; i += VL)
        gradient_columns(dy + i, y + i, dx + i, n, n[INNER] - i < VL ? n[INNER] - i : VL);
  }
}

INLINE float start_of(int64_t kind) { return kind == LARGEST ? -INFINITY : kind == SMALLEST ? INFINITY : 0; }

INLINE vf folded(int64_t kind, vf sum, vf x) {
  return kind == LARGEST ? max_of(sum, x) : kind == SMALLEST ? min_of(sum, x) : sum + x;
}

INLINE int64_t kept_count(const uint8_t *keep, int64_t count, int64_t step) {
  int64_t kept = 0;
  if (!keep) return count;
  for (int64_t i = 0; i < count; i++) kept += keep[i * step] != 0;
  return kept ? kept : 1;
}

INLINE void reduce_row(const float *x, const uint8_t *keep, float *y, int64_t count, int64_t kind) {
  Lanes sum = lanes_splat(start_of(kind));
  for (int64_t i = 0; i < count; i += LANES) {
    const Lanes part = kept_lanes(x, keep, i, count, start_of(kind));
    EACH_PART(p) sum.v[p] = folded(kind, sum.v[p], part.v[p]);
  }
  if (kind == LARGEST) *y = largest_of(sum);
  else if (kind == SMALLEST) {
    EACH_PART(p) sum.v[p] = -sum.v[p];
    *y = -largest_of(sum);
  } else *y = kind == MEAN ? sum_of(sum) / (float)kept_count(keep, count, 1) : sum_of(sum);
}

INLINE void reduce_columns(const float *x, const uint8_t *keep, float *y, const int64_t *n, int64_t columns) {
  vf sum = splat(start_of(n[KIND])), kept = splat((float)n[COUNT]);
  for (int64_t i = 0; i < n[COUNT]; i++)
    sum = folded(n[KIND], sum, kept_columns(x, keep, i * n[INNER], columns, start_of(n[KIND])));
  if (keep)
    for (int64_t i = 0; i < columns; i++) kept[i] = (float)kept_count(keep + i, n[COUNT], n[INNER]);
  store_some(y, n[KIND] == MEAN ? sum / kept : sum, columns);
}

/* A task is one of the outer arrays. */
void NATIVE(reduce)(const Arguments *a, int64_t begin, int64_t end) {
  const int64_t *n = a->n, size = n[COUNT] * n[INNER];
  for (int64_t task = begin; task < end; task++) {
    const float *x = (const float *)a->p[X] + task * size;
    const uint8_t *keep = a->p[KEEP] ? (const uint8_t *)a->p[KEEP] + task * size : 0;
    float *y = (float *)a->p[Y] + task * n[INNER];
    if (n[INNER] == 1) reduce_row(x, keep, y, n[COUNT], n[KIND]);
    else
      for (int64_t i = 0; i < n[INNER]; i += VL)
        reduce_columns(x + i, keep ? keep + i : 0, y + i, n, n[INNER] - i < VL ? n[INNER] - i : VL);
  }
}
