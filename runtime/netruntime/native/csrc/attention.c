/* Attention: rows of queries against all keys, in blocks of keys whose scores stay in the cache.
 *
 * For each block the scores come from the tile kernel, then their powers, then their product with the values. If there
 * are several blocks, what was summed is scaled to the new maximum (Dao et al. 2022). The blocks depend on nothing but
 * the number of keys, so a row has the same bits for any threads and batch. */
#include "attention.h"
#include "functions.h"
#include "kernels.h"
#include "tile.h"

#define ROWS 14 /* queries of a task */
#define KEYS 512 /* of a block */
#define SCORES (KEYS + LANES) /* floats between rows of scores: an odd number of cache lines */

enum { Q, K, V, KEEP, BIAS, Y, PAST };
enum {
  HEADS, SHARE,         /* of queries; how many share a head of keys */
  QUERIES, ROOM,        /* queries, and keys that there is room for */
  SIZE, WIDTH,          /* of a key and of a value */
  CAUSAL, SCALE,
  Q_STRIDES,            /* floats between batches, heads and rows */
  Y_STRIDES = Q_STRIDES + 3,
  KEEP_STRIDES = Y_STRIDES + 3, /* items between batches, heads, queries and keys */
  BIAS_STRIDES = KEEP_STRIDES + 4,
};

static const int32_t NO_OFFSET[1] = {0};

/* Where the rows of a task are, and what was summed so far. */
typedef struct {
  const float *q, *k, *v, *bias;
  const uint8_t *keep;
  float *y;
  int64_t first, rows; /* queries */
  int64_t count;       /* keys */
  float top[ROWS], total[ROWS];
  float *scores;
  int32_t *mask; /* of one row of scores */
} Task;

INLINE int64_t seen_by(const Task *t, const int64_t *n, int64_t query) {
  return keys_seen(n[CAUSAL], query, n[QUERIES], t->count);
}

static void score(Task *t, const int64_t *n, int64_t first, int64_t count) {
  const Tile tile = {
      .x = t->q, .x_row = n[Q_STRIDES + 2], .offset = NO_OFFSET, .runs = 1, .run = n[SIZE],
      .w = t->k + first * n[SIZE], .w_block = n[SIZE] * LANES,
      .y = t->scores, .y_row = SCORES, .y_block = LANES,
  };
  NATIVE(multiply)(tile, t->rows, (count + LANES - 1) / LANES, LANES);
}

/* Which keys of a block the mask leaves to a query, as all bits or none. */
static void read_mask(Task *t, const int64_t *n, int64_t r, int64_t first, int64_t count) {
  const int64_t step = n[KEEP_STRIDES + 3];
  const uint8_t *keep = t->keep + r * n[KEEP_STRIDES + 2] + first * step;
  if (step == 1)
    for (int64_t i = 0; i < count; i++) t->mask[i] = -(keep[i] != 0);
  else
    for (int64_t i = 0; i < count; i++) t->mask[i] = -(keep[i * step] != 0);
}

/* The bias of 16 scores, 0 beyond the last key. */
INLINE Lanes bias_at(const Task *t, const int64_t *n, int64_t r, int64_t key, int64_t left) {
  const int64_t step = n[BIAS_STRIDES + 3];
  const float *bias = t->bias + r * n[BIAS_STRIDES + 2] + key * step;
  if (step == 1) return lanes_of(bias, left, 0);
  float some[LANES];
  for (int64_t lane = 0; lane < LANES; lane++) some[lane] = lane < left ? bias[lane * step] : 0;
  return lanes_of(some, LANES, 0);
}

/* Scales 16 scores from `i` on, adds the bias, and masks those that the query may not see. */
INLINE Lanes scaled_scores(const Task *t, const int64_t *n, int64_t r, int64_t first, int64_t i, int64_t seen) {
  Lanes x;
  EACH_PART(p) x.v[p] = load(t->scores + r * SCORES + i + p * VL) * splat(float_of(n[SCALE]));
  if (t->bias) {
    const Lanes bias = bias_at(t, n, r, first + i, seen - i);
    EACH_PART(p) x.v[p] += bias.v[p];
  }
  if (t->keep) EACH_PART(p) x.v[p] = pick(load_ints(t->mask + i + p * VL), x.v[p], splat(-INFINITY));
  if (seen - i < LANES)
    EACH_PART(p) x.v[p] = pick(lane_numbers() + splat_int(p * VL) < splat_int(seen - i), x.v[p], splat(-INFINITY));
  return x;
}

