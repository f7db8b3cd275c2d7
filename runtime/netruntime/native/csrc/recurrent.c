/* One step of a recurrent cell. The products of the inputs are there already; a record is one step of all rows, and a
 * loop runs it for each.
 *
 * Weights are packed in panels: a panel is the columns of all gates for WIDTH blocks of 16 units, gate by gate. So a
 * task computes all gates of some units, and then their new states. States of the step before and of this one are two
 * arrays that change places. Rows whose sequence has ended keep their state, and output 0. */
#include "kernels.h"
#include "tile.h"

#define MAX_PANEL 8 /* blocks of 16 columns */
#define MAX_CHUNK 28

enum { X, WEIGHT, STATE, Y, LENGTH, BIAS, MORE, TEMPORARY };
enum {
  ROWS,
  HIDDEN,
  GATES,   /* of the weights */
  WIDTH,   /* blocks of units of a panel */
  BLOCK,   /* floats of a block of weights */
  CHUNK,   /* rows of a task */
  X_ROW,   /* floats from one sequence to the next */
  Y_ROW,
  STEPS,
  REVERSE,
  LENGTH_SIZE, /* bytes of a length */
  ACT /* three numbers */
};

static const int32_t NO_OFFSET[1] = {0};

/* The task's part: rows and units, and the products of their states with the weights. */
typedef struct {
  const int64_t *n;
  int64_t row, rows, unit, units, time;
  float sums[MAX_CHUNK * MAX_PANEL * LANES];
} Part;

/* Computes the products for a task; `state` is an array [ROWS][HIDDEN]. */
static void begin_part(Part *part, const Arguments *a, int64_t task, const float *state) {
  const int64_t *n = part->n = a->n, chunks = (n[ROWS] + n[CHUNK] - 1) / n[CHUNK];
  const int64_t panel = task / chunks, columns = n[GATES] * n[WIDTH];
  part->row = task % chunks * n[CHUNK];
  part->rows = n[ROWS] - part->row < n[CHUNK] ? n[ROWS] - part->row : n[CHUNK];
  part->unit = panel * n[WIDTH] * LANES;
  part->units = n[HIDDEN] - part->unit < n[WIDTH] * LANES ? n[HIDDEN] - part->unit : n[WIDTH] * LANES;
  part->time = n[REVERSE] ? n[STEPS] - 1 - a->time : a->time;
  const Tile tile = {
      .x = state + part->row * n[HIDDEN],
      .x_row = n[HIDDEN],
      .offset = NO_OFFSET,
      .runs = 1,
      .run = n[HIDDEN],
      .w = (const float *)a->p[WEIGHT] + panel * columns * n[BLOCK],
      .w_block = n[BLOCK],
      .y = part->sums,
      .y_row = columns * LANES,
      .y_block = LANES,
  };
  NATIVE(multiply)(tile, part->rows, columns, LANES);
}

/* The products of one row and gate, from unit `u` of the part on. */
INLINE vf product_of(const Part *part, int64_t r, int64_t gate, int64_t u) {
  const int64_t *n = part->n;
  return load(part->sums + ((r * n[GATES] + gate) * n[WIDTH]) * LANES + u);
}

INLINE int has_ended(const Part *part, const Arguments *a, int64_t r) {
  const int64_t row = part->row + r;
  if (!a->p[LENGTH]) return 0;
  const int64_t length = part->n[LENGTH_SIZE] == 8 ? ((const int64_t *)a->p[LENGTH])[row]
                                                   : ((const int32_t *)a->p[LENGTH])[row];
  return part->time >= length;
}

INLINE vf load_up_to(const float *p, int64_t count) { return count >= VL ? load(p) : load_some(p, count); }
INLINE void store_up_to(float *p, vf x, int64_t count) {
  if (count >= VL) store(p, x);
  else store_some(p, x, count);
}

/* Where the state of the step before is, and that of this one. */
INLINE const float *old_state(const Arguments *a) {
  return (const float *)a->p[STATE] + a->time % 2 * a->n[ROWS] * a->n[HIDDEN];
}
INLINE float *new_state(const Arguments *a) {
  return (float *)a->p[STATE] + (a->time + 1) % 2 * a->n[ROWS] * a->n[HIDDEN];
}

#define EACH_UNIT(part, u, left) \
  for (int64_t u = 0, left; (left = (part)->units - u) > 0; u += VL)

/* Stores the new state of units, which is also the output, or what an ended sequence keeps. */
INLINE void store_state(const Part *part, const Arguments *a, int64_t r, int64_t u, int64_t left, vf h) {
  const int64_t row = part->row + r, unit = part->unit + u;
  const int64_t at = row * part->n[HIDDEN] + unit;
  vf y = h;
  if (has_ended(part, a, r)) {
    h = load_up_to(old_state(a) + at, left);
    y = (vf){0};
  }
  store_up_to(new_state(a) + at, h, left);
  store_up_to((float *)a->p[Y] + row * part->n[Y_ROW] + unit, y, left);
}

