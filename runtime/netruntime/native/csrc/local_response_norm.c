/* Local response normalisation of blocked images: each element over a power of the squares of neighbouring channels. */
#include "kernels.h"
#include "vec.h"

#define CHANNELS_AT_MOST 2048
#define SIDE 64 /* at most so many neighbours on one side */

enum { X, Y };
enum {
  CHANNELS, ROWS, COLUMNS,
  X_IMAGE, X_BLOCK, X_ROW, X_FIRST, Y_IMAGE, Y_BLOCK, Y_ROW, Y_FIRST, /* floats */
  BEFORE, AFTER, SCALE, K, QUARTERS, /* of the exponent: 2, 3 or 4 */
};

INLINE vf power(vf x, int64_t quarters) {
  const vf root = sqrt_of(x);
  return quarters == 4 ? x : quarters == 3 ? root * sqrt_of(root) : root;
}

/* A task is a row of an image. The squares of a pixel lie in a row of their own, with zeros at both ends. */
void NATIVE(local_response_norm)(const Arguments *a, int64_t begin, int64_t end) {
  const int64_t *n = a->n, blocks = (n[CHANNELS] + LANES - 1) / LANES;
  float squares[CHANNELS_AT_MOST + 2 * SIDE + LANES] = {0};
  for (int64_t task = begin; task < end; task++) {
    const int64_t image = task / n[ROWS], row = task % n[ROWS];
    const float *x = (const float *)a->p[X] + n[X_FIRST] + image * n[X_IMAGE] + row * n[X_ROW];
    float *y = (float *)a->p[Y] + n[Y_FIRST] + image * n[Y_IMAGE] + row * n[Y_ROW];
    for (int64_t column = 0; column < n[COLUMNS]; column++, x += LANES, y += LANES) {
      for (int64_t block = 0; block < blocks; block++) {
        const int64_t left = n[CHANNELS] - block * LANES;
        Lanes part = lanes_of(x + block * n[X_BLOCK], left, 0);
        EACH_PART(p) part.v[p] *= part.v[p];
        store_lanes(squares + SIDE + block * LANES, part, LANES);
      }
      for (int64_t block = 0; block < blocks; block++)
        EACH_PART(p) {
          const int64_t at = block * LANES + p * VL;
          vf sum = {0};
          for (int64_t i = -n[BEFORE]; i <= n[AFTER]; i++) sum += load(squares + SIDE + at + i);
          const vf base = splat(float_of(n[K])) + splat(float_of(n[SCALE])) * sum;
          const float *from = x + block * n[X_BLOCK] + p * VL;
          store(y + block * n[Y_BLOCK] + p * VL, load(from) / power(base, n[QUARTERS]));
        }
    }
  }
}
