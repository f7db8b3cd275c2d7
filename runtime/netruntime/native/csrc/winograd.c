/* Convolution with windows of 3x3 and stride 1 by Winograd's method F(4x4, 3x3): a tile of 4x4 outputs takes 36 products
 * for each pair of channels in place of 144.
 *
 * Tiles of 6x6 inputs are transformed, B' d B; for each of the 36 places, the tiles are rows of a product with
 * transformed weights; and the sums are transformed to outputs, A' m A. The polynomials are evaluated at 0, +-3/4,
 * +-3/2 and infinity, where the rounding errors are a third of those at 0, +-1, +-2 and infinity. Constants are exact.
 *
 * The method mixes the inputs of a tile, so a NaN or an infinity would reach outputs whose windows do not have it, and
 * large sums would overflow earlier. A tile with such an output is computed again from its windows. */
#include "kernels.h"
#include "tile.h"

#define SIDE 4    /* of a tile of outputs */
#define WINDOW 6  /* of a tile of inputs */
#define PLACES 36
#define NEAR 0.75f
#define FAR 1.5f

enum { X, W, BIAS, RESIDUAL, Y, OFFSET, SCRATCH, DIRECT_W };
enum {
  BATCH, HEIGHT, WIDTH, BLOCKS,             /* of the result */
  TILES_Y, TILES_X,                         /* of an image */
  X_BLOCKS, X_IMAGE, X_BLOCK, X_ROW, X_FIRST, /* floats, as in conv.c */
  X_HEIGHT, X_WIDTH,                        /* what may be read from the first window on; zeros lie beyond */
  Y_IMAGE, Y_BLOCK, Y_ROW, Y_FIRST,
  R_IMAGE, R_BLOCK, R_ROW, R_FIRST,
  CHUNK,                                    /* tiles of a task */
  GROUP,                                    /* blocks of outputs of a product */
  ROOM,                                     /* floats of scratch of a thread */
  ACT,
};

/* Some tiles on their way: transformed inputs [36][C/16][tiles][16] and sums [36][blocks][tiles][16]. A line between
 * places keeps them off the same cache sets. */
typedef struct {
  float *inputs, *sums;
  int64_t tiles, input_place, sum_place;
} Stage;

INLINE Stage stage_of(float *at, int64_t tiles, int64_t x_blocks, int64_t y_blocks) {
  const int64_t input_place = (x_blocks * tiles + 1) * LANES, sum_place = (y_blocks * tiles + 1) * LANES;
  return (Stage){at, at + PLACES * input_place, tiles, input_place, sum_place};
}

typedef struct {
  int64_t image, y, x;
} Place;

INLINE Place place_of(const int64_t *n, int64_t tile) {
  const int64_t row = tile / n[TILES_X];
  return (Place){row / n[TILES_Y], row % n[TILES_Y], tile % n[TILES_X]};
}

INLINE void advance(const int64_t *n, Place *p) {
  if (++p->x < n[TILES_X]) return;
  p->x = 0;
  if (++p->y < n[TILES_Y]) return;
  p->y = 0;
  p->image++;
}

/* -- inputs ------------------------------------------------------------------------------------------------------ */

INLINE void transform_six(const vf x[WINDOW], vf y[WINDOW]) {
  const vf minus_aa = splat(-NEAR * NEAR), minus_bb = splat(-FAR * FAR), a = splat(NEAR), b = splat(FAR);
  const vf even_a = fma_of(minus_bb, x[2], x[4]), odd_a = fma_of(minus_bb, x[1], x[3]);
  const vf even_b = fma_of(minus_aa, x[2], x[4]), odd_b = fma_of(minus_aa, x[1], x[3]);
  const vf both = splat(NEAR * NEAR * FAR * FAR), sum = splat(-NEAR * NEAR - FAR * FAR);
  y[0] = fma_of(both, x[0], fma_of(sum, x[2], x[4]));
  y[1] = fma_of(a, odd_a, even_a);
  y[2] = fma_of(-a, odd_a, even_a);
  y[3] = fma_of(b, odd_b, even_b);
  y[4] = fma_of(-b, odd_b, even_b);
  y[5] = fma_of(both, x[1], fma_of(sum, x[3], x[5]));
}

static void transform_input(const float *x, int64_t row, float *y, int64_t place) {
  for (int64_t lane = 0; lane < LANES; lane += VL) {
    vf half[WINDOW][WINDOW];
    UNROLL for (int j = 0; j < WINDOW; j++) {
      vf column[WINDOW], result[WINDOW];
      UNROLL for (int i = 0; i < WINDOW; i++) column[i] = load(x + i * row + j * LANES + lane);
      transform_six(column, result);
      UNROLL for (int i = 0; i < WINDOW; i++) half[i][j] = result[i];
    }
    UNROLL for (int i = 0; i < WINDOW; i++) {
      vf result[WINDOW];
      transform_six(half[i], result);
      UNROLL for (int j = 0; j < WINDOW; j++) store(y + (i * WINDOW + j) * place + lane, result[j]);
    }
  }
}