/* The powers of a row of scores, and the factor for what was summed before. */
static float weigh_row(Task *t, const int64_t *n, int64_t r, int64_t first, int64_t count) {
  float *scores = t->scores + r * SCORES;
  const int64_t seen = seen_by(t, n, t->first + r) - first;
  if (t->keep && (r == 0 || n[KEEP_STRIDES + 2])) read_mask(t, n, r, first, count);
  Lanes top = lanes_splat(t->top[r]), sum = lanes_splat(0);
  for (int64_t i = 0; i < count; i += LANES) {
    const Lanes x = scaled_scores(t, n, r, first, i, seen);
    EACH_PART(p) {
      top.v[p] = max_of(top.v[p], x.v[p]);
      store(scores + i + p * VL, x.v[p]);
    }
  }
  const float old = t->top[r], new = largest_of(top), shift = shift_of(new);
  for (int64_t i = 0; i < count; i += LANES)
    EACH_PART(p) {
      const vf e = exp_of(load(scores + i + p * VL) - splat(shift));
      sum.v[p] += e;
      store(scores + i + p * VL, e);
    }
  const float factor = t->total[r] == 0 ? 0 : exp_of(splat(shift_of(old) - shift))[0];
  t->top[r] = new;
  t->total[r] = t->total[r] * factor + sum_of(sum);
  return factor;
}

/* Multiplies a row of results by a factor, or divides it. */
INLINE void scale_row(float *y, int64_t width, float factor, int divide) {
  for (int64_t i = 0; i < width; i += LANES) {
    Lanes x = lanes_of(y + i, width - i, 0);
    EACH_PART(p) x.v[p] = divide ? x.v[p] / splat(factor) : x.v[p] * splat(factor);
    store_lanes(y + i, x, width - i);
  }
}

static void add_values(Task *t, const int64_t *n, int64_t first, int64_t count) {
  const int64_t blocks = (n[WIDTH] + LANES - 1) / LANES;
  const Tile tile = {
      .x = t->scores, .x_row = SCORES, .offset = NO_OFFSET, .runs = 1, .run = count,
      .w = t->v + first * LANES, .w_block = n[ROOM] * LANES,
      .residual = first ? t->y : 0, .residual_row = n[Y_STRIDES + 2], .residual_block = LANES,
      .y = t->y, .y_row = n[Y_STRIDES + 2], .y_block = LANES,
  };
  NATIVE(multiply)(tile, t->rows, blocks, n[WIDTH] - (blocks - 1) * LANES);
}

static void attend(Task *t, const int64_t *n) {
  const int64_t seen = seen_by(t, n, t->first + t->rows - 1);
  for (int64_t r = 0; r < t->rows; r++) t->top[r] = -INFINITY, t->total[r] = 0;
  if (seen == 0)
    for (int64_t r = 0; r < t->rows; r++) memset(t->y + r * n[Y_STRIDES + 2], 0, (size_t)n[WIDTH] * 4);
  for (int64_t first = 0; first < seen; first += KEYS) {
    const int64_t count = least(seen - first, KEYS);
    score(t, n, first, count);
    for (int64_t r = 0; r < t->rows; r++) {
      const float factor = weigh_row(t, n, r, first, count);
      if (first && factor != 1) scale_row(t->y + r * n[Y_STRIDES + 2], n[WIDTH], factor, 0);
    }
    add_values(t, n, first, count);
  }
  for (int64_t r = 0; r < t->rows; r++)
    if (t->total[r] != 0) scale_row(t->y + r * n[Y_STRIDES + 2], n[WIDTH], t->total[r], 1);
}

/* Keys are packed [S/16][D][16] and values [E/16][S][16] for each batch and head. There are as many as there is room
 * for, or, in a cache, as many as there are queries after the past ones. A task is some queries of a head. */
void NATIVE(attention)(const Arguments *a, int64_t begin, int64_t end) {
  const int64_t *n = a->n, chunks = (n[QUERIES] + ROWS - 1) / ROWS;
  const int64_t size_k = (n[ROOM] + LANES - 1) / LANES * LANES * n[SIZE];
  const int64_t size_v = (n[WIDTH] + LANES - 1) / LANES * LANES * n[ROOM];
  const int64_t count = a->p[PAST] ? least(*(const int64_t *)a->p[PAST] + n[QUERIES], n[ROOM]) : n[ROOM];
  float scores[ROWS * SCORES];
  int32_t mask[SCORES];
  for (int64_t task = begin; task < end; task++) {
    const int64_t batch = task / chunks / n[HEADS], head = task / chunks % n[HEADS];
    const int64_t first = task % chunks * ROWS, group = batch * (n[HEADS] / n[SHARE]) + head / n[SHARE];
    const int64_t *q = n + Q_STRIDES, *y = n + Y_STRIDES, *keep = n + KEEP_STRIDES, *bias = n + BIAS_STRIDES;
    Task t = {
        .q = (const float *)a->p[Q] + batch * q[0] + head * q[1] + first * q[2],
        .k = (const float *)a->p[K] + group * size_k,
        .v = (const float *)a->p[V] + group * size_v,
        .y = (float *)a->p[Y] + batch * y[0] + head * y[1] + first * y[2],
        .first = first,
        .count = count,
        .rows = least(n[QUERIES] - first, ROWS),
        .scores = scores,
        .mask = mask,
    };
    if (a->p[KEEP]) t.keep = (const uint8_t *)a->p[KEEP] + batch * keep[0] + head * keep[1] + first * keep[2];
    if (a->p[BIAS]) t.bias = (const float *)a->p[BIAS] + batch * bias[0] + head * bias[1] + first * bias[2];
    attend(&t, n);
  }
}
