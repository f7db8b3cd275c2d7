/* The sum of each column of a matrix. */
#include "kernels.h"
#include "vec.h"

#define ROWS_AT_ONCE 64 /* are summed before they are added to the others, which keeps rounding small */

INLINE vf part_of(const float *x, int64_t count) { return count < VL ? load_some(x, count) : load(x); }

/* A task is `CHUNK` columns. */
void NATIVE(sum_rows)(const Arguments *a, int64_t begin, int64_t end) {
  enum { X, Y };
  enum { ROWS, COLUMNS, CHUNK };
  const int64_t *n = a->n, last = end * n[CHUNK] < n[COLUMNS] ? end * n[CHUNK] : n[COLUMNS];
  const float *x = a->p[X];
  float *y = a->p[Y];
  for (int64_t column = begin * n[CHUNK]; column < last; column += VL) {
    const int64_t count = last - column < VL ? last - column : VL;
    vf total = {0};
    for (int64_t row = 0; row < n[ROWS];) {
      const int64_t stop = row + ROWS_AT_ONCE < n[ROWS] ? row + ROWS_AT_ONCE : n[ROWS];
      vf sum = {0};
      for (; row < stop; row++) sum += part_of(x + row * n[COLUMNS] + column, count);
      total += sum;
    }
    store_some(y + column, total, count);
  }
}
