/* The gradients of pools of blocked images. A task is a block of an image: windows that overlap add to the same pixels,
 * in their order. */
#include "kernels.h"
#include "pool.h"

/* As in pool.c, x being the pool's input, y its result. */
INLINE const float *result_of(const Arguments *a, int pointer, int64_t task) {
  const int64_t *n = a->n;
  return (const float *)a->p[pointer] + n[Y_FIRST] + task / n[BLOCKS] * n[Y_IMAGE] + task % n[BLOCKS] * n[Y_BLOCK];
}

INLINE float *cleared(const Arguments *a, int pointer, const int64_t *strides, int64_t task) {
  const int64_t *n = a->n;
  float *dx = (float *)a->p[pointer] + strides[3] + task / n[BLOCKS] * strides[0] + task % n[BLOCKS] * strides[1];
  for (int64_t row = 0; row < n[ROWS_IN]; row++) memset(dx + row * strides[2], 0, (size_t)(n[COLUMNS_IN] * LANES) * 4);
  return dx;
}

/* dy, for means divided by the number of pixels that count, added to all pixels of each window. */
void NATIVE(pool_spread)(const Arguments *a, int64_t begin, int64_t end) {
  enum { DY, DX };
  enum { IS_SUM = COUNT_PADDING + 1 };
  const int64_t *n = a->n;
  for (int64_t task = begin; task < end; task++) {
    const float *dy = result_of(a, DY, task);
    float *dx = cleared(a, DX, n + X_IMAGE, task);
    for (int64_t row = 0; row < n[ROWS_OUT]; row++)
      for (int64_t column = 0; column < n[COLUMNS_OUT]; column++) {
        const Range rows = inside(row, n[STRIDE_Y], n[PAD_Y], n[SIZE_Y], n[ROWS_IN]);
        const Range columns = inside(column, n[STRIDE_X], n[PAD_X], n[SIZE_X], n[COLUMNS_IN]);
        const int64_t seen = (rows.end - rows.begin) * (columns.end - columns.begin);
        const int64_t count = n[IS_SUM] ? 1 : n[COUNT_PADDING] ? n[SIZE_Y] * n[SIZE_X] : seen;
        EACH_PART(p) {
          const vf share = load(dy + row * n[Y_ROW] + column * LANES + p * VL) * splat(1.0f / (float)count);
          for (int64_t i = rows.begin; i < rows.end; i++)
            for (int64_t j = columns.begin; j < columns.end; j++) {
              float *at = dx + i * n[X_ROW] + j * LANES + p * VL;
              store(at, load(at) + share);
            }
        }
      }
  }
}

/* The place of the largest element of a window in 16 channels, the first of equal ones, as i * columns + j; -1 for one
 * in the padding. Rows are compared first, then their largest elements, which settles what NaN does. */
INLINE vi winner_of(const int64_t *n, const float *x, Range rows, Range columns, int64_t before, int64_t left) {
  const int64_t wide = columns.end - columns.begin;
  vf best = splat(-INFINITY);
  vi winner = splat_int(-1);
  for (int64_t i = rows.begin; i < rows.end; i++) {
    const float *at = x + i * n[X_ROW] + columns.begin * LANES;
    const int64_t padded = left || wide < 1;
    vf most = padded ? splat(-INFINITY) : load(at);
    vi place = splat_int(padded ? -1 : (int32_t)((i - rows.begin) * wide));
    for (int64_t j = padded ? 0 : 1; j < wide; j++) {
      const vf value = load(at + j * LANES);
      const vi better = value > most;
      place = (splat_int((int32_t)((i - rows.begin) * wide + j)) & better) | (place & ~better);
      most = max_of(most, value);
    }
    const vi better = i == rows.begin && !before ? splat_int(-1) : most > best;
    winner = (place & better) | (winner & ~better);
    best = i == rows.begin && !before ? most : max_of(best, most);
  }
  return winner;
}

/* dy added where each window is largest. */
void NATIVE(max_pool_gradient)(const Arguments *a, int64_t begin, int64_t end) {
  enum { DY, X, DX };
  enum { DX_IMAGE = COUNT_PADDING + 1 };
  const int64_t *n = a->n, dx_row = n[DX_IMAGE + 2];
  for (int64_t task = begin; task < end; task++) {
    const float *dy = result_of(a, DY, task);
    const float *x = (const float *)a->p[X] + n[X_FIRST] + task / n[BLOCKS] * n[X_IMAGE] + task % n[BLOCKS] * n[X_BLOCK];
    float *dx = cleared(a, DX, n + DX_IMAGE, task);
    for (int64_t row = 0; row < n[ROWS_OUT]; row++)
      for (int64_t column = 0; column < n[COLUMNS_OUT]; column++) {
        const Range rows = inside(row, n[STRIDE_Y], n[PAD_Y], n[SIZE_Y], n[ROWS_IN]);
        const Range columns = inside(column, n[STRIDE_X], n[PAD_X], n[SIZE_X], n[COLUMNS_IN]);
        const int64_t above = n[PAD_Y] - row * n[STRIDE_Y], left = n[PAD_X] - column * n[STRIDE_X];
        EACH_PART(p) {
          const vi winner = winner_of(n, x + p * VL, rows, columns, above > 0, left > 0);
          const vf flow = load(dy + row * n[Y_ROW] + column * LANES + p * VL);
          int32_t place = 0;
          for (int64_t i = rows.begin; i < rows.end; i++)
            for (int64_t j = columns.begin; j < columns.end; j++) {
              float *at = dx + i * dx_row + j * LANES + p * VL;
              const vi wins = winner == splat_int(place++);
              store(at, load(at) + flow * pick(wins, splat(1.0f), (vf){0})); /* as NumPy: infinity * 0 is NaN */
            }
        }
      }
  }
}
