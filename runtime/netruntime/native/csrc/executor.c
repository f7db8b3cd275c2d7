/* Runs a program: one record after the other, each shared out over the threads of the pool. */
#include <stddef.h>

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

static void run_record(const Record *record, char *const *slots, const NamedKernel *kernels, int threads) {
  if (record->kernel == LOOP) {
    nd_run_loop(record, slots, kernels, threads);
  } else {
    const Arguments arguments = nd_arguments(record, slots);
    nd_run_tasks(kernels[record->kernel].run, &arguments, record->tasks, threads);
  }
}

/* Adds to `times`, if it is not NULL, the nanoseconds that each record took; those of a loop are its own record's. */
static void run_records(const Program *program, char *const *slots, int threads) {
  int64_t *times = program->times;
  for (int64_t i = 0; i < program->count; i++) {
    const Record *record = &program->records[i];
    const int64_t begin = times ? now_ns() : 0;
    run_record(record, slots, program->kernels, threads);
    if (times) __atomic_fetch_add(times + i, now_ns() - begin, __ATOMIC_RELAXED);
    if (record->kernel == LOOP) i += record->n[1];
  }
}

/* A chunk is a part of the batch for which one thread runs all records, so that its values stay in the cache. */
static void run_chunks(const Arguments *arguments, int64_t begin, int64_t end) {
  const Program *program = arguments->p[0];
  char *slots[MAX_SLOTS];
  for (int64_t chunk = begin; chunk < end; chunk++) {
    for (int64_t s = 0; s < program->slot_count; s++) {
      const int64_t times = s == 0 ? nd_thread() : chunk;
      slots[s] = program->slots[s] + times * program->advance[s];
    }
    run_records(program, slots, 1);
  }
}

EXPORT void nd_run(const Program *program) {
  const int threads = nd_enter(program->threads);
  if (program->chunks == 1) {
    run_records(program, program->slots, threads);
  } else {
    const Arguments arguments = {.p = {(void *)program}};
    nd_run_tasks(run_chunks, &arguments, program->chunks, threads);
    for (int64_t i = 0; program->times && i < program->count; i++) program->times[i] /= threads;
  }
  nd_leave(threads);
}
