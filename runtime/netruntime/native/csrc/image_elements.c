/* Functions of elements on blocked images, which may have different borders. A task is a row of a block of an image. */
#include "activations.h"
#include "binaries.h"
#include "gradients.h"
#include "kernels.h"

enum { BATCH, BLOCKS, HEIGHT, WIDTH };
enum { IMAGE, BLOCK, ROW, FIRST, STRIDES }; /* of each image, floats, as in conv.c */
enum { OPERANDS = 4, KIND = OPERANDS + 3 * STRIDES };

INLINE float *row_of(const Arguments *a, int operand, int64_t task) {
  const int64_t *n = a->n, *s = n + OPERANDS + operand * STRIDES;
  const int64_t row = task % n[HEIGHT], plane = task / n[HEIGHT];
  return (float *)a->p[operand] + s[FIRST] + plane / n[BLOCKS] * s[IMAGE] + plane % n[BLOCKS] * s[BLOCK] + row * s[ROW];
}

void NATIVE(activate_image)(const Arguments *a, int64_t begin, int64_t end) {
  const Activation act = activation_of(a->n + KIND);
  const int64_t count = a->n[WIDTH] * LANES;
  for (int64_t task = begin; task < end; task++) {
    const float *x = row_of(a, 0, task);
    float *y = row_of(a, 1, task);
    for (int64_t i = 0; i < count; i += VL) store(y + i, activated(act, load(x + i)));
  }
}

#define ROW_OF(name) \
  case BINARY_##name: \
    for (int64_t i = 0; i < count; i += VL) store(z + i, binary_##name(load(x + i), load(y + i))); \
    break;
#define NUMBER(name) BINARY_##name,
enum { EACH_BINARY(NUMBER) };

void NATIVE(combine_images)(const Arguments *a, int64_t begin, int64_t end) {
  const int64_t count = a->n[WIDTH] * LANES;
  for (int64_t task = begin; task < end; task++) {
    const float *x = row_of(a, 0, task), *y = row_of(a, 1, task);
    float *z = row_of(a, 2, task);
    switch (a->n[KIND]) { EACH_BINARY(ROW_OF) }
  }
}

void NATIVE(image_gradient)(const Arguments *a, int64_t begin, int64_t end) {
  const int64_t count = a->n[WIDTH] * LANES, kind = a->n[KIND];
  const float parameter = float_of(a->n[KIND + 1]);
  for (int64_t task = begin; task < end; task++) {
    const float *dy = row_of(a, 0, task), *at = row_of(a, 1, task);
    float *dx = row_of(a, 2, task);
    for (int64_t i = 0; i < count; i += VL) store(dx + i, load(dy + i) * slope_of(kind, parameter, load(at + i)));
  }
}

/* The same on arrays; a task is `CHUNK` elements. */
void NATIVE(activation_gradient)(const Arguments *a, int64_t begin, int64_t end) {
  enum { DY, AT, DX };
  enum { COUNT, CHUNK, OF, PARAMETER };
  const int64_t *n = a->n, last = end * n[CHUNK] < n[COUNT] ? end * n[CHUNK] : n[COUNT];
  const float *dy = a->p[DY], *at = a->p[AT];
  float *dx = a->p[DX], parameter = float_of(n[PARAMETER]);
  int64_t i = begin * n[CHUNK];
  for (; i + VL <= last; i += VL) store(dx + i, load(dy + i) * slope_of(n[OF], parameter, load(at + i)));
  const int64_t left = last - i;
  if (left > 0) store_some(dx + i, load_some(dy + i, left) * slope_of(n[OF], parameter, load_some(at + i, left)), left);
}
