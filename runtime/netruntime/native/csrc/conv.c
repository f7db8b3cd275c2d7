/* Convolution on blocked images [B][C/16][H][W][16], whose border holds the zeros of the padding, or on planes
 * [B][C][H][W] of few channels; the result is blocked. A row of outputs is one product, see tile.h. */
#include "kernels.h"
#include "tile.h"

enum { X, W, BIAS, RESIDUAL, Y, OFFSET };
enum {
  BATCH, HEIGHT, WIDTH, BLOCKS,         /* of the result */
  RUNS, RUN,                            /* see Tile; their product is K */
  X_IMAGE, X_ROW, X_PIXEL, X_FIRST,     /* floats between images, output rows and output pixels; to the first window */
  Y_IMAGE, Y_BLOCK, Y_ROW, Y_FIRST, Y_PIXEL, /* floats */
  R_IMAGE, R_BLOCK, R_ROW, R_FIRST,     /* of the residual */
  GROUP, ACT,
};

/* A task is a row of outputs of an image and a group of blocks of channels; those of one group follow each other. */
void NATIVE(conv)(const Arguments *a, int64_t begin, int64_t end) {
  const int64_t *n = a->n, rows = n[BATCH] * n[HEIGHT], depth = n[RUNS] * n[RUN];
  for (int64_t task = begin; task < end; task++) {
    const int64_t block = task / rows * n[GROUP], image = task % rows / n[HEIGHT], row = task % n[HEIGHT];
    const int64_t left = n[BLOCKS] - block;
    const float *residual = a->p[RESIDUAL];
    const Tile tile = {
        .x = (const float *)a->p[X] + n[X_FIRST] + image * n[X_IMAGE] + row * n[X_ROW],
        .x_row = n[X_PIXEL],
        .offset = a->p[OFFSET],
        .runs = n[RUNS],
        .run = n[RUN],
        .w = (const float *)a->p[W] + block * depth * LANES,
        .w_block = depth * LANES,
        .bias = a->p[BIAS] ? (const float *)a->p[BIAS] + block * LANES : 0,
        .residual = residual ? residual + n[R_FIRST] + image * n[R_IMAGE] + block * n[R_BLOCK] + row * n[R_ROW] : 0,
        .residual_row = LANES,
        .residual_block = n[R_BLOCK],
        .y = (float *)a->p[Y] + n[Y_FIRST] + image * n[Y_IMAGE] + block * n[Y_BLOCK] + row * n[Y_ROW],
        .y_row = n[Y_PIXEL],
        .y_block = n[Y_BLOCK],
        .act = activation_of(n + ACT),
    };
    NATIVE(multiply)(tile, n[WIDTH], left < n[GROUP] ? left : n[GROUP], LANES);
  }
}
