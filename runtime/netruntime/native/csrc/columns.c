/* Products whose first matrix has columns that lie contiguously, as in gradients of weights: [K][M] and [K][N] give
 * [M][N]. Both are packed in blocks of 16 columns by `pack_stack`, so that a step of the sum reads neighbours. */
#include "kernels.h"
#include "strides.h"
#include "sums.h"

#define SUMMED 256 /* products of a sum before it is added to the others: what the first cache holds */
#define PAIR 2     /* blocks of columns of a task */

/* 16 rows of results with up to two blocks of columns. */
INLINE void sum_columns(const float *x, const float *w, int64_t depth, int64_t blocks, float *sums) {
  for (int64_t k = 0; k < depth; k += SUMMED)
    for (int64_t row = 0; row < LANES; row += SUM_ROWS)
      for (int64_t b = 0, wide; b < blocks; b += wide) {
        wide = blocks - b < SUM_BLOCKS ? blocks - b : SUM_BLOCKS;
        const SumTile t = {
            .x = x + k * LANES + row,
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

/* A task is 16 rows and two blocks of columns of one product of the stack; those of the same columns follow each
 * other. */
void NATIVE(matmul_columns)(const Arguments *a, int64_t begin, int64_t end) {
  enum { X, W, Y };
  enum { M, K, N, SIZES, STRIDES = SIZES + AXES };
  const int64_t *n = a->n, rows = (n[M] + LANES - 1) / LANES, blocks = (n[N] + LANES - 1) / LANES;
  const int64_t pairs = (blocks + PAIR - 1) / PAIR, depth = n[K];
  float sums[LANES * PAIR * LANES];
  for (int64_t task = begin; task < end; task++) {
    const int64_t product = task / (rows * pairs), row = task % rows, block = task / rows % pairs * PAIR;
    int64_t at[2] = {0, 0}; /* the numbers of the packed matrices */
    add_position(product, n + SIZES, n + STRIDES, 2, 0, at);
    const float *x = (const float *)a->p[X] + (at[0] * rows + row) * depth * LANES;
    const float *w = (const float *)a->p[W] + (at[1] * blocks + block) * depth * LANES;
    sum_columns(x, w, depth, blocks - block < PAIR ? blocks - block : PAIR, sums);
    float *y = (float *)a->p[Y] + (product * n[M] + row * LANES) * n[N] + block * LANES;
    const int64_t left = n[N] - block * LANES, count = left < PAIR * LANES ? left : PAIR * LANES;
    for (int64_t r = 0; r < LANES && row * LANES + r < n[M]; r++)
      memcpy(y + r * n[N], sums + r * PAIR * LANES, (size_t)count * 4);
  }
}
