/* What attention and its gradient share: which keys a query may see, and how scores become powers. */
#pragma once
#include "vec.h"

INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* How many of `count` keys a query may see, by its position: with as many of both, those up to its own. */
INLINE int64_t keys_seen(int64_t causal, int64_t query, int64_t queries, int64_t count) {
  const int64_t seen = query + count - queries + 1;
  return !causal ? count : seen < 0 ? 0 : least(seen, count);
}

/* What is subtracted from scores so that no power overflows. */
INLINE float shift_of(float top) { return top - top == 0 ? top : 0; }
