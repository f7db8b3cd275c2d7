/* KV caches, packed as `attention` reads them: keys [R][D][16] and values [D/16][16 R][16] for each head, with room for
 * R blocks of positions. */
#include "kernels.h"
#include "vec.h"

/* Writes new positions, of any strides, after the past ones. A task is some heads of the batch. */
void NATIVE(append)(const Arguments *a, int64_t begin, int64_t end) {
  enum { ROOM, NEW, PAST };
  enum { KEYS, HEADS, COUNT, SIZE, BLOCKS, GROUP, HEADS_ALL, STRIDES };
  const int64_t *n = a->n, *strides = n + STRIDES, past = *(const int64_t *)a->p[PAST];
  const int64_t room = n[BLOCKS] * LANES, width = (n[SIZE] + LANES - 1) / LANES * LANES;
  const int64_t of_head = room * (n[KEYS] ? n[SIZE] : width);
  for (int64_t head = begin * n[GROUP]; head < n[HEADS_ALL] && head < end * n[GROUP]; head++) {
    const float *from = (const float *)a->p[NEW] + head / n[HEADS] * strides[0] + head % n[HEADS] * strides[1];
    float *to = (float *)a->p[ROOM] + head * of_head;
    for (int64_t i = 0; i < n[COUNT] && past + i < room; i++) {
      const float *x = from + i * strides[2];
      const int64_t at = past + i;
      float *key = to + at / LANES * LANES * n[SIZE] + at % LANES, *value = to + at * LANES;
      if (n[KEYS])
        for (int64_t k = 0; k < n[SIZE]; k++) key[k * LANES] = x[k];
      else
        for (int64_t k = 0; k < n[SIZE]; k++) value[k / LANES * room * LANES + k % LANES] = x[k];
    }
  }
}
