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

/* The sums of one tap for `rows` rows from `first` on, with two blocks of dy. */
static void sum_pixels(const Arguments *a, SumTile t, int64_t first, int64_t rows, int64_t blocks) {
  const int64_t *n = a->n, lines = n[WIDTH] < SUMMED ? SUMMED / n[WIDTH] : 1;
  t.y += first * LANES;
  for (int64_t image = 0; image < n[BATCH]; image++)
    for (int64_t line = 0; line < n[HEIGHT]; line += lines) {
      SumTile part = t;
      part.x = t.x + image * n[X_IMAGE] + line * n[X_LINE] + first;
      part.w = t.w + image * n[DY_IMAGE] + line * n[DY_ROW];
      part.runs = n[HEIGHT] - line < lines ? n[HEIGHT] - line : lines;
      part.adds = image + line > 0;
      SUM_TILES[rows - 1][blocks - 1](&part);
    }
}

/* A task is a tap of a group of rows, with two blocks of channels of dy. */
void NATIVE(conv_weight_gradient)(const Arguments *a, int64_t begin, int64_t end) {
  const int64_t *n = a->n, taps = n[GROUPS] * n[TAPS];
  for (int64_t task = begin; task < end; task++) {
    const int64_t block = task / taps * 2, group = task % taps / n[TAPS], tap = task % n[TAPS];
    const int64_t left = n[DY_BLOCKS] - block, at = tap / n[TAP_COLUMNS] * n[TAP_ROW] + tap % n[TAP_COLUMNS] * n[TAP_COLUMN];
    const SumTile t = {
        .x = (const float *)a->p[X] + n[X_FIRST] + group * n[X_GROUP] + at,
        .x_step = n[X_PIXEL],
        .x_run = n[X_LINE],
        .run = n[WIDTH],
        .w = (const float *)a->p[DY] + n[DY_FIRST] + block * n[DY_BLOCK],
        .w_block = n[DY_BLOCK],
        .w_run = n[DY_ROW],
        .y = (float *)a->p[SUMS] + ((block * n[GROUPS] + group) * n[TAPS] + tap) * n[ROWS] * LANES,
        .y_block = taps * n[ROWS] * LANES,
    };
    for (int64_t first = 0, rows; first < n[ROWS]; first += rows) {
      rows = n[ROWS] - first < SUM_ROWS ? n[ROWS] - first : SUM_ROWS;
      for (int64_t b = 0, step; b < 2 && b < left; b += step) {
        SumTile one = t;
        step = left - b < SUM_BLOCKS ? left - b : SUM_BLOCKS;
        one.w += b * t.w_block;
        one.y += b * t.y_block;
        sum_pixels(a, one, first, rows, step);
      }
    }
  }
}
