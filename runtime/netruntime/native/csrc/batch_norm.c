/* Batch normalisation of blocked images with the statistics of the batch, and its gradient.
 *
 * Each image has sums of its own, row by row; those are joined in the order of the images. So the statistics do not
 * depend on how the work is shared out. */
#include "kernels.h"
#include "vec.h"

/* The numbers of all kernels here. */
enum {
  BATCH, BLOCKS, CHANNELS, HEIGHT, WIDTH,
  X_IMAGE, X_BLOCK, X_ROW, X_FIRST, /* floats, as in conv.c */
  Y_IMAGE, Y_BLOCK, Y_ROW, Y_FIRST,
  Z_IMAGE, Z_BLOCK, Z_ROW, Z_FIRST,
  EPS, /* the bits of an f32 */
};

/* What a block of channels has: rows of 16 lanes. */
enum { MEAN, REST, SCALE, STATISTICS };      /* the mean in two parts, and 1 / sqrt(variance + eps) */
enum { PART_MEAN, PART_REST, PART_SQUARES, OF_IMAGE }; /* of one image */
enum { FLOW, ALONG, OF_FLOW };         /* sums of dy, and of dy times the deviation of x */

#define AT(array, row) ((array) + (row) * LANES + p * VL)

INLINE Lanes block_at(const float *at) {
  Lanes b;
  EACH_PART(p) b.v[p] = load(at + p * VL);
  return b;
}

/* An input [C] for a block of channels; the lanes beyond the channels, or all if there is none, are `other`. */
INLINE Lanes channels_of(const float *plain, const int64_t *n, int64_t block, float other) {
  Lanes b;
  EACH_PART(p) b.v[p] = splat(other);
  if (!plain) return b;
  EACH_PART(p) b.v[p] = (vf){0};
  const int64_t left = n[CHANNELS] - block * LANES;
  EACH_PART(p) if (p * VL < left)
    b.v[p] = load_some(plain + block * LANES + p * VL, left - p * VL < VL ? left - p * VL : VL);
  return b;
}

INLINE void store_channels(float *plain, const int64_t *n, int64_t block, Lanes b) {
  const int64_t left = n[CHANNELS] - block * LANES;
  EACH_PART(p) if (plain && p * VL < left)
    store_some(plain + block * LANES + p * VL, b.v[p], left - p * VL < VL ? left - p * VL : VL);
}

/* The sum of the pixels of a block of an image. */
INLINE Lanes pixel_sum(const float *x, const int64_t *n) {
  Lanes total = {{{0}}};
  for (int64_t i = 0; i < n[HEIGHT]; i++) {
    Lanes sum = {{{0}}};
    for (int64_t j = 0; j < n[WIDTH]; j++) EACH_PART(p) sum.v[p] += load(AT(x + i * n[X_ROW], j));
    EACH_PART(p) total.v[p] += sum.v[p];
  }
  return total;
}

/* The mean of a block of an image, what it lacks to the exact one, and the squares of the deviations from both. A task
 * is a block of an image. */
void NATIVE(norm_moments)(const Arguments *a, int64_t begin, int64_t end) {
  enum { X, MOMENTS };
  const int64_t *n = a->n;
  const vf count = splat((float)(n[HEIGHT] * n[WIDTH]));
  for (int64_t task = begin; task < end; task++) {
    const int64_t image = task / n[BLOCKS], block = task % n[BLOCKS];
    const float *x = (const float *)a->p[X] + n[X_FIRST] + image * n[X_IMAGE] + block * n[X_BLOCK];
    float *out = (float *)a->p[MOMENTS] + task * OF_IMAGE * LANES;
    Lanes mean = pixel_sum(x, n), rest = {{{0}}}, squares = {{{0}}};
    EACH_PART(p) mean.v[p] /= count;
    for (int64_t i = 0; i < n[HEIGHT]; i++) {
      Lanes sum = {{{0}}}, square = {{{0}}};
      for (int64_t j = 0; j < n[WIDTH]; j++) EACH_PART(p) {
          const vf d = load(AT(x + i * n[X_ROW], j)) - mean.v[p];
          sum.v[p] += d;
          square.v[p] = fma_of(d, d, square.v[p]);
        }
      EACH_PART(p) rest.v[p] += sum.v[p];
      EACH_PART(p) squares.v[p] += square.v[p];
    }
    EACH_PART(p) {
      const vf r = rest.v[p] / count;
      store(AT(out, PART_MEAN), mean.v[p]);
      store(AT(out, PART_REST), r);
      store(AT(out, PART_SQUARES), fma_of(-r, rest.v[p], squares.v[p]));
    }
  }
}

