/* Tiles of a product, and how one is cut into them: see tile.h. Compiled once, because there are many tiles. */
#include "tile.h"

typedef void (*TileKernel)(const Tile *t);

INLINE int64_t row_at(const int32_t *table, int64_t step, int64_t row) { return table ? table[row] : row * step; }

/* From memory to the second cache, while the products of a run go on. */
INLINE void fetch_next(const Tile *t, int64_t e, int blocks) {
  const float *at = t->next + (e * t->run + t->next_first) * LANES;
  for (int64_t line = 0; line < t->next_lines; line++)
    UNROLL for (int n = 0; n < blocks; n++) __builtin_prefetch(at + n * t->w_block + line * LANES, 0, 2);
}

INLINE void start_row(const Tile *t, int r, int blocks, vf *sum) {
  const float *y = t->y + row_at(t->y_at, t->y_row, r);
  UNROLL for (int v = 0; v < blocks * PARTS; v++)
    sum[v] = t->continues ? load(y + v / PARTS * t->y_block + v % PARTS * VL) : (vf){0};
}

/* Literal bounds: a parameter, even of an inlined function, would put the accumulators on the stack. */
#define DEFINE_TILE(ROWS, BLOCKS)                                                                              \
  static __attribute__((noinline)) void tile_##ROWS##_##BLOCKS(const Tile *t) {                                \
    vf sum[ROWS][BLOCKS * PARTS];                                                                              \
    UNROLL for (int r = 0; r < ROWS; r++) start_row(t, r, BLOCKS, sum[r]);                                     \
    const int64_t row = t->x_row, runs = t->runs, run = t->run;                                                \
    const float *w[BLOCKS];                                                                                    \
    UNROLL for (int n = 0; n < BLOCKS; n++) w[n] = t->w + n * t->w_block;                                      \
    for (int64_t e = 0; e < runs; e++) {                                                                       \
      if (t->next) fetch_next(t, e, BLOCKS);                                                                   \
      const float *x[(ROWS + 2) / 3]; /* of every third row: an address has room for a row or two more */      \
      UNROLL for (int g = 0; g < (ROWS + 2) / 3; g++) x[g] = t->x + t->offset[e] + 3 * g * row;                \
      for (int64_t k = 0; k < run; k++) {                                                                      \
        vf weight[BLOCKS * PARTS];                                                                             \
        UNROLL for (int v = 0; v < BLOCKS * PARTS; v++) weight[v] = load(w[v / PARTS] + v % PARTS * VL);       \
        UNROLL for (int r = 0; r < ROWS; r++) {                                                                \
          const vf value = splat(x[r / 3][(r % 3) * row]);                                                     \
          UNROLL for (int v = 0; v < BLOCKS * PARTS; v++) sum[r][v] = fma_of(value, weight[v], sum[r][v]);     \
        }                                                                                                      \
        UNROLL for (int g = 0; g < (ROWS + 2) / 3; g++) x[g]++;                                                \
        UNROLL for (int n = 0; n < BLOCKS; n++) w[n] += LANES;                                                 \
      }                                                                                                        \
    }                                                                                                          \
    UNROLL for (int r = 0; r < ROWS; r++) finish_row(t, r, BLOCKS, sum[r]);                                    \
  }

/* Adds the bias and the residual to one row of sums, applies the activation, and stores it. */
INLINE void finish_row(const Tile *t, int r, int blocks, const vf *sum) {
  const int64_t y_row = row_at(t->y_at, t->y_row, r), residual_row = row_at(t->residual_at, t->residual_row, r);
  UNROLL for (int v = 0; v < blocks * PARTS; v++) {
    const int64_t block = v / PARTS, lane = v % PARTS * VL;
    const int64_t count = block + 1 < blocks ? LANES : t->tail;
    const int64_t valid = count - lane < VL ? count - lane : VL;
    if (valid <= 0) continue;
    const float *residual = t->residual + residual_row + block * t->residual_block + lane;
    float *y = t->y + y_row + block * t->y_block + lane;
    vf value = sum[v];
    if (t->bias) value += load(t->bias + block * LANES + lane);
    if (t->residual) value += valid == VL ? load(residual) : load_some(residual, valid);
    if (t->act.kind == FUNCTION_relu) value = max_of(value, (vf){0});
    if (valid == VL) store(y, value);
    else store_some(y, value, valid);
  }
}

/* The largest tile whose accumulators fit in the registers, and a wide one for single rows, which need many sums at a
 * time to hide the latency of each. */
#if VL == 16
#define MAX_ROWS 14
#define WIDE 2
#define ONE_ROW_WIDE 8
#elif VL == 8
#define MAX_ROWS 6
#define WIDE 1
#define ONE_ROW_WIDE 4
#elif defined(__ARM_NEON)
#define MAX_ROWS 6
#define WIDE 1
#define ONE_ROW_WIDE 4
#else
#define MAX_ROWS 3
#define WIDE 1
#define ONE_ROW_WIDE 2
#endif