/* A tile at the edge: zeros beyond what may be read. */
static void transform_edge(const float *x, int64_t row, int64_t rows, int64_t columns, float *y, int64_t place) {
  float tile[WINDOW * WINDOW * LANES] = {0};
  for (int64_t i = 0; i < rows && i < WINDOW; i++)
    memcpy(tile + i * WINDOW * LANES, x + i * row, (size_t)((columns < WINDOW ? columns : WINDOW) * LANES) * 4);
  transform_input(tile, WINDOW * LANES, y, place);
}

static void transform_inputs(const Arguments *a, Stage s, int64_t block, int64_t first, int64_t begin, int64_t end) {
  const int64_t *n = a->n;
  Place p = place_of(n, first + begin);
  for (int64_t tile = begin; tile < end; tile++, advance(n, &p)) {
    const int64_t rows = n[X_HEIGHT] - SIDE * p.y, columns = n[X_WIDTH] - SIDE * p.x;
    const float *x = (const float *)a->p[X] + n[X_FIRST] + p.image * n[X_IMAGE] + block * n[X_BLOCK] +
                     SIDE * p.y * n[X_ROW] + SIDE * p.x * LANES;
    float *y = s.inputs + (block * s.tiles + tile) * LANES;
    if (rows >= WINDOW && columns >= WINDOW) transform_input(x, n[X_ROW], y, s.input_place);
    else transform_edge(x, n[X_ROW], rows, columns, y, s.input_place);
  }
}

/* -- products ---------------------------------------------------------------------------------------------------- */

/* The sums of one place for some blocks of outputs, from block `at` of the stage on. */
static void multiply_place(const Arguments *a, Stage s, int64_t place, int64_t block, int64_t blocks, int64_t at,
                           int64_t rows, int fetches) {
  const int64_t depth = a->n[X_BLOCKS] * LANES;
  const Tile tile = {
      .x = s.inputs + place * s.input_place,
      .x_row = LANES,
      .offset = a->p[OFFSET],
      .runs = a->n[X_BLOCKS],
      .run = LANES,
      .w = (const float *)a->p[W] + (place * a->n[BLOCKS] + block) * depth * LANES,
      .w_block = depth * LANES,
      .next = !fetches ? 0 : (const float *)a->p[W] + (place * a->n[BLOCKS] + block + blocks) * depth * LANES,
      .y = s.sums + place * s.sum_place + at * s.tiles * LANES,
      .y_row = LANES,
      .y_block = s.tiles * LANES,
  };
  NATIVE(multiply)(tile, rows, blocks, LANES);
}

/* -- outputs ----------------------------------------------------------------------------------------------------- */

INLINE void transform_four(const vf m[WINDOW], vf y[SIDE]) {
  const vf sum_a = m[1] + m[2], difference_a = m[1] - m[2], sum_b = m[3] + m[4], difference_b = m[3] - m[4];
  y[0] = m[0] + sum_a + sum_b;
  y[1] = fma_of(splat(FAR), difference_b, splat(NEAR) * difference_a);
  y[2] = fma_of(splat(FAR * FAR), sum_b, splat(NEAR * NEAR) * sum_a);
  y[3] = fma_of(splat(FAR * FAR * FAR), difference_b, fma_of(splat(NEAR * NEAR * NEAR), difference_a, m[5]));
}

/* A tile of outputs before the bias; whether all of them are finite. */
static int transform_sums(const float *m, int64_t place, vf y[SIDE][SIDE]) {
  vf half[SIDE][WINDOW], check = {0};
  UNROLL for (int j = 0; j < WINDOW; j++) {
    vf column[WINDOW], result[SIDE];
    UNROLL for (int i = 0; i < WINDOW; i++) column[i] = load(m + (i * WINDOW + j) * place);
    transform_four(column, result);
    UNROLL for (int i = 0; i < SIDE; i++) half[i][j] = result[i];
  }
  UNROLL for (int i = 0; i < SIDE; i++) {
    transform_four(half[i], y[i]);
    UNROLL for (int j = 0; j < SIDE; j++) check = fma_of(y[i][j], (vf){0}, check);
  }
  int finite = 1;
  for (int v = 0; v < VL; v++) finite &= check[v] == 0;
  return finite;
}