/* The statistics of the batch from those of its images. A task is a block of channels. */
void NATIVE(norm_statistics)(const Arguments *a, int64_t begin, int64_t end) {
  enum { MOMENTS, STATISTICS_AT, MEANS, VARIANCES };
  const int64_t *n = a->n;
  const vf batch = splat((float)n[BATCH]), pixels = splat((float)(n[HEIGHT] * n[WIDTH]));
  for (int64_t block = begin; block < end; block++) {
    const float *first = (const float *)a->p[MOMENTS] + block * OF_IMAGE * LANES;
    float *out = (float *)a->p[STATISTICS_AT] + block * STATISTICS * LANES;
    Lanes mean, variance;
    EACH_PART(p) {
      const vf shift = load(AT(first, PART_MEAN));
      vf away = {0}, squares = {0};
      for (int64_t image = 0; image < n[BATCH]; image++) {
        const float *one = first + image * n[BLOCKS] * OF_IMAGE * LANES;
        away += (load(AT(one, PART_MEAN)) - shift) + load(AT(one, PART_REST));
      }
      away /= batch;
      for (int64_t image = 0; image < n[BATCH]; image++) {
        const float *one = first + image * n[BLOCKS] * OF_IMAGE * LANES;
        const vf d = (load(AT(one, PART_MEAN)) - shift) + load(AT(one, PART_REST)) - away;
        squares = fma_of(d * d, pixels, squares) + load(AT(one, PART_SQUARES));
      }
      mean.v[p] = shift + away;
      variance.v[p] = squares / (batch * pixels);
      store(AT(out, MEAN), mean.v[p]);
      store(AT(out, REST), away - (mean.v[p] - shift));
      store(AT(out, SCALE), splat(1.0f) / sqrt_of(variance.v[p] + splat(float_of(n[EPS]))));
    }
    store_channels(a->p[MEANS], n, block, mean);
    store_channels(a->p[VARIANCES], n, block, variance);
  }
}

/* (x - mean) scale weight + bias. A task is a block of an image. */
void NATIVE(norm_apply)(const Arguments *a, int64_t begin, int64_t end) {
  enum { X, STATISTICS_AT, WEIGHT, BIAS, Y };
  const int64_t *n = a->n;
  for (int64_t task = begin; task < end; task++) {
    const int64_t image = task / n[BLOCKS], block = task % n[BLOCKS];
    const float *x = (const float *)a->p[X] + n[X_FIRST] + image * n[X_IMAGE] + block * n[X_BLOCK];
    float *y = (float *)a->p[Y] + n[Y_FIRST] + image * n[Y_IMAGE] + block * n[Y_BLOCK];
    const float *known = (const float *)a->p[STATISTICS_AT] + block * STATISTICS * LANES;
    Lanes scale = channels_of(a->p[WEIGHT], n, block, 1), shift = channels_of(a->p[BIAS], n, block, 0);
    const Lanes mean = block_at(known), rest = block_at(known + REST * LANES);
    EACH_PART(p) scale.v[p] *= load(AT(known, SCALE));
    for (int64_t i = 0; i < n[HEIGHT]; i++)
      for (int64_t j = 0; j < n[WIDTH]; j++) EACH_PART(p) {
          const vf d = load(AT(x + i * n[X_ROW], j)) - mean.v[p] - rest.v[p];
          store(AT(y + i * n[Y_ROW], j), fma_of(d, scale.v[p], shift.v[p]));
        }
  }
}

/* The sums of dy, and of dy times the deviation of x, of one image. A task is a block of an image. */
void NATIVE(norm_flow)(const Arguments *a, int64_t begin, int64_t end) {
  enum { X, STATISTICS_AT, DY, SUMS };
  const int64_t *n = a->n;
  for (int64_t task = begin; task < end; task++) {
    const int64_t image = task / n[BLOCKS], block = task % n[BLOCKS];
    const float *x = (const float *)a->p[X] + n[X_FIRST] + image * n[X_IMAGE] + block * n[X_BLOCK];
    const float *dy = (const float *)a->p[DY] + n[Y_FIRST] + image * n[Y_IMAGE] + block * n[Y_BLOCK];
    const float *known = (const float *)a->p[STATISTICS_AT] + block * STATISTICS * LANES;
    float *out = (float *)a->p[SUMS] + task * OF_FLOW * LANES;
    const Lanes mean = block_at(known), rest = block_at(known + REST * LANES);
    Lanes flow = {{{0}}}, along = {{{0}}};
    for (int64_t i = 0; i < n[HEIGHT]; i++) {
      Lanes sum = {{{0}}}, product = {{{0}}};
      for (int64_t j = 0; j < n[WIDTH]; j++) EACH_PART(p) {
          const vf d = load(AT(x + i * n[X_ROW], j)) - mean.v[p] - rest.v[p];
          const vf g = load(AT(dy + i * n[Y_ROW], j));
          sum.v[p] += g;
          product.v[p] = fma_of(g, d, product.v[p]);
        }
      EACH_PART(p) flow.v[p] += sum.v[p];
      EACH_PART(p) along.v[p] += product.v[p];
    }
    EACH_PART(p) store(AT(out, FLOW), flow.v[p]);
    EACH_PART(p) store(AT(out, ALONG), along.v[p]);
  }
}

