/* Runs a program: one record after the other, each shared out over the threads of the pool. */
#include <stddef.h>
#include <string.h>

#include "native.h"
#include "platform.h"

#define OFFSET_BITS 48

static void *address(int64_t pointer, char *const *slots) {
  if (pointer < 0) return NULL;
  return slots[pointer >> OFFSET_BITS] + (pointer & (((int64_t)1 << OFFSET_BITS) - 1));
}

Arguments nd_arguments(const Record *record, char *const *slots) {
  Arguments arguments = {.n = record->n};
  for (int p = 0; p < POINTERS; p++) arguments.p[p] = address(record->pointer[p], slots);
  return arguments;
}

/* `times`, if it is not NULL, gets the nanoseconds that each record took; those of a loop are its own record's. */
EXPORT void nd_run(const Record *records, int64_t count, char *const *slots, const NamedKernel *kernels, int threads,
                   int64_t *times) {
  threads = nd_enter(threads);
  for (int64_t i = 0, next; i < count; i = next) {
    const Record *record = &records[i];
    const int is_loop = record->kernel == LOOP;
    const int64_t begin = times ? now_ns() : 0;
    next = i + 1 + (is_loop ? record->n[1] : 0);
    if (times) memset(times + i, 0, (size_t)(next - i) * 8);
    if (is_loop) {
      nd_run_loop(record, slots, kernels, threads);
    } else {
      const Arguments arguments = nd_arguments(record, slots);
      nd_run_tasks(kernels[record->kernel].run, &arguments, record->tasks, threads);
    }
    if (times) times[i] = now_ns() - begin;
  }
  nd_leave(threads);
}
