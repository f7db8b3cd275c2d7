/* Copies between arrays of any strides. */
#include "kernels.h"
#include "strides.h"

enum { FROM, TO };

/* A run of `count` items of a type from one step to another. */
#define RUN(type)                                                                                     \
  static void run_##type(const char *from, char *to, int64_t step_from, int64_t step_to, int64_t count) { \
    const type *x = (const type *)from;                                                               \
    type *y = (type *)to;                                                                             \
    if (step_from == 1 && step_to == 1) memcpy(y, x, (size_t)count * sizeof(type));                   \
    else if (step_to == 1)                                                                            \
      for (int64_t i = 0; i < count; i++) y[i] = x[i * step_from];                                    \
    else                                                                                              \
      for (int64_t i = 0; i < count; i++) y[i * step_to] = x[i * step_from];                          \
  }
RUN(uint8_t)
RUN(uint16_t)
RUN(uint32_t)
RUN(uint64_t)

/* Copies items; strides count items. A task is a chunk of them on the last axis. */
void NATIVE(copy_strides)(const Arguments *a, int64_t begin, int64_t end) {
  enum { ITEM, LENGTH, SIZES, STRIDES = SIZES + AXES };
  const int64_t *n = a->n, *strides = n + STRIDES, item = n[ITEM], last = n[SIZES + AXES - 1];
  const int64_t chunks = (last + n[LENGTH] - 1) / n[LENGTH];
  const int64_t step_from = strides[AXES - 1], step_to = strides[2 * AXES - 1];
  for (int64_t task = begin; task < end; task++) {
    const int64_t first = task % chunks * n[LENGTH];
    const int64_t count = last - first < n[LENGTH] ? last - first : n[LENGTH];
    int64_t at[2] = {first * step_from, first * step_to};
    add_position(task / chunks, n + SIZES, strides, 2, 1, at);
    const char *x = (const char *)a->p[FROM] + at[0] * item;
    char *y = (char *)a->p[TO] + at[1] * item;
    if (item == 1) run_uint8_t(x, y, step_from, step_to, count);
    else if (item == 2) run_uint16_t(x, y, step_from, step_to, count);
    else if (item == 4) run_uint32_t(x, y, step_from, step_to, count);
    else run_uint64_t(x, y, step_from, step_to, count);
  }
}
