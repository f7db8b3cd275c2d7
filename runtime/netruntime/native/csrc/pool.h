/* The windows of pools of blocked images; what lies outside an image is left out. */
#pragma once
#include "vec.h"

enum {
  BATCH, BLOCKS, ROWS_IN, COLUMNS_IN, ROWS_OUT, COLUMNS_OUT,
  X_IMAGE, X_BLOCK, X_ROW, X_FIRST, Y_IMAGE, Y_BLOCK, Y_ROW, Y_FIRST, /* floats, as in conv.c */
  SIZE_Y, SIZE_X, STRIDE_Y, STRIDE_X, PAD_Y, PAD_X, COUNT_PADDING,
};

typedef struct {
  int64_t begin, end;
} Range;

/* The part of a window that lies inside. */
INLINE Range inside(int64_t position, int64_t stride, int64_t pad, int64_t size, int64_t count) {
  const int64_t first = position * stride - pad, last = first + size;
  return (Range){first < 0 ? 0 : first, last > count ? count : last};
}

