/* The one kernel of all products: rows of x times 16-wide blocks of packed weights, accumulated in registers.
 *
 * A row is given by where its runs of `run` consecutive values begin: `offset[e]` floats after the row's first one.
 * Dense layers have one run; a convolution has one for each block of 16 channels and tap, or for each row of its
 * window. Weights are packed [N/16][K][16], with zeros beyond N.
 *
 * Products are added in the order of K by fused multiply-adds, for any number of rows: a row has the same bits alone
 * and in a batch. */
#pragma once
#include "activations.h"
#include "kernels.h"
#include "vec.h"

typedef struct {
  const float *x;
  int64_t x_row; /* floats between rows */
  const int32_t *offset;
  int64_t runs, run;
  const float *w;
  int64_t w_block; /* floats between blocks of 16 outputs */
  const float *next; /* weights that come after these, to be fetched meanwhile; or NULL */
  int64_t next_first, next_lines; /* the part of each run that this tile fetches */
  const float *bias;     /* or NULL */
  const float *residual; /* or NULL; it is added before the activation */
  int64_t residual_row, residual_block;
  float *y;
  int64_t y_row, y_block;
  const int32_t *residual_at, *y_at; /* where rows begin, with steps of 0 between them; or NULL */
  int64_t tail; /* outputs in the last block of this tile */
  int continues; /* sums that are in y, in full blocks */
  Activation act;
} Tile;

/* The product of `rows` rows with `blocks` blocks, `tail` outputs in the last. */
void NATIVE(multiply)(Tile t, int64_t rows, int64_t blocks, int64_t tail);
