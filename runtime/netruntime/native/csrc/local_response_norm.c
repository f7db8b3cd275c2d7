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

/* The squares of all channels of a pixel. */
INLINE void put_squares(float *squares, const float *x, int64_t x_block, int64_t channels) {
  for (int64_t first = 0; first < channels; first += LANES, x += x_block) {
    Lanes part = lanes_of(x, channels - first, 0);
    EACH_PART(p) part.v[p] *= part.v[p];
    store_lanes(squares + first, part, LANES);
  }
}

/* What is raised to the exponent, from the squares of neighbouring channels. */
INLINE vf base_of(const float *squares, const int64_t *n) {
  vf sum = {0};
  for (int64_t i = -n[BEFORE]; i <= n[AFTER]; i++) sum += load(squares + i);
  return splat(float_of(n[K])) + splat(float_of(n[SCALE])) * sum;
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
      put_squares(squares + SIDE, x, n[X_BLOCK], n[CHANNELS]);
      for (int64_t block = 0; block < blocks; block++)
        EACH_PART(p) {
          const vf base = base_of(squares + SIDE + block * LANES + p * VL, n);
          const float *from = x + block * n[X_BLOCK] + p * VL;
          store(y + block * n[Y_BLOCK] + p * VL, load(from) / power(base, n[QUARTERS]));
        }
    }
  }
}

/* The gradient from dy: t - 2 alpha beta / size x sum(t x / base), where t is dy over the power of the base; the sum takes
 * the channels whose windows contain one. A task is a row of an image. */
void NATIVE(local_response_norm_gradient)(const Arguments *a, int64_t begin, int64_t end) {
  enum { FLOW, FROM, DX };
  enum { DX_IMAGE = QUARTERS + 1, DX_BLOCK, DX_ROW, DX_FIRST, FACTOR };
  const int64_t *n = a->n, blocks = (n[CHANNELS] + LANES - 1) / LANES;
  float squares[CHANNELS_AT_MOST + 2 * SIDE + LANES] = {0}, shares[CHANNELS_AT_MOST + 2 * SIDE + LANES] = {0};
  const vf factor = splat(float_of(n[FACTOR]));
  for (int64_t task = begin; task < end; task++) {
    const int64_t image = task / n[ROWS], row = task % n[ROWS];
    const float *x = (const float *)a->p[FROM] + n[X_FIRST] + image * n[X_IMAGE] + row * n[X_ROW];
    const float *dy = (const float *)a->p[FLOW] + n[Y_FIRST] + image * n[Y_IMAGE] + row * n[Y_ROW];
    float *dx = (float *)a->p[DX] + n[DX_FIRST] + image * n[DX_IMAGE] + row * n[DX_ROW];
    for (int64_t column = 0; column < n[COLUMNS]; column++, x += LANES, dy += LANES, dx += LANES) {
      put_squares(squares + SIDE, x, n[X_BLOCK], n[CHANNELS]);
      for (int64_t block = 0; block < blocks; block++) {
        Lanes share;
        EACH_PART(p) {
          const int64_t at = block * LANES + p * VL;
          const vf base = base_of(squares + SIDE + at, n);
          const vf flow = load(dy + block * n[Y_BLOCK] + p * VL) / power(base, n[QUARTERS]);
          store(dx + block * n[DX_BLOCK] + p * VL, flow);
          share.v[p] = flow * load(x + block * n[X_BLOCK] + p * VL) / base;
        }
        store_lanes(shares + SIDE + block * LANES, share, n[CHANNELS] - block * LANES);
      }
      for (int64_t block = 0; block < blocks; block++)
        EACH_PART(p) {
          vf sum = {0};
          for (int64_t i = -n[AFTER]; i <= n[BEFORE]; i++) sum += load(shares + SIDE + block * LANES + p * VL + i);
          float *at = dx + block * n[DX_BLOCK] + p * VL;
          store(at, load(at) - sum * load(x + block * n[X_BLOCK] + p * VL) * factor);
        }
    }
  }
}
