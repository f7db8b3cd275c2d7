/* Operators on single elements of arrays that lie contiguously. */
#include "activations.h"
#include "kernels.h"

#define CHUNK 4096 /* elements of a task */

/* An activation of all elements. */
void NATIVE(activate)(const Arguments *a, int64_t begin, int64_t end) {
  enum { X, Y };
  enum { COUNT, ACT };
  const int64_t *n = a->n, last = end * CHUNK < n[COUNT] ? end * CHUNK : n[COUNT];
  const Activation act = {n[ACT]};
  const float *x = a->p[X];
  float *y = a->p[Y];
  int64_t i = begin * CHUNK;
  for (; i + VL <= last; i += VL) store(y + i, activated(act, load(x + i)));
  if (i < last) store_some(y + i, activated(act, load_some(x + i, last - i)), last - i);
}
