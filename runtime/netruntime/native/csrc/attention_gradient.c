/* The gradient of attention. The weights are computed again for some rows of queries at a time and never all kept (Dao et
 * al. 2022): products with keys and values by the tiles of tile.h, and sums over queries by those of sums.h. */
#include "attention.h"
#include "functions.h"
#include "kernels.h"
#include "sums.h"
#include "tile.h"

enum { Q, DY, PACKED, KEEP, DQ, DK, DV, SCRATCH };
enum {
  HEADS, SHARE,   /* of queries; how many share a head of keys */
  QUERIES, COUNT, /* of queries and of keys */
  SIZE, WIDTH,    /* of a key and of a value */
  CAUSAL, SCALE,
  ROWS,           /* of queries at a time */
  Q_STRIDES,      /* floats between batches, heads and rows */
  DY_STRIDES = Q_STRIDES + 3,
  KEEP_STRIDES = DY_STRIDES + 3, /* items between batches, heads, queries and keys */
  ROOM = KEEP_STRIDES + 4,       /* floats of scratch of a thread */
};

static const int32_t NO_OFFSET[1] = {0};

/* A head of queries with its keys and values. Packed matrices have 16 columns a block; `row` is the floats between rows of
 * weights and their gradients. */
typedef struct {
  const int64_t *n;
  const float *q, *dy;                 /* rows as they lie in memory */
  const float *k, *v;                  /* keys and values as columns */
  const float *k_rows, *q_rows, *dy_rows; /* blocks of columns of the matrices themselves */
  const uint8_t *keep;
  float *dq, *dk, *dv;                 /* sums of dk and dv, whose rows have complete blocks */
  float *weights, *flow;
  int64_t row, dq_row;
} Head;

INLINE int64_t blocks_of(int64_t count) { return (count + LANES - 1) / LANES; }

INLINE int64_t seen_by(const int64_t *n, int64_t query) {
  return keys_seen(n[CAUSAL], query, n[QUERIES], n[COUNT]);
}

/* Rows [rows][depth] times packed columns; the result has complete blocks of 16. */
static void score(const float *x, int64_t x_row, int64_t depth, const float *w, float *y, int64_t y_row, int64_t rows,
                  int64_t count) {
  const Tile tile = {
      .x = x, .x_row = x_row, .offset = NO_OFFSET, .runs = 1, .run = depth,
      .w = w, .w_block = depth * LANES, .y = y, .y_row = y_row, .y_block = LANES,
  };
  NATIVE(multiply)(tile, rows, blocks_of(count), LANES);
}

/* From scores to weights: those of keys that the query may not see are 0. */
static void weigh_row(const Head *h, int64_t query, float *scores, int64_t count) {
  const int64_t *n = h->n, seen = least(seen_by(n, query), count);
  const uint8_t *keep = h->keep ? h->keep + query * n[KEEP_STRIDES + 2] : 0;
  const int64_t step = n[KEEP_STRIDES + 3], width = blocks_of(count) * LANES;
  for (int64_t i = 0; i < width; i += VL) store(scores + i, load(scores + i) * splat(float_of(n[SCALE])));
  for (int64_t i = 0; keep && i < seen; i++) scores[i] = keep[i * step] ? scores[i] : -INFINITY;
  for (int64_t i = seen; i < width; i++) scores[i] = -INFINITY;
  Lanes top = lanes_splat(-INFINITY), sum = lanes_splat(0);
  for (int64_t i = 0; i < width; i += LANES)
    EACH_PART(p) top.v[p] = max_of(top.v[p], load(scores + i + p * VL));
  const float shift = shift_of(largest_of(top));
  for (int64_t i = 0; i < width; i += LANES)
    EACH_PART(p) {
      const vf e = exp_of(load(scores + i + p * VL) - splat(shift));
      sum.v[p] += e;
      store(scores + i + p * VL, e);
    }
  const float total = sum_of(sum), divisor = total == 0 ? 1 : total;
  for (int64_t i = 0; i < width; i += VL) store(scores + i, load(scores + i) / splat(divisor));
}

/* From the gradient of weights to that of scores: w (flow - sum(flow w)). */
static void flow_row(const float *weights, float *flow, int64_t count) {
  const int64_t width = blocks_of(count) * LANES;
  Lanes sum = lanes_splat(0);
  for (int64_t i = count; i < width; i++) flow[i] = 0;
  for (int64_t i = 0; i < width; i += LANES)
    EACH_PART(p) sum.v[p] = fma_of(load(flow + i + p * VL), load(weights + i + p * VL), sum.v[p]);
  const vf total = splat(sum_of(sum));
  for (int64_t i = 0; i < width; i += VL) store(flow + i, (load(flow + i) - total) * load(weights + i));
}

/* Adds to sums [count][width] the products of columns of x, which lie in rows of `row` floats, with packed rows. */
static void add_columns(const float *x, int64_t row, int64_t rows, const float *w, int64_t w_block, float *sums,
                        int64_t count, int64_t width) {
  const int64_t blocks = blocks_of(width);
  for (int64_t first = 0, height = 0; first < count; first += height)
    for (int64_t b = 0, wide; b < blocks; b += wide) {
      height = least(count - first, SUM_ROWS);
      wide = least(blocks - b, SUM_BLOCKS);
      const SumTile t = {
          .x = x + first, .x_step = row, .runs = 1, .run = rows,
          .w = w + b * w_block, .w_block = w_block,
          .y = sums + first * blocks * LANES + b * LANES, .y_row = blocks * LANES, .y_block = LANES,
          .adds = 1,
      };
      SUM_TILES[height - 1][wide - 1](&t);
    }
}