/* The same outputs from their windows, as conv.c does. */
static void convolve_tile(const Arguments *a, int64_t block, Place p, int64_t rows, int64_t columns) {
  const int64_t *n = a->n, depth = n[X_BLOCKS] * 9 * LANES;
  const float *residual = a->p[RESIDUAL];
  for (int64_t row = SIDE * p.y; row < SIDE * p.y + rows; row++) {
    const int64_t x = SIDE * p.x * LANES;
    const Tile tile = {
        .x = (const float *)a->p[X] + n[X_FIRST] + p.image * n[X_IMAGE] + row * n[X_ROW] + x,
        .x_row = LANES,
        .offset = (const int32_t *)a->p[OFFSET] + n[X_BLOCKS],
        .runs = n[X_BLOCKS] * 9,
        .run = LANES,
        .w = (const float *)a->p[DIRECT_W] + block * depth * LANES,
        .w_block = depth * LANES,
        .bias = a->p[BIAS] ? (const float *)a->p[BIAS] + block * LANES : 0,
        .residual = residual ? residual + n[R_FIRST] + p.image * n[R_IMAGE] + block * n[R_BLOCK] + row * n[R_ROW] + x : 0,
        .residual_row = LANES,
        .y = (float *)a->p[Y] + n[Y_FIRST] + p.image * n[Y_IMAGE] + block * n[Y_BLOCK] + row * n[Y_ROW] + x,
        .y_row = LANES,
        .act = activation_of(n + ACT),
    };
    NATIVE(multiply)(tile, columns, 1, LANES);
  }
}

INLINE void finish_tile(const Arguments *a, int64_t block, int64_t lane, Place p, int64_t rows, int64_t columns,
                        vf y[SIDE][SIDE]) {
  const int64_t *n = a->n, row = SIDE * p.y, x = SIDE * p.x * LANES + lane;
  const float *residual = a->p[RESIDUAL];
  if (residual) residual += n[R_FIRST] + p.image * n[R_IMAGE] + block * n[R_BLOCK] + row * n[R_ROW] + x;
  float *to = (float *)a->p[Y] + n[Y_FIRST] + p.image * n[Y_IMAGE] + block * n[Y_BLOCK] + row * n[Y_ROW] + x;
  const Activation act = activation_of(n + ACT);
  const vf bias = a->p[BIAS] ? load((const float *)a->p[BIAS] + block * LANES + lane) : (vf){0};
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < columns; j++) {
      vf value = y[i][j] + bias;
      if (residual) value += load(residual + i * n[R_ROW] + j * LANES);
      if (act.kind == FUNCTION_relu) value = max_of(value, (vf){0});
      else if (act.kind) value = activated(act, value);
      store(to + i * n[Y_ROW] + j * LANES, value);
    }
}

static void transform_outputs(const Arguments *a, Stage s, int64_t block, int64_t at, int64_t first, int64_t begin,
                              int64_t end) {
  const int64_t *n = a->n;
  Place p = place_of(n, first + begin);
  for (int64_t tile = begin; tile < end; tile++, advance(n, &p)) {
    const int64_t down = n[HEIGHT] - SIDE * p.y, across = n[WIDTH] - SIDE * p.x;
    const int64_t rows = down < SIDE ? down : SIDE, columns = across < SIDE ? across : SIDE;
    const float *m = s.sums + (at * s.tiles + tile) * LANES;
    int finite = 1;
    for (int64_t lane = 0; lane < LANES; lane += VL) {
      vf y[SIDE][SIDE];
      finite &= transform_sums(m + lane, s.sum_place, y);
      finish_tile(a, block, lane, p, rows, columns, y);
    }
    if (!finite) convolve_tile(a, block, p, rows, columns);
  }
}

/* -- kernels ----------------------------------------------------------------------------------------------------- */

INLINE int64_t minimum(int64_t a, int64_t b) { return a < b ? a : b; }

INLINE int64_t all_tiles(const int64_t *n) { return n[BATCH] * n[TILES_Y] * n[TILES_X]; }

/* A task is a chunk of tiles from inputs to outputs, in the scratch of the thread. */
void NATIVE(winograd)(const Arguments *a, int64_t begin, int64_t end) {
  const int64_t *n = a->n;
  const Stage s = stage_of((float *)a->p[SCRATCH] + nd_thread() * n[ROOM], n[CHUNK], n[X_BLOCKS], n[GROUP]);
  for (int64_t task = begin; task < end; task++) {
    const int64_t first = task * n[CHUNK], tiles = minimum(n[CHUNK], all_tiles(n) - first);
    for (int64_t block = 0; block < n[X_BLOCKS]; block++) transform_inputs(a, s, block, first, 0, tiles);
    for (int64_t block = 0; block < n[BLOCKS]; block += n[GROUP]) {
      const int64_t blocks = minimum(n[GROUP], n[BLOCKS] - block);
      for (int64_t place = 0; place < PLACES; place++) multiply_place(a, s, place, block, blocks, 0, tiles, 0);
      for (int64_t at = 0; at < blocks; at++) transform_outputs(a, s, block + at, at, first, 0, tiles);
    }
  }
}

