/* Depthwise convolution on blocked images [B][C/16][H][W][16], whose border holds the zeros of the padding: each channel
 * is convolved alone, so the 16 channels of a block are the lanes of a vector. */
#include "activations.h"
#include "kernels.h"

enum { X, W, BIAS, RESIDUAL, Y, OFFSET };
enum {
  BLOCKS, HEIGHT, WIDTH, TAPS, /* of the result, and of a window */
  X_BLOCK, X_IMAGE, X_ROW, X_PIXEL, X_FIRST, /* floats between blocks, images, output rows and pixels; to the first */
  Y_IMAGE, Y_BLOCK, Y_ROW, Y_FIRST,
  R_IMAGE, R_BLOCK, R_ROW, R_FIRST, /* of the residual */
  ACT,
};

#define PIXELS (8 / PARTS) /* at a time: enough sums to hide the latency of each */

/* The windows of a row of outputs. The weights are [taps][16]. */
typedef struct {
  const float *x, *w, *bias, *residual;
  const int32_t *offset;
  int64_t pixel, taps;
  Activation act;
  float *y;
} Windows;

INLINE void convolve(const Windows *t, int64_t first, int pixels) {
  vf sum[PIXELS][PARTS];
  const float *x = t->x + first * t->pixel;
  UNROLL for (int i = 0; i < pixels; i++) EACH_PART(p) sum[i][p] = (vf){0};
  for (int64_t tap = 0; tap < t->taps; tap++) {
    const float *at = x + t->offset[tap];
    vf weight[PARTS];
    EACH_PART(p) weight[p] = load(t->w + tap * LANES + p * VL);
    UNROLL for (int i = 0; i < pixels; i++)
      EACH_PART(p) sum[i][p] = fma_of(load(at + i * t->pixel + p * VL), weight[p], sum[i][p]);
  }
  UNROLL for (int i = 0; i < pixels; i++) EACH_PART(p) {
    const int64_t at = (first + i) * LANES + p * VL;
    vf value = sum[i][p];
    if (t->bias) value += load(t->bias + p * VL);
    if (t->residual) value += load(t->residual + at);
    store(t->y + at, activated(t->act, value));
  }
}

/* A task is a row of outputs of a block of channels of an image. */
void NATIVE(depthwise)(const Arguments *a, int64_t begin, int64_t end) {
  const int64_t *n = a->n;
  for (int64_t task = begin; task < end; task++) {
    const int64_t row = task % n[HEIGHT], block = task / n[HEIGHT] % n[BLOCKS], image = task / n[HEIGHT] / n[BLOCKS];
    const float *residual = a->p[RESIDUAL];
    const Windows t = {
        .x = (const float *)a->p[X] + n[X_FIRST] + image * n[X_IMAGE] + block * n[X_BLOCK] + row * n[X_ROW],
        .w = (const float *)a->p[W] + block * n[TAPS] * LANES,
        .bias = a->p[BIAS] ? (const float *)a->p[BIAS] + block * LANES : 0,
        .residual = residual ? residual + n[R_FIRST] + image * n[R_IMAGE] + block * n[R_BLOCK] + row * n[R_ROW] : 0,
        .offset = a->p[OFFSET],
        .pixel = n[X_PIXEL],
        .taps = n[TAPS],
        .act = activation_of(n + ACT),
        .y = (float *)a->p[Y] + n[Y_FIRST] + image * n[Y_IMAGE] + block * n[Y_BLOCK] + row * n[Y_ROW],
    };
    int64_t i = 0;
    for (; i + PIXELS <= n[WIDTH]; i += PIXELS) convolve(&t, i, PIXELS);
    for (; i < n[WIDTH]; i++) convolve(&t, i, 1);
  }
}
