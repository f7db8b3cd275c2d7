/* Products whose first matrix has columns that lie contiguously, as in gradients of weights: [K][M] and [K][N] give
 * [M][N]. Both are packed in blocks of 16 columns by `pack_stack`, so that a step of the sum reads neighbours. */
#include "kernels.h"
#include "strides.h"
#include "sums.h"

#define SUMMED 128 /* products of a sum before it is added to the others: what the first cache holds of a pair */
#define PAIR 2     /* blocks of columns of a task */
#define PANELS 4   /* blocks of rows of a task, for which a part of a pair stays in the first cache */

/* Some blocks of 16 rows of results with up to two blocks of columns. */
INLINE void sum_columns(const float *x, int64_t panels, const float *w, int64_t depth, int64_t blocks, float *sums) {
  for (int64_t k = 0; k < depth; k += SUMMED)
    for (int64_t row = 0; row < panels * LANES; row += SUM_ROWS)
      for (int64_t b = 0, wide; b < blocks; b += wide) {
        wide = blocks - b < SUM_BLOCKS ? blocks - b : SUM_BLOCKS;
        const SumTile t = {
            .x = x + (row / LANES * depth + k) * LANES + row % LANES,
            .x_step = LANES,
            .runs = 1,
            .run = depth - k < SUMMED ? depth - k : SUMMED,
            .w = w + (b * depth + k) * LANES,
            .w_block = depth * LANES,
            .y = sums + row * PAIR * LANES + b * LANES,
            .y_row = PAIR * LANES,
            .y_block = LANES,
            .adds = k > 0,
        };
        SUM_TILES[SUM_ROWS - 1][wide - 1](&t);
      }
}

/* A task is four blocks of rows and two of columns of one product of the stack; those of the same columns follow each
 * other. */
void NATIVE(matmul_columns)(const Arguments *a, int64_t begin, int64_t end) {
  enum { X, W, Y };
  enum { M, K, N, SIZES, STRIDES = SIZES + AXES };
  const int64_t *n = a->n, panels = (n[M] + LANES - 1) / LANES, blocks = (n[N] + LANES - 1) / LANES;
  const int64_t groups = (panels + PANELS - 1) / PANELS, pairs = (blocks + PAIR - 1) / PAIR, depth = n[K];
  float sums[PANELS * LANES * PAIR * LANES];
  for (int64_t task = begin; task < end; task++) {
    const int64_t product = task / (groups * pairs), block = task / groups % pairs * PAIR;
    const int64_t panel = task % groups * PANELS, row = panel * LANES;
    int64_t at[2] = {0, 0}; /* the numbers of the packed matrices */
    add_position(product, n + SIZES, n + STRIDES, 2, 0, at);
    const float *x = (const float *)a->p[X] + (at[0] * panels + panel) * depth * LANES;
    const float *w = (const float *)a->p[W] + (at[1] * blocks + block) * depth * LANES;
    const int64_t own = panels - panel < PANELS ? panels - panel : PANELS;
    sum_columns(x, own, w, depth, blocks - block < PAIR ? blocks - block : PAIR, sums);
    float *y = (float *)a->p[Y] + (product * n[M] + row) * n[N] + block * LANES;
    const int64_t left = n[N] - block * LANES, count = left < PAIR * LANES ? left : PAIR * LANES;
    for (int64_t r = 0; r < own * LANES && row + r < n[M]; r++)
      memcpy(y + r * n[N], sums + r * PAIR * LANES, (size_t)count * 4);
  }
}
