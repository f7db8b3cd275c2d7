/* Dense layers: rows [M][K] times packed weights, to rows [M][N]. */
#include "kernels.h"
#include "strides.h"
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
        .act = activation_of(n + ACT),
    };
    NATIVE(multiply)(tile, rows, left, block + left < blocks ? LANES : n[N] - (block + left - 1) * LANES);
  }
}

/* A stack of products: rows [M][K] of any strides times matrices that `pack_stack` packed. A task is a chunk of rows and
 * a group of blocks of one product of the stack. */
void NATIVE(matmul)(const Arguments *a, int64_t begin, int64_t end) {
  enum { X, W, Y };
  enum { M, K, N, CHUNK, GROUP, X_ROW, SIZES, STRIDES = SIZES + AXES };
  const int64_t *n = a->n, blocks = (n[N] + LANES - 1) / LANES;
  const int64_t chunks = (n[M] + n[CHUNK] - 1) / n[CHUNK], groups = (blocks + n[GROUP] - 1) / n[GROUP];
  for (int64_t task = begin; task < end; task++) {
    const int64_t product = task / (chunks * groups), block = task / chunks % groups * n[GROUP];
    const int64_t row = task % chunks * n[CHUNK], left = blocks - block < n[GROUP] ? blocks - block : n[GROUP];
    int64_t at[2] = {0, 0}; /* in x, and in the packed matrices by their number */
    add_position(product, n + SIZES, n + STRIDES, 2, 0, at);
    const Tile tile = {
        .x = (const float *)a->p[X] + at[0] + row * n[X_ROW],
        .x_row = n[X_ROW],
        .offset = NO_OFFSET,
        .runs = 1,
        .run = n[K],
        .w = (const float *)a->p[W] + (at[1] * blocks + block) * n[K] * LANES,
        .w_block = n[K] * LANES,
        .y = (float *)a->p[Y] + (product * n[M] + row) * n[N] + block * LANES,
        .y_row = n[N],
        .y_block = LANES,
    };
    const int64_t rows = n[M] - row < n[CHUNK] ? n[M] - row : n[CHUNK];
    NATIVE(multiply)(tile, rows, left, block + left < blocks ? LANES : n[N] - (block + left - 1) * LANES);
  }
}
