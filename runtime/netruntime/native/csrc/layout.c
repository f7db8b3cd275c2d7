/* Between plain images [B][C][H][W] and blocked ones [B][C/16][H][W][16] with a border of zeros. */
#include "kernels.h"
#include "vec.h"

enum { PLAIN, BLOCKED };
enum { BATCH, CHANNELS, HEIGHT, WIDTH, BORDER_Y, BORDER_X };

INLINE float *block_of(const Arguments *a, int64_t task) {
  const int64_t *n = a->n, plane = (n[HEIGHT] + 2 * n[BORDER_Y]) * (n[WIDTH] + 2 * n[BORDER_X]) * LANES;
  return (float *)a->p[BLOCKED] + task * plane;
}

/* A task is a block of 16 channels of an image; lanes beyond the channels become 0. */
void NATIVE(to_blocked)(const Arguments *a, int64_t begin, int64_t end) {
  const int64_t *n = a->n, blocks = (n[CHANNELS] + LANES - 1) / LANES, area = n[HEIGHT] * n[WIDTH];
  for (int64_t task = begin; task < end; task++) {
    const int64_t image = task / blocks, channel = task % blocks * LANES, left = n[CHANNELS] - channel;
    const float *x = (const float *)a->p[PLAIN] + (image * n[CHANNELS] + channel) * area;
    float *y = block_of(a, task) + (n[BORDER_Y] * (n[WIDTH] + 2 * n[BORDER_X]) + n[BORDER_X]) * LANES;
    for (int64_t row = 0; row < n[HEIGHT]; row++, y += 2 * n[BORDER_X] * LANES)
      for (int64_t column = 0; column < n[WIDTH]; column++, x++, y += LANES)
        for (int64_t lane = 0; lane < LANES; lane++) y[lane] = lane < left ? x[lane * area] : 0;
  }
}

void NATIVE(to_plain)(const Arguments *a, int64_t begin, int64_t end) {
  const int64_t *n = a->n, blocks = (n[CHANNELS] + LANES - 1) / LANES, area = n[HEIGHT] * n[WIDTH];
  for (int64_t task = begin; task < end; task++) {
    const int64_t image = task / blocks, channel = task % blocks * LANES, left = n[CHANNELS] - channel;
    float *y = (float *)a->p[PLAIN] + (image * n[CHANNELS] + channel) * area;
    const float *x = block_of(a, task) + (n[BORDER_Y] * (n[WIDTH] + 2 * n[BORDER_X]) + n[BORDER_X]) * LANES;
    for (int64_t row = 0; row < n[HEIGHT]; row++, x += 2 * n[BORDER_X] * LANES)
      for (int64_t column = 0; column < n[WIDTH]; column++, y++, x += LANES)
        for (int64_t lane = 0; lane < LANES && lane < left; lane++) y[lane * area] = x[lane];
  }
}

/* Zeros in the border of each block. The memory may have held something else. */
void NATIVE(clear_border)(const Arguments *a, int64_t begin, int64_t end) {
  const int64_t *n = a->n, row = (n[WIDTH] + 2 * n[BORDER_X]) * LANES, side = n[BORDER_X] * LANES;
  for (int64_t task = begin; task < end; task++) {
    float *y = block_of(a, task);
    memset(y, 0, (size_t)(n[BORDER_Y] * row) * 4);
    y += n[BORDER_Y] * row;
    for (int64_t i = 0; i < n[HEIGHT]; i++, y += row) {
      memset(y, 0, (size_t)side * 4);
      memset(y + row - side, 0, (size_t)side * 4);
    }
    memset(y, 0, (size_t)(n[BORDER_Y] * row) * 4);
  }
}

/* Planes [H][W] of channels with a border of zeros around each: the input of a first convolution. A task is a plane. */
void NATIVE(pad_planes)(const Arguments *a, int64_t begin, int64_t end) {
  enum { PADDED = 1 };
  enum { ROWS, COLUMNS, TOP, LEFT, PADDED_ROWS, PADDED_COLUMNS };
  const int64_t *n = a->n, size = n[PADDED_ROWS] * n[PADDED_COLUMNS];
  for (int64_t task = begin; task < end; task++) {
    const float *x = (const float *)a->p[PLAIN] + task * n[ROWS] * n[COLUMNS];
    float *y = (float *)a->p[PADDED] + task * size;
    memset(y, 0, (size_t)size * 4);
    for (int64_t row = 0; row < n[ROWS]; row++)
      memcpy(y + (n[TOP] + row) * n[PADDED_COLUMNS] + n[LEFT], x + row * n[COLUMNS], (size_t)n[COLUMNS] * 4);
  }
}

/* A copy of an array, as bytes; a task is a chunk of them. */
void NATIVE(copy)(const Arguments *a, int64_t begin, int64_t end) {
  enum { FROM, TO };
  enum { BYTES, CHUNK };
  const int64_t *n = a->n, first = begin * n[CHUNK], last = end * n[CHUNK] < n[BYTES] ? end * n[CHUNK] : n[BYTES];
  memcpy((char *)a->p[TO] + first, (const char *)a->p[FROM] + first, (size_t)(last - first));
}

/* Zeros; a task is `SIZE` floats. */
void NATIVE(clear)(const Arguments *a, int64_t begin, int64_t end) {
  enum { AT };
  enum { SIZE };
  memset((float *)a->p[AT] + begin * a->n[SIZE], 0, (size_t)((end - begin) * a->n[SIZE]) * 4);
}