#if WIDE == 2
#define DEFINE_ROWS(ROWS) DEFINE_TILE(ROWS, 1) DEFINE_TILE(ROWS, 2)
#define ENTRY(ROWS) {tile_##ROWS##_1, tile_##ROWS##_2}
#else
#define DEFINE_ROWS(ROWS) DEFINE_TILE(ROWS, 1)
#define ENTRY(ROWS) {tile_##ROWS##_1}
#endif

DEFINE_ROWS(1) DEFINE_ROWS(2) DEFINE_ROWS(3)
#if VL == 16
DEFINE_TILE(1, 8)
#elif VL == 8 || defined(__ARM_NEON)
DEFINE_TILE(1, 4)
#else
DEFINE_TILE(1, 2)
#endif
#if MAX_ROWS > 3
DEFINE_ROWS(4) DEFINE_ROWS(5) DEFINE_ROWS(6)
#endif
#if MAX_ROWS > 6
DEFINE_TILE(2, 4) DEFINE_TILE(3, 4)
DEFINE_ROWS(7) DEFINE_ROWS(8) DEFINE_ROWS(9) DEFINE_ROWS(10) DEFINE_ROWS(11) DEFINE_ROWS(12) DEFINE_ROWS(13)
DEFINE_ROWS(14)
#endif

static const TileKernel TILES[MAX_ROWS][WIDE] = {
    ENTRY(1), ENTRY(2), ENTRY(3),
#if MAX_ROWS > 3
    ENTRY(4), ENTRY(5), ENTRY(6),
#endif
#if MAX_ROWS > 6
    ENTRY(7), ENTRY(8), ENTRY(9), ENTRY(10), ENTRY(11), ENTRY(12), ENTRY(13), ENTRY(14),
#endif
};

INLINE TileKernel tile_for(int64_t rows, int64_t blocks) {
#if WIDE == 2
  if (rows == 1 && blocks == ONE_ROW_WIDE) return tile_1_8;
  if (rows == 2 && blocks == 4) return tile_2_4;
  if (rows == 3 && blocks == 4) return tile_3_4;
#elif ONE_ROW_WIDE == 4
  if (rows == 1 && blocks == ONE_ROW_WIDE) return tile_1_4;
#else
  if (rows == 1 && blocks == ONE_ROW_WIDE) return tile_1_2;
#endif
  return TILES[rows - 1][blocks - 1];
}

/* How many blocks a tile of so many rows takes at a time, of those that are left. */
INLINE int64_t blocks_at_once(int64_t rows, int64_t left) {
  if (rows == 1 && left >= ONE_ROW_WIDE) return ONE_ROW_WIDE;
  if (MAX_ROWS > 6 && (rows == 2 || rows == 3) && left >= 4) return 4;
  return left < WIDE ? left : WIDE;
}

/* Applies an activation to stored rows; the cheap ones are applied before they are stored. */
static void activate_rows(const Tile *t, int64_t rows, int64_t blocks) {
  for (int64_t r = 0; r < rows; r++)
    for (int64_t n = 0; n < blocks; n++) {
      float *y = t->y + row_at(t->y_at, t->y_row, r) + n * t->y_block;
      const int64_t count = n + 1 < blocks ? LANES : t->tail;
      int64_t lane = 0;
      for (; lane + VL <= count; lane += VL) store(y + lane, activated(t->act, load(y + lane)));
      if (lane < count) store_some(y + lane, activated(t->act, load_some(y + lane, count - lane)), count - lane);
    }
}

/* Tiles are of about equal height. */
void NATIVE(multiply)(Tile t, int64_t rows, int64_t blocks, int64_t tail) {
  const Tile all = t;
  for (int64_t n = 0, step; n < blocks; n += step) {
    const int64_t tiles = (rows + MAX_ROWS - 1) / MAX_ROWS;
    step = blocks_at_once(rows, blocks - n);
    t.w = all.w + n * all.w_block;
    if (all.bias) t.bias = all.bias + n * LANES;
    t.tail = n + step < blocks ? LANES : tail;
    t.next_lines = (t.run + tiles - 1) / tiles;
    if (all.next) t.next = all.next + n * all.w_block;
    for (int64_t i = 0, r = 0, height; i < tiles; i++, r += height) {
      height = rows / tiles + (i < rows % tiles);
      t.next_first = i * t.next_lines;
      t.x = all.x + r * all.x_row;
      t.y = all.y + r * all.y_row + n * all.y_block;
      if (all.residual) t.residual = all.residual + r * all.residual_row + n * all.residual_block;
      if (all.y_at) t.y_at = all.y_at + r;
      if (all.residual_at) t.residual_at = all.residual_at + r;
      tile_for(height, step)(&t);
      if (all.act.kind > FUNCTION_relu) activate_rows(&t, height, step);
    }
  }
}
