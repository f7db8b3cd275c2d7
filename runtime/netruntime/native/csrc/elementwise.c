/* Operators on single elements of arrays. */
#include "activations.h"
#include "binaries.h"
#include "kernels.h"
#include "strides.h"

#define CHUNK 4096 /* elements of a task */

/* A function of all elements of an array that lies contiguously. */
void NATIVE(activate)(const Arguments *a, int64_t begin, int64_t end) {
  enum { X, Y };
  enum { COUNT, ACT };
  const int64_t *n = a->n, last = end * CHUNK < n[COUNT] ? end * CHUNK : n[COUNT];
  const Activation act = activation_of(n + ACT);
  const float *x = a->p[X];
  float *y = a->p[Y];
  int64_t i = begin * CHUNK;
  for (; i + VL <= last; i += VL) store(y + i, activated(act, load(x + i)));
  if (i < last) store_some(y + i, activated(act, load_some(x + i, last - i)), last - i);
}

/* `count` elements from `step` floats to the next, the others of the vector 0. */
INLINE vf load_steps(const float *p, int64_t step, int64_t count) {
  vf x = {0};
  for (int64_t i = 0; i < count; i++) x[i] = p[i * step];
  return x;
}

INLINE vf operand(const float *p, int64_t i, int64_t step, int64_t count) {
  if (step == 0) return splat(*p);
  if (step != 1) return load_steps(p + i * step, step, count);
  return count == VL ? load(p + i) : load_some(p + i, count);
}

typedef struct {
  const float *a, *b;
  int64_t step_a, step_b;
  float *y;
  int64_t count;
} Row;

#define ROWS(name)                                                                                              \
  INLINE void steps_##name(Row r, int64_t step_a, int64_t step_b) {                                             \
    int64_t i = 0;                                                                                              \
    for (; i + VL <= r.count; i += VL)                                                                          \
      store(r.y + i, binary_##name(operand(r.a, i, step_a, VL), operand(r.b, i, step_b, VL)));                  \
    const int64_t left = r.count - i;                                                                           \
    if (left) store_some(r.y + i, binary_##name(operand(r.a, i, step_a, left), operand(r.b, i, step_b, left)), left); \
  }                                                                                                             \
  static void row_##name(Row r) {                                                                               \
    if (r.step_a == 1 && r.step_b == 1) steps_##name(r, 1, 1);                                                  \
    else if (r.step_a == 1 && r.step_b == 0) steps_##name(r, 1, 0);                                             \
    else if (r.step_a == 0 && r.step_b == 1) steps_##name(r, 0, 1);                                             \
    else steps_##name(r, r.step_a, r.step_b);                                                                   \
  }
EACH_BINARY(ROWS)

#define ENTRY(name) row_##name,
static void (*const BINARIES[])(Row) = {EACH_BINARY(ENTRY)};

/* A function of two arrays of any strides; the result is contiguous. A task is a chunk of elements on the last axis. */
void NATIVE(binary)(const Arguments *a, int64_t begin, int64_t end) {
  enum { A, B, Y };
  enum { FUNCTION, LENGTH, SIZES, STRIDES = SIZES + AXES };
  const int64_t *n = a->n, *strides = n + STRIDES, last = n[SIZES + AXES - 1];
  const int64_t chunks = (last + n[LENGTH] - 1) / n[LENGTH];
  for (int64_t task = begin; task < end; task++) {
    const int64_t row = task / chunks, first = task % chunks * n[LENGTH];
    int64_t at[2] = {0, 0};
    add_position(row, n + SIZES, strides, 2, 1, at);
    const int64_t step_a = strides[AXES - 1], step_b = strides[2 * AXES - 1];
    BINARIES[n[FUNCTION]]((Row){
        .a = (const float *)a->p[A] + at[0] + first * step_a,
        .b = (const float *)a->p[B] + at[1] + first * step_b,
        .step_a = step_a,
        .step_b = step_b,
        .y = (float *)a->p[Y] + row * last + first,
        .count = last - first < n[LENGTH] ? last - first : n[LENGTH],
    });
  }
}

/* A function of two arrays of booleans of any strides: and, or, exclusive or. A task is as above. */
void NATIVE(logical)(const Arguments *a, int64_t begin, int64_t end) {
  enum { A, B, Y };
  enum { FUNCTION, LENGTH, SIZES, STRIDES = SIZES + AXES };
  enum { AND, OR, XOR };
  const int64_t *n = a->n, *strides = n + STRIDES, last = n[SIZES + AXES - 1];
  const int64_t chunks = (last + n[LENGTH] - 1) / n[LENGTH];
  for (int64_t task = begin; task < end; task++) {
    const int64_t row = task / chunks, first = task % chunks * n[LENGTH];
    const int64_t count = last - first < n[LENGTH] ? last - first : n[LENGTH];
    const int64_t step_a = strides[AXES - 1], step_b = strides[2 * AXES - 1];
    int64_t at[2] = {first * step_a, first * step_b};
    add_position(row, n + SIZES, strides, 2, 1, at);
    const uint8_t *p = (const uint8_t *)a->p[A] + at[0], *q = (const uint8_t *)a->p[B] + at[1];
    uint8_t *y = (uint8_t *)a->p[Y] + row * last + first;
    for (int64_t i = 0; i < count; i++, p += step_a, q += step_b)
      y[i] = n[FUNCTION] == AND ? *p & *q : n[FUNCTION] == OR ? *p | *q : *p ^ *q;
  }
}
