/* Copies between arrays of any strides, and rows of tables. */
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

/* Runs of a table [outer][rows][run] at ids: [outer][ids][run]. An id that is out of range reads row 0 and sets the
 * status: the results are dropped then. A task is an id. */
void NATIVE(gather)(const Arguments *a, int64_t begin, int64_t end) {
  enum { TABLE, IDS, Y, STATUS };
  enum { OUTER, ROWS, RUN, COUNT, IS_LONG, FROM_END };
  const int64_t *n = a->n;
  for (int64_t task = begin; task < end; task++) {
    int64_t id = n[IS_LONG] ? ((const int64_t *)a->p[IDS])[task] : ((const int32_t *)a->p[IDS])[task];
    if (id < 0 && n[FROM_END]) id += n[ROWS];
    if (id < 0 || id >= n[ROWS]) {
      __atomic_store_n((int32_t *)a->p[STATUS], 1, __ATOMIC_RELAXED);
      id = 0;
    }
    for (int64_t outer = 0; outer < n[OUTER]; outer++)
      memcpy((float *)a->p[Y] + (outer * n[COUNT] + task) * n[RUN],
             (const float *)a->p[TABLE] + (outer * n[ROWS] + id) * n[RUN], (size_t)n[RUN] * 4);
  }
}
