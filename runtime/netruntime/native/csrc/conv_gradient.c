/* The gradient of a convolution's weight: sums over the pixels of all images. The gradient of its input is a
 * convolution again, see conv.c.
 *
 * x has rows: the channels of a block, or the columns of a window on planes. dy has the place of the weights: its
 * blocks of 16 channels follow each other pixel by pixel. */
#include "kernels.h"
#include "sums.h"

#define SUMMED 1024 /* pixels of a sum before it is added to the others, which keeps rounding small */

enum { X, DY, SUMS };
enum {
  BATCH, HEIGHT, WIDTH,                      /* of dy */
  GROUPS, ROWS,                              /* groups of rows of x, and rows of a group */
  TAPS, TAP_COLUMNS, TAP_ROW, TAP_COLUMN,    /* taps of a group: floats from one to the next */
  X_IMAGE, X_GROUP, X_LINE, X_PIXEL, X_FIRST, /* floats */
  DY_IMAGE, DY_BLOCK, DY_ROW, DY_FIRST, DY_BLOCKS,
};

/* The sums over some lines of an image for `rows` rows from `first` on, with two blocks of dy. */
INLINE void sum_lines(const SumTile *lines, int64_t rows, int64_t blocks) {
  for (int64_t first = 0, step; first < rows; first += step) {
    step = rows - first < SUM_ROWS ? rows - first : SUM_ROWS;
    for (int64_t b = 0, wide; b < blocks; b += wide) {
      SumTile t = *lines;
      wide = blocks - b < SUM_BLOCKS ? blocks - b : SUM_BLOCKS;
      t.x += first;
      t.w += b * t.w_block;
      t.y += first * LANES + b * t.y_block;
      SUM_TILES[step - 1][wide - 1](&t);
    }
  }
}

/* A task is a row of taps of a group of rows, with two blocks of channels of dy. Its taps read the same lines one after
 * the other, while those are in the cache. */
void NATIVE(conv_weight_gradient)(const Arguments *a, int64_t begin, int64_t end) {
  const int64_t *n = a->n, taps = n[TAPS] * n[GROUPS], tap_rows = n[TAPS] / n[TAP_COLUMNS];
  const int64_t chunk = n[WIDTH] < SUMMED ? SUMMED / n[WIDTH] : 1;
  for (int64_t task = begin; task < end; task++) {
    const int64_t group = task / tap_rows % n[GROUPS], tap = task % tap_rows * n[TAP_COLUMNS];
    const int64_t block = task / tap_rows / n[GROUPS] * 2, left = n[DY_BLOCKS] - block;
    const float *x = (const float *)a->p[X] + n[X_FIRST] + group * n[X_GROUP] + task % tap_rows * n[TAP_ROW];
    const float *dy = (const float *)a->p[DY] + n[DY_FIRST] + block * n[DY_BLOCK];
    float *sums = (float *)a->p[SUMS] + ((block * n[GROUPS] + group) * n[TAPS] + tap) * n[ROWS] * LANES;
    for (int64_t image = 0; image < n[BATCH]; image++)
      for (int64_t line = 0; line < n[HEIGHT]; line += chunk)
        for (int64_t column = 0; column < n[TAP_COLUMNS]; column++) {
          const SumTile lines = {
              .x = x + column * n[TAP_COLUMN] + image * n[X_IMAGE] + line * n[X_LINE],
              .x_step = n[X_PIXEL],
              .x_run = n[X_LINE],
              .runs = n[HEIGHT] - line < chunk ? n[HEIGHT] - line : chunk,
              .run = n[WIDTH],
              .w = dy + image * n[DY_IMAGE] + line * n[DY_ROW],
              .w_block = n[DY_BLOCK],
              .w_run = n[DY_ROW],
              .y = sums + column * n[ROWS] * LANES,
              .y_row = LANES,
              .y_block = taps * n[ROWS] * LANES,
              .adds = image + line > 0,
          };
          sum_lines(&lines, n[ROWS], left < 2 ? left : 2);
        }
  }
}