/* The queries from `first` on. */
static void go_back(const Head *h, int64_t first, int64_t rows) {
  const int64_t *n = h->n, count = seen_by(n, first + rows - 1), blocks = blocks_of(n[SIZE]);
  float *dq = h->dq + first * h->dq_row;
  if (count == 0)
    for (int64_t r = 0; r < rows; r++) memset(dq + r * h->dq_row, 0, (size_t)n[SIZE] * 4);
  if (count == 0) return;
  score(h->q + first * n[Q_STRIDES + 2], n[Q_STRIDES + 2], n[SIZE], h->k, h->weights, h->row, rows, count);
  score(h->dy + first * n[DY_STRIDES + 2], n[DY_STRIDES + 2], n[WIDTH], h->v, h->flow, h->row, rows, count);
  for (int64_t r = 0; r < rows; r++) {
    weigh_row(h, first + r, h->weights + r * h->row, count);
    flow_row(h->weights + r * h->row, h->flow + r * h->row, count);
  }
  add_columns(h->weights, h->row, rows, h->dy_rows + first * LANES, n[QUERIES] * LANES, h->dv, count, n[WIDTH]);
  add_columns(h->flow, h->row, rows, h->q_rows + first * LANES, n[QUERIES] * LANES, h->dk, count, n[SIZE]);
  const Tile tile = {
      .x = h->flow, .x_row = h->row, .offset = NO_OFFSET, .runs = 1, .run = count,
      .w = h->k_rows, .w_block = n[COUNT] * LANES, .y = dq, .y_row = h->dq_row, .y_block = LANES,
  };
  NATIVE(multiply)(tile, rows, blocks, n[SIZE] - (blocks - 1) * LANES);
  for (int64_t r = 0; r < rows; r++)
    for (int64_t i = 0; i < n[SIZE]; i++) dq[r * h->dq_row + i] *= float_of(n[SCALE]);
}

/* Rows of sums times a factor, without what fills their last block. */
static void put_rows(const float *sums, float *y, int64_t y_row, int64_t count, int64_t width, float factor) {
  const int64_t row = blocks_of(width) * LANES;
  for (int64_t r = 0; r < count; r++)
    for (int64_t i = 0; i < width; i++) y[r * y_row + i] = sums[r * row + i] * factor;
}

/* What is packed, one after the other: keys and values as columns, keys as rows; then, for each head of queries, these
 * and dy as rows. */
INLINE void find_packed(Head *h, const Arguments *a, int64_t group, int64_t groups, int64_t head, int64_t heads) {
  const int64_t *n = h->n, size = blocks_of(n[SIZE]) * LANES, width = blocks_of(n[WIDTH]) * LANES;
  const int64_t keys = blocks_of(n[COUNT]) * LANES;
  const float *k = a->p[PACKED], *v = k + groups * keys * n[SIZE], *k_rows = v + groups * keys * n[WIDTH];
  const float *q_rows = k_rows + groups * size * n[COUNT], *dy_rows = q_rows + heads * size * n[QUERIES];
  h->k = k + group * keys * n[SIZE];
  h->v = v + group * keys * n[WIDTH];
  h->k_rows = k_rows + group * size * n[COUNT];
  h->q_rows = q_rows + head * size * n[QUERIES];
  h->dy_rows = dy_rows + head * width * n[QUERIES];
}

/* A task is a head of keys of a batch, with the heads of queries that share it. */
void NATIVE(attention_gradient)(const Arguments *a, int64_t begin, int64_t end) {
  enum { BATCHES = ROOM + 1 };
  const int64_t *n = a->n, groups = n[HEADS] / n[SHARE], keys = blocks_of(n[COUNT]) * LANES;
  const int64_t size = blocks_of(n[SIZE]) * LANES, width = blocks_of(n[WIDTH]) * LANES;
  const int64_t *keep = n + KEEP_STRIDES;
  float *room = (float *)a->p[SCRATCH] + nd_thread() * n[ROOM];
  Head h = {.n = n, .row = keys + LANES, .dq_row = n[HEADS] * n[SIZE]};
  h.dk = room;
  h.dv = h.dk + n[COUNT] * size;
  h.weights = h.dv + n[COUNT] * width;
  h.flow = h.weights + n[ROWS] * h.row;
  for (int64_t task = begin; task < end; task++) {
    const int64_t batch = task / groups, group = task % groups;
    memset(room, 0, (size_t)(n[COUNT] * (size + width)) * 4);
    for (int64_t head = group * n[SHARE]; head < (group + 1) * n[SHARE]; head++) {
      h.q = (const float *)a->p[Q] + batch * n[Q_STRIDES] + head * n[Q_STRIDES + 1];
      h.dy = (const float *)a->p[DY] + batch * n[DY_STRIDES] + head * n[DY_STRIDES + 1];
      h.keep = a->p[KEEP] ? (const uint8_t *)a->p[KEEP] + batch * keep[0] + head * keep[1] : 0;
      h.dq = (float *)a->p[DQ] + (batch * n[QUERIES] * n[HEADS] + head) * n[SIZE];
      find_packed(&h, a, task, n[BATCHES] * groups, batch * n[HEADS] + head, n[BATCHES] * n[HEADS]);
      for (int64_t first = 0; first < n[QUERIES]; first += n[ROWS])
        go_back(&h, first, least(n[QUERIES] - first, n[ROWS]));
    }
    const int64_t at = batch * n[COUNT] * groups + group;
    put_rows(h.dk, (float *)a->p[DK] + at * n[SIZE], groups * n[SIZE], n[COUNT], n[SIZE], float_of(n[SCALE]));
    put_rows(h.dv, (float *)a->p[DV] + at * n[WIDTH], groups * n[WIDTH], n[COUNT], n[WIDTH], 1);
  }
}
