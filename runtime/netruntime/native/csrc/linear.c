/* Dense layers: rows [M][K] times packed weights, to rows [M][N]. */
#include "kernels.h"
#include "tile.h"

static const int32_t NO_OFFSET[1] = {0};

/* A task is a chunk of rows and a group of blocks of outputs; those of one group follow each other. */
void NATIVE(linear)(const Arguments *a, int64_t begin, int64_t end) {
  enum { X, W, BIAS, RESIDUAL, Y };
  enum { M, K, N, CHUNK, GROUP, ACT };
  const int64_t *n = a->n, blocks = (n[N] + LANES - 1) / LANES;
  const int64_t chunks = (n[M] + n[CHUNK] - 1) / n[CHUNK];
  for (int64_t task = begin; task < end; task++) {
    const int64_t block = task / chunks * n[GROUP], row = task % chunks * n[CHUNK];
    const int64_t rows = n[M] - row < n[CHUNK] ? n[M] - row : n[CHUNK];
    const int64_t left = blocks - block < n[GROUP] ? blocks - block : n[GROUP];
    const float *residual = a->p[RESIDUAL];
    const Tile tile = {
        .x = (const float *)a->p[X] + row * n[K],
        .x_row = n[K],
        .offset = NO_OFFSET,
        .runs = 1,
        .run = n[K],
        .w = (const float *)a->p[W] + block * n[K] * LANES,
        .w_block = n[K] * LANES,
        .bias = a->p[BIAS] ? (const float *)a->p[BIAS] + block * LANES : 0,
        .residual = residual ? residual + row * n[N] + block * LANES : 0,
        .residual_row = n[N],
        .residual_block = LANES,
        .y = (float *)a->p[Y] + row * n[N] + block * LANES,
        .y_row = n[N],
        .y_block = LANES,
        .act = {n[ACT]},
    };
    multiply(tile, rows, left, block + left < blocks ? LANES : n[N] - (block + left - 1) * LANES);
  }
}
