/* Runs a program: one record after the other, each shared out over the threads of the pool. */
#include <stddef.h>

#include "native.h"
#include "platform.h"

#define OFFSET_BITS 48

static void *address(int64_t pointer, char *const *slots) {
  if (pointer < 0) return NULL;
  return slots[pointer >> OFFSET_BITS] + (pointer & (((int64_t)1 << OFFSET_BITS) - 1));
}

/* `times`, if it is not NULL, gets the nanoseconds that each record took. */
EXPORT void nd_run(const Record *records, int64_t count, char *const *slots, const NamedKernel *kernels, int threads,
                   int64_t *times) {
  threads = nd_enter(threads);
  for (int64_t i = 0; i < count; i++) {
    const Record *record = &records[i];
    Arguments arguments = {.n = record->n};
    for (int p = 0; p < POINTERS; p++) arguments.p[p] = address(record->pointer[p], slots);
    const int64_t begin = times ? now_ns() : 0;
    nd_run_tasks(kernels[record->kernel].run, &arguments, record->tasks, threads);
    if (times) times[i] = now_ns() - begin;
  }
  nd_leave(threads);
}