/* Sums [B][C/16][rows][16] over the images, to the first. A task is a block of channels. */
INLINE void join(const Arguments *a, float *sums, int64_t block, int64_t rows) {
  const int64_t *n = a->n;
  float *first = sums + block * rows * LANES;
  for (int64_t row = 0; row < rows; row++)
    for (int64_t image = 1; image < n[BATCH]; image++)
      EACH_PART(p) store(AT(first, row), load(AT(first, row)) + load(AT(first + image * n[BLOCKS] * rows * LANES, row)));
}

/* The gradients of weight and bias; the sums of the first image become those of all. A task is a block of channels. */
void NATIVE(norm_flow_sums)(const Arguments *a, int64_t begin, int64_t end) {
  enum { SUMS, STATISTICS_AT, D_WEIGHT, D_BIAS };
  const int64_t *n = a->n;
  for (int64_t block = begin; block < end; block++) {
    const float *known = (const float *)a->p[STATISTICS_AT] + block * STATISTICS * LANES;
    const float *sums = (const float *)a->p[SUMS] + block * OF_FLOW * LANES;
    join(a, a->p[SUMS], block, OF_FLOW);
    Lanes along;
    EACH_PART(p) along.v[p] = load(AT(sums, ALONG)) * load(AT(known, SCALE));
    store_channels(a->p[D_WEIGHT], n, block, along);
    store_channels(a->p[D_BIAS], n, block, block_at(sums));
  }
}

/* dx = (dy - mean of dy - d scale² (mean of dy d)) scale weight, where d is the deviation of x. A task is a block of an
 * image. */
void NATIVE(norm_input_gradient)(const Arguments *a, int64_t begin, int64_t end) {
  enum { X, STATISTICS_AT, DY, SUMS, WEIGHT, DX };
  const int64_t *n = a->n;
  const vf count = splat((float)(n[BATCH] * n[HEIGHT] * n[WIDTH]));
  for (int64_t task = begin; task < end; task++) {
    const int64_t image = task / n[BLOCKS], block = task % n[BLOCKS];
    const float *x = (const float *)a->p[X] + n[X_FIRST] + image * n[X_IMAGE] + block * n[X_BLOCK];
    const float *dy = (const float *)a->p[DY] + n[Y_FIRST] + image * n[Y_IMAGE] + block * n[Y_BLOCK];
    float *dx = (float *)a->p[DX] + n[Z_FIRST] + image * n[Z_IMAGE] + block * n[Z_BLOCK];
    const float *known = (const float *)a->p[STATISTICS_AT] + block * STATISTICS * LANES;
    const float *sums = (const float *)a->p[SUMS] + block * OF_FLOW * LANES;
    const Lanes mean = block_at(known), rest = block_at(known + REST * LANES);
    Lanes scale = channels_of(a->p[WEIGHT], n, block, 1), flow, along;
    EACH_PART(p) {
      const vf s = load(AT(known, SCALE));
      scale.v[p] *= s;
      flow.v[p] = load(AT(sums, FLOW)) / count;
      along.v[p] = load(AT(sums, ALONG)) * s * s / -count;
    }
    for (int64_t i = 0; i < n[HEIGHT]; i++)
      for (int64_t j = 0; j < n[WIDTH]; j++) EACH_PART(p) {
          const vf d = load(AT(x + i * n[X_ROW], j)) - mean.v[p] - rest.v[p];
          const vf g = fma_of(d, along.v[p], load(AT(dy + i * n[Y_ROW], j)));
          store(AT(dx + i * n[Z_ROW], j), (g - flow.v[p]) * scale.v[p]);
        }
  }
}

/* The sums of each channel of one image; then over all images, to [C]. */
void NATIVE(channel_sums)(const Arguments *a, int64_t begin, int64_t end) {
  enum { X, SUMS };
  const int64_t *n = a->n;
  for (int64_t task = begin; task < end; task++) {
    const int64_t image = task / n[BLOCKS], block = task % n[BLOCKS];
    const Lanes sum = pixel_sum((const float *)a->p[X] + n[X_FIRST] + image * n[X_IMAGE] + block * n[X_BLOCK], n);
    EACH_PART(p) store(AT((float *)a->p[SUMS], task), sum.v[p]);
  }
}

void NATIVE(join_channel_sums)(const Arguments *a, int64_t begin, int64_t end) {
  enum { SUMS, Y };
  for (int64_t block = begin; block < end; block++) {
    join(a, a->p[SUMS], block, 1);
    store_channels(a->p[Y], a->n, block, block_at((const float *)a->p[SUMS] + block * LANES));
  }
}
