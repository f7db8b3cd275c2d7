/* Sums of products over pixels: the loops of tile.h, but a row of x takes steps of `x_step`, and each run of w begins
 * anew. */
#pragma once
#include "vec.h"

typedef struct {
  const float *x;
  int64_t x_step, x_run; /* the rows of a pixel are neighbours */
  int64_t runs, run;
  const float *w;
  int64_t w_block, w_run;
  float *y;
  int64_t y_row, y_block;
  int adds; /* to what is in y */
} SumTile;

typedef void (*SumKernel)(const SumTile *t);

#define DEFINE_SUM(ROWS, BLOCKS)                                                                               \
  static __attribute__((noinline)) void sum_##ROWS##_##BLOCKS(const SumTile *t) {                              \
    vf sum[ROWS][BLOCKS * PARTS];                                                                              \
    UNROLL for (int r = 0; r < ROWS; r++) UNROLL for (int v = 0; v < BLOCKS * PARTS; v++) sum[r][v] = (vf){0}; \
    const int64_t step = t->x_step;                                                                            \
    for (int64_t e = 0; e < t->runs; e++) {                                                                    \
      const float *x = t->x + e * t->x_run, *w[BLOCKS];                                                        \
      UNROLL for (int n = 0; n < BLOCKS; n++) w[n] = t->w + e * t->w_run + n * t->w_block;                     \
      for (int64_t k = 0; k < t->run; k++) {                                                                   \
        vf weight[BLOCKS * PARTS];                                                                             \
        UNROLL for (int v = 0; v < BLOCKS * PARTS; v++) weight[v] = load(w[v / PARTS] + v % PARTS * VL);       \
        UNROLL for (int r = 0; r < ROWS; r++) {                                                                \
          const vf value = splat(x[r]);                                                                        \
          UNROLL for (int v = 0; v < BLOCKS * PARTS; v++) sum[r][v] = fma_of(value, weight[v], sum[r][v]);     \
        }                                                                                                      \
        x += step;                                                                                             \
        UNROLL for (int n = 0; n < BLOCKS; n++) w[n] += LANES;                                                 \
      }                                                                                                        \
    }                                                                                                          \
    UNROLL for (int r = 0; r < ROWS; r++) UNROLL for (int v = 0; v < BLOCKS * PARTS; v++) {                    \
      float *y = t->y + r * t->y_row + v / PARTS * t->y_block + v % PARTS * VL;                                \
      store(y, t->adds ? load(y) + sum[r][v] : sum[r][v]);                                                     \
    }                                                                                                          \
  }

#if VL == 16
#define SUM_ROWS 8
#define SUM_BLOCKS 2
#define SUM_ENTRY(ROWS) {sum_##ROWS##_1, sum_##ROWS##_2}
#define DEFINE_SUMS(ROWS) DEFINE_SUM(ROWS, 1) DEFINE_SUM(ROWS, 2)
#else
#define SUM_ROWS 4
#define SUM_BLOCKS 1
#define SUM_ENTRY(ROWS) {sum_##ROWS##_1}
#define DEFINE_SUMS(ROWS) DEFINE_SUM(ROWS, 1)
#endif

DEFINE_SUMS(1) DEFINE_SUMS(2) DEFINE_SUMS(3) DEFINE_SUMS(4)
#if SUM_ROWS > 4
DEFINE_SUMS(5) DEFINE_SUMS(6) DEFINE_SUMS(7) DEFINE_SUMS(8)
#endif

static const SumKernel SUM_TILES[SUM_ROWS][SUM_BLOCKS] = {
    SUM_ENTRY(1), SUM_ENTRY(2), SUM_ENTRY(3), SUM_ENTRY(4),
#if SUM_ROWS > 4
    SUM_ENTRY(5), SUM_ENTRY(6), SUM_ENTRY(7), SUM_ENTRY(8),
#endif
};
