/* Positions in arrays of any strides: an index counts through the axes as NumPy orders them. */
#pragma once
#include "vec.h"

#define AXES 6

/* Adds the position of the index to each of `count` offsets; the sizes, and the strides of each array, have AXES
 * numbers, of which the last `inner` are left out. */
INLINE void add_position(int64_t index, const int64_t *sizes, const int64_t *strides, int count, int inner, int64_t *at) {
  for (int axis = AXES - 1 - inner; axis >= 0 && index; axis--) {
    const int64_t place = index % sizes[axis];
    index /= sizes[axis];
    for (int array = 0; array < count; array++) at[array] += place * strides[array * AXES + axis];
  }
}

/* The number of positions of the axes but the last `inner`. */
INLINE int64_t positions(const int64_t *sizes, int inner) {
  int64_t count = 1;
  for (int axis = 0; axis < AXES - inner; axis++) count *= sizes[axis];
  return count;
}
