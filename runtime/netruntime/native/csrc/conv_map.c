/* Convolution to small images: all their pixels are the rows of one product, because a row of few pixels would use few
 * of the sums that fit in the registers. The products and their order are those of conv.c. */
#include "kernels.h"
#include "tile.h"

/* The windows of blocked images as [B][runs][pixels][16], a run being a tap of a block of channels. A task is a run. */
void NATIVE(gather_windows)(const Arguments *a, int64_t begin, int64_t end) {
  enum { X, WINDOWS, OFFSET };
  enum { RUNS, HEIGHT, WIDTH, X_IMAGE, X_ROW, X_PIXEL, X_FIRST };
  const int64_t *n = a->n;
  const int32_t *offset = a->p[OFFSET];
  for (int64_t task = begin; task < end; task++) {
    const float *x = (const float *)a->p[X] + n[X_FIRST] + task / n[RUNS] * n[X_IMAGE] + offset[task % n[RUNS]];
    float *y = (float *)a->p[WINDOWS] + task * n[HEIGHT] * n[WIDTH] * LANES;
    for (int64_t i = 0; i < n[HEIGHT]; i++)
      for (int64_t j = 0; j < n[WIDTH]; j++, y += LANES) memcpy(y, x + i * n[X_ROW] + j * n[X_PIXEL], LANES * 4);
  }
}

#define DEPTH 24 /* runs at a time: their weights and windows stay in the cache */

/* A product in parts of its depth, whose sums continue in y. */
static void multiply_parts(Tile tile, int64_t rows, int64_t blocks) {
  const Tile all = tile;
  for (int64_t first = 0; first < all.runs; first += DEPTH) {
    const int is_last = first + DEPTH >= all.runs;
    tile.runs = is_last ? all.runs - first : DEPTH;
    tile.offset = all.offset + first;
    tile.w = all.w + first * all.run * LANES;
    tile.next = is_last ? all.w + blocks * all.w_block : tile.w + DEPTH * all.run * LANES;
    tile.continues = first > 0;
    tile.bias = is_last ? all.bias : 0;
    tile.residual = is_last ? all.residual : 0;
    tile.act.kind = is_last ? all.act.kind : FUNCTION_none;
    NATIVE(multiply)(tile, rows, blocks, LANES);
  }
}

/* A task is an image and a group of blocks of channels; those of one group follow each other. */
void NATIVE(conv_map)(const Arguments *a, int64_t begin, int64_t end) {
  enum { WINDOWS, W, BIAS, RESIDUAL, Y, OFFSET, PIXELS_AT };
  enum { BATCH, PIXELS, BLOCKS, RUNS, RUN, Y_IMAGE, Y_BLOCK, R_IMAGE, R_BLOCK, GROUP, ACT };
  const int64_t *n = a->n, depth = n[RUNS] * n[RUN];
  for (int64_t task = begin; task < end; task++) {
    const int64_t block = task / n[BATCH] * n[GROUP], image = task % n[BATCH], left = n[BLOCKS] - block;
    const float *residual = a->p[RESIDUAL];
    const Tile tile = {
        .x = (const float *)a->p[WINDOWS] + image * n[RUNS] * n[PIXELS] * LANES,
        .x_row = LANES,
        .offset = a->p[OFFSET],
        .runs = n[RUNS],
        .run = n[RUN],
        .w = (const float *)a->p[W] + block * depth * LANES,
        .w_block = depth * LANES,
        .bias = a->p[BIAS] ? (const float *)a->p[BIAS] + block * LANES : 0,
        .residual = residual ? residual + image * n[R_IMAGE] + block * n[R_BLOCK] : 0,
        .residual_at = (const int32_t *)a->p[PIXELS_AT] + n[PIXELS],
        .residual_block = n[R_BLOCK],
        .y = (float *)a->p[Y] + image * n[Y_IMAGE] + block * n[Y_BLOCK],
        .y_at = a->p[PIXELS_AT],
        .y_block = n[Y_BLOCK],
        .act = activation_of(n + ACT),
    };
    multiply_parts(tile, n[PIXELS], left < n[GROUP] ? left : n[GROUP]);
  }
}