/* act(x + h U). */
void NATIVE(rnn)(const Arguments *a, int64_t begin, int64_t end) {
  Part part;
  for (int64_t task = begin; task < end; task++) {
    begin_part(&part, a, task, old_state(a));
    for (int64_t r = 0; r < part.rows; r++) {
      const float *x = (const float *)a->p[X] + (part.row + r) * a->n[X_ROW] + part.unit;
      EACH_UNIT(&part, u, left) {
        const vf sum = load_up_to(x + u, left) + product_of(&part, r, 0, u);
        store_state(&part, a, r, u, left, activated(activation_of(&a->n[ACT]), sum));
      }
    }
  }
}

/* Gates input, forget, cell, output. MORE is the cell state, which each task updates in place; BIAS has the weights
 * from the cell state to the input, forget and output gate. */
void NATIVE(lstm)(const Arguments *a, int64_t begin, int64_t end) {
  enum { INPUT, FORGET, CELL, OUTPUT };
  const int64_t hidden = a->n[HIDDEN];
  Part part;
  for (int64_t task = begin; task < end; task++) {
    begin_part(&part, a, task, old_state(a));
    for (int64_t r = 0; r < part.rows; r++) {
      const float *x = (const float *)a->p[X] + (part.row + r) * a->n[X_ROW] + part.unit;
      float *cell = (float *)a->p[MORE] + (part.row + r) * hidden + part.unit;
      const int ended = has_ended(&part, a, r);
      EACH_UNIT(&part, u, left) {
        vf gate[4];
        UNROLL for (int g = 0; g < 4; g++) gate[g] = load_up_to(x + g * hidden + u, left) + product_of(&part, r, g, u);
        const vf before = load_up_to(cell + u, left);
        const float *seen = a->p[BIAS] ? (const float *)a->p[BIAS] + part.unit + u : 0;
        if (seen) {
          gate[INPUT] += before * load_up_to(seen, left);
          gate[FORGET] += before * load_up_to(seen + hidden, left);
        }
        const vf c = sigmoid_of(gate[FORGET]) * before + sigmoid_of(gate[INPUT]) * tanh_of(gate[CELL]);
        if (seen) gate[OUTPUT] += c * load_up_to(seen + 2 * hidden, left);
        store_state(&part, a, r, u, left, sigmoid_of(gate[OUTPUT]) * tanh_of(c));
        if (!ended) store_up_to(cell + u, c, left);
      }
    }
  }
}

/* Gates reset, update, new. Here the reset gate is applied to the product of the new gate, after its bias. With TEMPORARY
 * it was applied to the state before, by `gru_gates`: the weights are of the new gate alone, and TEMPORARY has the
 * update gate and the state times the reset gate. */
void NATIVE(gru)(const Arguments *a, int64_t begin, int64_t end) {
  const int64_t hidden = a->n[HIDDEN];
  const float *update = a->p[TEMPORARY], *kept = update ? update + a->n[ROWS] * hidden : old_state(a);
  Part part;
  for (int64_t task = begin; task < end; task++) {
    begin_part(&part, a, task, kept);
    for (int64_t r = 0; r < part.rows; r++) {
      const int64_t at = (part.row + r) * hidden + part.unit;
      const float *x = (const float *)a->p[X] + (part.row + r) * a->n[X_ROW] + part.unit;
      EACH_UNIT(&part, u, left) {
        const vf before = load_up_to(old_state(a) + at + u, left), own = load_up_to(x + 2 * hidden + u, left);
        vf z, product;
        if (update) {
          z = load_up_to(update + at + u, left);
          product = product_of(&part, r, 0, u);
        } else {
          const vf reset = sigmoid_of(load_up_to(x + u, left) + product_of(&part, r, 0, u));
          z = sigmoid_of(load_up_to(x + hidden + u, left) + product_of(&part, r, 1, u));
          product = product_of(&part, r, 2, u);
          if (a->p[BIAS]) product += load_up_to((const float *)a->p[BIAS] + part.unit + u, left);
          product = reset * product;
        }
        const vf h = (splat(1.0f) - z) * tanh_of(own + product) + z * before;
        store_state(&part, a, r, u, left, h);
      }
    }
  }
}

/* The update gate, and the state times the reset gate. */
void NATIVE(gru_gates)(const Arguments *a, int64_t begin, int64_t end) {
  const int64_t hidden = a->n[HIDDEN];
  Part part;
  for (int64_t task = begin; task < end; task++) {
    begin_part(&part, a, task, old_state(a));
    for (int64_t r = 0; r < part.rows; r++) {
      const int64_t at = (part.row + r) * hidden + part.unit;
      const float *x = (const float *)a->p[X] + (part.row + r) * a->n[X_ROW] + part.unit;
      float *update = (float *)a->p[TEMPORARY] + at, *kept = update + a->n[ROWS] * hidden;
      EACH_UNIT(&part, u, left) {
        const vf reset = sigmoid_of(load_up_to(x + u, left) + product_of(&part, r, 0, u));
        store_up_to(update + u, sigmoid_of(load_up_to(x + hidden + u, left) + product_of(&part, r, 1, u)), left);
        store_up_to(kept + u, reset * load_up_to(old_state(a) + at + u, left), left);
      }
    }
  }
}
