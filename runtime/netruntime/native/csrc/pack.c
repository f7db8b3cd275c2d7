/* Weights in the order in which tiles read them: blocks [N/16][K][16], with zeros beyond N. A task is a block. */
#include "kernels.h"
#include "strides.h"

enum { SOURCE, PACKED };

INLINE void pack_row(float *packed, const float *source, int64_t step, int64_t count) {
  for (int64_t lane = 0; lane < LANES; lane++) packed[lane] = lane < count ? source[lane * step] : 0;
}

/* A matrix [K][N] of any strides. */
void NATIVE(pack)(const Arguments *a, int64_t begin, int64_t end) {
  enum { K, N, STRIDE_K, STRIDE_N };
  const int64_t *n = a->n;
  for (int64_t block = begin; block < end; block++) {
    const float *source = (const float *)a->p[SOURCE] + block * LANES * n[STRIDE_N];
    float *packed = (float *)a->p[PACKED] + block * n[K] * LANES;
    for (int64_t k = 0; k < n[K]; k++)
      pack_row(packed + k * LANES, source + k * n[STRIDE_K], n[STRIDE_N], n[N] - block * LANES);
  }
}

/* The weights of a convolution of blocks: K runs over blocks of `RUN` channels, taps, and the channels of a block, with
 * zeros beyond the last. The weight of output n, channel c and tap (i, j) is at FIRST + the sum of their strides. */
void NATIVE(pack_taps)(const Arguments *a, int64_t begin, int64_t end) {
  enum { N, CHANNELS, RUN, TAPS_Y, TAPS_X, STRIDE_N, STRIDE_C, STRIDE_Y, STRIDE_X, FIRST };
  const int64_t *n = a->n, blocks = (n[CHANNELS] + n[RUN] - 1) / n[RUN];
  for (int64_t block = begin; block < end; block++) {
    const float *source = (const float *)a->p[SOURCE] + n[FIRST] + block * LANES * n[STRIDE_N];
    float *packed = (float *)a->p[PACKED] + block * blocks * n[TAPS_Y] * n[TAPS_X] * n[RUN] * LANES;
    const int64_t count = n[N] - block * LANES;
    for (int64_t first = 0; first < blocks * n[RUN]; first += n[RUN])
      for (int64_t i = 0; i < n[TAPS_Y]; i++)
        for (int64_t j = 0; j < n[TAPS_X]; j++)
          for (int64_t c = first; c < first + n[RUN]; c++, packed += LANES) {
            const float *from = source + c * n[STRIDE_C] + i * n[STRIDE_Y] + j * n[STRIDE_X];
            pack_row(packed, from, n[STRIDE_N], c < n[CHANNELS] ? count : 0);
          }
  }
}

/* The inverse of both for gradients of weights: blocks [N/16][C/RUN][taps][RUN][16] to [N][C][taps]. */
void NATIVE(unpack_taps)(const Arguments *a, int64_t begin, int64_t end) {
  enum { N, CHANNELS, RUN, TAPS };
  const int64_t *n = a->n, blocks = (n[CHANNELS] + n[RUN] - 1) / n[RUN], depth = n[CHANNELS] * n[TAPS];
  for (int64_t block = begin; block < end; block++) {
    const float *packed = (const float *)a->p[SOURCE] + block * blocks * n[TAPS] * n[RUN] * LANES;
    float *weight = (float *)a->p[PACKED] + block * LANES * depth;
    const int64_t left = n[N] - block * LANES, count = left < LANES ? left : LANES;
    for (int64_t first = 0; first < blocks * n[RUN]; first += n[RUN])
      for (int64_t tap = 0; tap < n[TAPS]; tap++)
        for (int64_t c = first; c < first + n[RUN]; c++, packed += LANES)
          for (int64_t lane = 0; lane < count && c < n[CHANNELS]; lane++)
            weight[lane * depth + c * n[TAPS] + tap] = packed[lane];
  }
}

/* A block of 16 columns of a matrix whose columns lie contiguously. */
INLINE void pack_columns(float *packed, const float *source, int64_t depth, int64_t step, int64_t count) {
  int64_t k = 0;
  for (; count >= LANES && k + 4 <= depth; k += 4)
    for (int64_t lane = 0; lane < LANES; lane += 4)
      transpose_4(source + lane * step + k, step, packed + k * LANES + lane, LANES);
  for (; k < depth; k++) pack_row(packed + k * LANES, source + k, step, count);
}

/* Matrices [K][N] of any strides, packed one after the other; the axes before are those of a stack. A task is a block. */
void NATIVE(pack_stack)(const Arguments *a, int64_t begin, int64_t end) {
  enum { K, N, STRIDE_K, STRIDE_N, SIZES, STRIDES = SIZES + AXES };
  const int64_t *n = a->n, blocks = (n[N] + LANES - 1) / LANES;
  for (int64_t task = begin; task < end; task++) {
    const int64_t first = task % blocks * LANES, count = n[N] - first;
    int64_t at = first * n[STRIDE_N];
    add_position(task / blocks, n + SIZES, n + STRIDES, 1, 0, &at);
    const float *source = (const float *)a->p[SOURCE] + at;
    float *packed = (float *)a->p[PACKED] + task * n[K] * LANES;
    if (n[STRIDE_N] == 1 && count >= LANES)
      for (int64_t k = 0; k < n[K]; k++) memcpy(packed + k * LANES, source + k * n[STRIDE_K], LANES * 4);
    else if (n[STRIDE_K] == 1) pack_columns(packed, source, n[K], n[STRIDE_N], count);
    else
      for (int64_t k = 0; k < n[K]; k++) pack_row(packed + k * LANES, source + k * n[STRIDE_K], n[STRIDE_N], count);
  }
}