INLINE Stage whole_stage(const Arguments *a) {
  return stage_of(a->p[SCRATCH], all_tiles(a->n), a->n[X_BLOCKS], a->n[BLOCKS]);
}

/* The same in three steps over all tiles, where the weights are larger than the tiles. A task of the first and the last
 * is a chunk of tiles of a block of channels. */
void NATIVE(winograd_inputs)(const Arguments *a, int64_t begin, int64_t end) {
  const int64_t *n = a->n, tiles = all_tiles(n), chunks = (tiles + n[CHUNK] - 1) / n[CHUNK];
  for (int64_t task = begin; task < end; task++) {
    const int64_t first = task % chunks * n[CHUNK];
    transform_inputs(a, whole_stage(a), task / chunks, 0, first, minimum(first + n[CHUNK], tiles));
  }
}

/* A task is a place and a group of blocks of outputs. */
void NATIVE(winograd_products)(const Arguments *a, int64_t begin, int64_t end) {
  const int64_t *n = a->n, groups = (n[BLOCKS] + n[GROUP] - 1) / n[GROUP];
  for (int64_t task = begin; task < end; task++) {
    const int64_t block = task % groups * n[GROUP], blocks = minimum(n[GROUP], n[BLOCKS] - block);
    multiply_place(a, whole_stage(a), task / groups, block, blocks, block, all_tiles(n), 1);
  }
}

void NATIVE(winograd_outputs)(const Arguments *a, int64_t begin, int64_t end) {
  const int64_t *n = a->n, tiles = all_tiles(n), chunks = (tiles + n[CHUNK] - 1) / n[CHUNK];
  for (int64_t task = begin; task < end; task++) {
    const int64_t block = task / chunks, first = task % chunks * n[CHUNK];
    transform_outputs(a, whole_stage(a), block, block, 0, first, minimum(first + n[CHUNK], tiles));
  }
}

/* -- weights ----------------------------------------------------------------------------------------------------- */

/* Weights [N][C][3][3] as [36][N/16][C][16], with zeros beyond N, by the values of polynomials of degree 2 at the points.
 * A task is 16 channels of a block of outputs. */
void NATIVE(winograd_weights)(const Arguments *a, int64_t begin, int64_t end) {
  enum { WEIGHTS, PACKED, VALUES };
  enum { OUTPUTS, CHANNELS };
  const int64_t *n = a->n, parts = n[CHANNELS] / LANES, blocks = (n[OUTPUTS] + LANES - 1) / LANES;
  const float *values = a->p[VALUES]; /* [6][3] */
  for (int64_t task = begin; task < end; task++) {
    const int64_t block = task / parts, left = n[OUTPUTS] - block * LANES, count = left < LANES ? left : LANES;
    for (int64_t c = task % parts * LANES, last = c + LANES; c < last; c++) {
      const float *weights = (const float *)a->p[WEIGHTS] + (block * LANES * n[CHANNELS] + c) * 9;
      float *packed = (float *)a->p[PACKED] + (block * n[CHANNELS] + c) * LANES;
      float taps[9][LANES] = {{0}};
      for (int64_t lane = 0; lane < count; lane++)
        for (int64_t tap = 0; tap < 9; tap++) taps[tap][lane] = weights[lane * n[CHANNELS] * 9 + tap];
      for (int64_t lane = 0; lane < LANES; lane += VL)
        for (int64_t i = 0; i < WINDOW; i++) {
          vf row[3];
          UNROLL for (int j = 0; j < 3; j++) {
            row[j] = splat(values[i * 3]) * load(taps[j] + lane);
            UNROLL for (int k = 1; k < 3; k++)
              row[j] = fma_of(splat(values[i * 3 + k]), load(taps[k * 3 + j] + lane), row[j]);
          }
          for (int64_t j = 0; j < WINDOW; j++) {
            vf value = splat(values[j * 3]) * row[0];
            UNROLL for (int k = 1; k < 3; k++) value = fma_of(splat(values[j * 3 + k]), row[k], value);
            store(packed + (i * WINDOW + j) * blocks * n[CHANNELS] * LANES + lane, value);
          }
        }
    }
  }
}
