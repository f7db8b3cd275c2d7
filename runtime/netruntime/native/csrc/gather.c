/* Elements of arrays at ids, and the gradients: sums at ids, each in the order of the ids.
 *
 * An id that is out of range is taken as 0 and sets the status: the results are dropped then. */
#include "kernels.h"
#include "vec.h"

INLINE int64_t id_at(const void *ids, int64_t i, int64_t is_long, int64_t size, int64_t from_end, int32_t *status) {
  int64_t id = is_long ? ((const int64_t *)ids)[i] : ((const int32_t *)ids)[i];
  if (id < 0 && from_end) id += size;
  if (id >= 0 && id < size) return id;
  __atomic_store_n(status, 1, __ATOMIC_RELAXED);
  return 0;
}

/* Runs of a table [outer][rows][run] at ids: [outer][ids][run]. A task is an id. */
void NATIVE(gather)(const Arguments *a, int64_t begin, int64_t end) {
  enum { TABLE, IDS, Y, STATUS };
  enum { OUTER, ROWS, RUN, COUNT, IS_LONG, FROM_END };
  const int64_t *n = a->n;
  for (int64_t task = begin; task < end; task++) {
    const int64_t id = id_at(a->p[IDS], task, n[IS_LONG], n[ROWS], n[FROM_END], a->p[STATUS]);
    for (int64_t outer = 0; outer < n[OUTER]; outer++)
      memcpy((float *)a->p[Y] + (outer * n[COUNT] + task) * n[RUN],
             (const float *)a->p[TABLE] + (outer * n[ROWS] + id) * n[RUN], (size_t)n[RUN] * 4);
  }
}

INLINE void add_run(float *sum, const float *x, int64_t count) {
  int64_t i = 0;
  for (; i + VL <= count; i += VL) store(sum + i, load(sum + i) + load(x + i));
  if (i < count) store_some(sum + i, load_some(sum + i, count - i) + load_some(x + i, count - i), count - i);
}

/* Zeros [outer][rows][run] with [outer][ids][run] added at the ids. A task is `LENGTH` rows of the outer arrays. */
void NATIVE(gather_gradient)(const Arguments *a, int64_t begin, int64_t end) {
  enum { DY, IDS, SUMS, STATUS };
  enum { OUTER, ROWS, RUN, COUNT, IS_LONG, LENGTH };
  const int64_t *n = a->n, chunks = (n[ROWS] + n[LENGTH] - 1) / n[LENGTH];
  for (int64_t task = begin; task < end; task++) {
    const int64_t outer = task / chunks, first = task % chunks * n[LENGTH];
    const int64_t last = first + n[LENGTH] < n[ROWS] ? first + n[LENGTH] : n[ROWS];
    float *sums = (float *)a->p[SUMS] + outer * n[ROWS] * n[RUN];
    memset(sums + first * n[RUN], 0, (size_t)((last - first) * n[RUN]) * 4);
    for (int64_t i = 0; i < n[COUNT]; i++) {
      const int64_t id = id_at(a->p[IDS], i, n[IS_LONG], n[ROWS], 1, a->p[STATUS]);
      if (id < first || id >= last) continue;
      add_run(sums + id * n[RUN], (const float *)a->p[DY] + (outer * n[COUNT] + i) * n[RUN], n[RUN]);
    }
  }
}

enum { X, IDS, Y, STATUS };
enum { SIZE, COUNT, INNER, IS_LONG, FROM_END };

/* Elements of [outer][size][inner] at ids [outer][count][inner]. A task is one of the outer arrays. */
void NATIVE(gather_elements)(const Arguments *a, int64_t begin, int64_t end) {
  const int64_t *n = a->n, ids = n[COUNT] * n[INNER];
  for (int64_t task = begin; task < end; task++) {
    const float *x = (const float *)a->p[X] + task * n[SIZE] * n[INNER];
    for (int64_t i = 0; i < ids; i++) {
      const int64_t id = id_at(a->p[IDS], task * ids + i, n[IS_LONG], n[SIZE], n[FROM_END], a->p[STATUS]);
      ((float *)a->p[Y])[task * ids + i] = x[id * n[INNER] + i % n[INNER]];
    }
  }
}

/* Zeros [outer][size][inner] with [outer][count][inner] added at the ids. A task is one of the outer arrays. */
void NATIVE(gather_elements_gradient)(const Arguments *a, int64_t begin, int64_t end) {
  const int64_t *n = a->n, ids = n[COUNT] * n[INNER];
  for (int64_t task = begin; task < end; task++) {
    float *sums = (float *)a->p[Y] + task * n[SIZE] * n[INNER];
    memset(sums, 0, (size_t)(n[SIZE] * n[INNER]) * 4);
    for (int64_t i = 0; i < ids; i++) {
      const int64_t id = id_at(a->p[IDS], task * ids + i, n[IS_LONG], n[SIZE], 1, a->p[STATUS]);
      sums[id * n[INNER] + i % n[INNER]] += ((const float *)a->p[X])[task * ids + i];
    }
  }
}
