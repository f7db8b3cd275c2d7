/* Pooling of blocked images; what lies outside an image is left out. */
#include "kernels.h"
#include "pool.h"

enum { X, Y };

/* A task is a row of outputs of a block of channels of an image. */
INLINE void pool_rows(const Arguments *a, int64_t begin, int64_t end, int takes_maximum) {
  const int64_t *n = a->n;
  for (int64_t task = begin; task < end; task++) {
    const int64_t row = task % n[ROWS_OUT], plane = task / n[ROWS_OUT];
    const int64_t image = plane / n[BLOCKS], block = plane % n[BLOCKS];
    const float *x = (const float *)a->p[X] + n[X_FIRST] + image * n[X_IMAGE] + block * n[X_BLOCK];
    float *y = (float *)a->p[Y] + n[Y_FIRST] + image * n[Y_IMAGE] + block * n[Y_BLOCK] + row * n[Y_ROW];
    const Range rows = inside(row, n[STRIDE_Y], n[PAD_Y], n[SIZE_Y], n[ROWS_IN]);
    for (int64_t column = 0; column < n[COLUMNS_OUT]; column++, y += LANES) {
      const Range columns = inside(column, n[STRIDE_X], n[PAD_X], n[SIZE_X], n[COLUMNS_IN]);
      vf sum[PARTS];
      UNROLL for (int p = 0; p < PARTS; p++) sum[p] = takes_maximum ? splat(-INFINITY) : (vf){0};
      for (int64_t i = rows.begin; i < rows.end; i++)
        for (int64_t j = columns.begin; j < columns.end; j++) {
          const float *at = x + i * n[X_ROW] + j * LANES;
          UNROLL for (int p = 0; p < PARTS; p++)
            sum[p] = takes_maximum ? max_of(sum[p], load(at + p * VL)) : sum[p] + load(at + p * VL);
        }
      const int64_t seen = (rows.end - rows.begin) * (columns.end - columns.begin);
      const float count = (float)(n[COUNT_PADDING] ? n[SIZE_Y] * n[SIZE_X] : seen ? seen : 1);
      UNROLL for (int p = 0; p < PARTS; p++) store(y + p * VL, takes_maximum ? sum[p] : sum[p] / splat(count));
    }
  }
}

void NATIVE(max_pool)(const Arguments *a, int64_t begin, int64_t end) { pool_rows(a, begin, end, 1); }
void NATIVE(avg_pool)(const Arguments *a, int64_t begin, int64_t end) { pool_rows(a, begin, end, 0); }

/* The mean of each channel, to [B][C]; the sums of rows are summed. A task is a block of channels of an image. */
void NATIVE(global_avg_pool)(const Arguments *a, int64_t begin, int64_t end) {
  enum { BLOCKS, CHANNELS, ROWS, COLUMNS, IMAGE, BLOCK, ROW, FIRST };
  const int64_t *n = a->n;
  for (int64_t task = begin; task < end; task++) {
    const int64_t image = task / n[BLOCKS], block = task % n[BLOCKS], left = n[CHANNELS] - block * LANES;
    const float *x = (const float *)a->p[X] + n[FIRST] + image * n[IMAGE] + block * n[BLOCK];
    float *y = (float *)a->p[Y] + image * n[CHANNELS] + block * LANES;
    vf total[PARTS] = {{0}};
    for (int64_t i = 0; i < n[ROWS]; i++) {
      vf sum[PARTS] = {{0}};
      for (int64_t j = 0; j < n[COLUMNS]; j++)
        UNROLL for (int p = 0; p < PARTS; p++) sum[p] += load(x + i * n[ROW] + j * LANES + p * VL);
      UNROLL for (int p = 0; p < PARTS; p++) total[p] += sum[p];
    }
    for (int p = 0; p < PARTS && p * VL < left; p++) {
      const vf mean = total[p] / splat((float)(n[ROWS] * n[COLUMNS]));
      store_some(y + p * VL, mean, left - p * VL < VL ? left - p * VL : VL);
    }
  }
}
