/* Comparisons, choices and conversions of elements of several types. A task is a chunk of elements on the last axis of
 * arrays of any strides; results are contiguous. */
#include "kernels.h"
#include "strides.h"

enum { F32, I32, I64, BOOL }; /* as in lowering/selection.py */

/* Where a task is: its first element in the arrays that are read and in the result, and how many it has. */
typedef struct {
  int64_t at[3], step[3], first, count;
} Place;

INLINE Place place_of(int64_t task, const int64_t *sizes, const int64_t *strides, int arrays, int64_t length) {
  const int64_t last = sizes[AXES - 1], chunks = (last + length - 1) / length, first = task % chunks * length;
  Place p = {.first = task / chunks * last + first, .count = last - first < length ? last - first : length};
  for (int array = 0; array < arrays; array++) {
    p.step[array] = strides[array * AXES + AXES - 1];
    p.at[array] = first * p.step[array];
  }
  add_position(task / chunks, sizes, strides, arrays, 1, p.at);
  return p;
}

#define CHOICE(type)                                                                                            \
  INLINE void choose_steps_##type(const Place *p, const uint8_t *c, const type *a, const type *b, type *y,      \
                                  int64_t step_c, int64_t step_a, int64_t step_b) {                             \
    for (int64_t i = 0; i < p->count; i++) {                                                                    \
      const type yes = a[i * step_a], no = b[i * step_b];                                                       \
      y[i] = c[i * step_c] ? yes : no;                                                                          \
    }                                                                                                           \
  }                                                                                                             \
  static void choose_##type(const Arguments *a, const Place *p) {                                               \
    const uint8_t *c = (const uint8_t *)a->p[0] + p->at[0];                                                     \
    const type *yes = (const type *)a->p[1] + p->at[1], *no = (const type *)a->p[2] + p->at[2];                 \
    type *y = (type *)a->p[3] + p->first;                                                                       \
    const int64_t *s = p->step;                                                                                 \
    if (s[0] == 1 && s[1] == 1 && s[2] == 1) choose_steps_##type(p, c, yes, no, y, 1, 1, 1);                    \
    else if (s[0] == 1 && s[1] == 1 && s[2] == 0) choose_steps_##type(p, c, yes, no, y, 1, 1, 0);               \
    else choose_steps_##type(p, c, yes, no, y, s[0], s[1], s[2]);                                               \
  }
CHOICE(uint8_t)
CHOICE(uint32_t)
CHOICE(uint64_t)

/* One of two elements by a boolean. */
void NATIVE(where)(const Arguments *a, int64_t begin, int64_t end) {
  enum { ITEM, LENGTH, SIZES, STRIDES = SIZES + AXES };
  const int64_t *n = a->n;
  for (int64_t task = begin; task < end; task++) {
    const Place p = place_of(task, n + SIZES, n + STRIDES, 3, n[LENGTH]);
    if (n[ITEM] == 1) choose_uint8_t(a, &p);
    else if (n[ITEM] == 4) choose_uint32_t(a, &p);
    else choose_uint64_t(a, &p);
  }
}

#define RELATION(number, relation) \
  case number: \
    for (int64_t i = 0; i < p->count; i++) y[i] = a[i * step_a] relation b[i * step_b]; \
    break;
#define COMPARISON(type)                                                                                        \
  static void compare_##type(const Arguments *arguments, const Place *p, int64_t relation) {                    \
    const type *a = (const type *)arguments->p[0] + p->at[0], *b = (const type *)arguments->p[1] + p->at[1];    \
    uint8_t *y = (uint8_t *)arguments->p[2] + p->first;                                                         \
    const int64_t step_a = p->step[0], step_b = p->step[1];                                                     \
    switch (relation) {                                                                                         \
      RELATION(0, ==) RELATION(1, !=) RELATION(2, <) RELATION(3, <=) RELATION(4, >) RELATION(5, >=)             \
    }                                                                                                           \
  }
COMPARISON(float)
COMPARISON(int32_t)
COMPARISON(int64_t)
COMPARISON(uint8_t)

void NATIVE(compare)(const Arguments *a, int64_t begin, int64_t end) {
  enum { TYPE, RELATION, LENGTH, SIZES, STRIDES = SIZES + AXES };
  const int64_t *n = a->n;
  for (int64_t task = begin; task < end; task++) {
    const Place p = place_of(task, n + SIZES, n + STRIDES, 2, n[LENGTH]);
    if (n[TYPE] == F32) compare_float(a, &p, n[RELATION]);
    else if (n[TYPE] == I32) compare_int32_t(a, &p, n[RELATION]);
    else if (n[TYPE] == I64) compare_int64_t(a, &p, n[RELATION]);
    else compare_uint8_t(a, &p, n[RELATION]);
  }
}

#define CONVERSION(from, to) \
  static void from_##from##_to_##to(const from *x, to *y, int64_t begin, int64_t end) { \
    for (int64_t i = begin; i < end; i++) y[i] = (to)x[i]; \
  }
#define TRUTH(from) \
  static void from_##from##_to_bool(const from *x, uint8_t *y, int64_t begin, int64_t end) { \
    for (int64_t i = begin; i < end; i++) y[i] = x[i] != 0; \
  }
CONVERSION(int32_t, float) CONVERSION(int64_t, float) CONVERSION(uint8_t, float)
CONVERSION(int64_t, int32_t) CONVERSION(uint8_t, int32_t) CONVERSION(int32_t, int64_t) CONVERSION(uint8_t, int64_t)
TRUTH(float) TRUTH(int32_t) TRUTH(int64_t)

/* Another type of all elements of a contiguous array; not from floats to integers. A task is `LENGTH` elements. */
void NATIVE(cast)(const Arguments *a, int64_t begin, int64_t end) {
  enum { FROM, TO, COUNT, LENGTH };
  const int64_t *n = a->n, kind = n[FROM] * 4 + n[TO];
  const int64_t first = begin * n[LENGTH], last = end * n[LENGTH] < n[COUNT] ? end * n[LENGTH] : n[COUNT];
  const void *x = a->p[0];
  void *y = a->p[1];
  switch (kind) {
    case F32 * 4 + BOOL: from_float_to_bool(x, y, first, last); break;
    case I32 * 4 + F32: from_int32_t_to_float(x, y, first, last); break;
    case I32 * 4 + I64: from_int32_t_to_int64_t(x, y, first, last); break;
    case I32 * 4 + BOOL: from_int32_t_to_bool(x, y, first, last); break;
    case I64 * 4 + F32: from_int64_t_to_float(x, y, first, last); break;
    case I64 * 4 + I32: from_int64_t_to_int32_t(x, y, first, last); break;
    case I64 * 4 + BOOL: from_int64_t_to_bool(x, y, first, last); break;
    case BOOL * 4 + F32: from_uint8_t_to_float(x, y, first, last); break;
    case BOOL * 4 + I32: from_uint8_t_to_int32_t(x, y, first, last); break;
    default: from_uint8_t_to_int64_t(x, y, first, last);
  }
}
