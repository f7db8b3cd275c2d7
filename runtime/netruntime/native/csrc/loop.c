/* Loops: some records many times, as the steps of a recurrent network.
 *
 * Each thread has its own range of a record's tasks, the same at each time, so that the weights it reads stay in its
 * cache. It goes through them forward and backward in turns: what it read last is read first. A thread that is done
 * takes tasks of the others, so one that comes late or is interrupted delays nobody. */
#include <stdatomic.h>

#include "native.h"
#include "platform.h"

#define MAX_THREADS 256
#define SPINS 2048

/* The tasks of a thread: in the lower half of `next`, how many are taken; above it, in which phase. A phase is one
 * record at one time. A range is only ever moved to a phase once all tasks of the one before are done. */
typedef struct {
  _Alignas(64) atomic_uint_fast64_t next;
} Range;

typedef struct {
  const Record *body;
  int64_t times, records;
  char *const *slots;
  const NamedKernel *kernels;
  int threads;
  Range *ranges;
  atomic_int_fast64_t *done; /* tasks of all phases */
} Loop;

/* Takes a task of a range in this phase; -1 if none is left. */
static int64_t take(Range *range, uint64_t phase, int64_t count) {
  uint64_t word = atomic_load_explicit(&range->next, memory_order_acquire);
  for (;;) {
    if (word >> 32 > phase) return -1;
    const uint64_t taken = word >> 32 == phase ? word & UINT32_MAX : 0;
    if ((int64_t)taken >= count) return -1;
    if (atomic_compare_exchange_weak_explicit(&range->next, &word, phase << 32 | (taken + 1), memory_order_acq_rel,
                                              memory_order_acquire))
      return (int64_t)taken;
  }
}

static void wait_for(atomic_int_fast64_t *done, int64_t tasks) {
  for (int64_t i = 0; atomic_load_explicit(done, memory_order_acquire) < tasks; i++) {
    if (i < SPINS) relax();
    else yield_core();
  }
}

/* The arguments of a record of the body at some time. */
static Arguments arguments_at(const Loop *loop, const Record *record, int64_t time) {
  Arguments arguments = nd_arguments(record, loop->slots);
  arguments.time = time;
  for (int p = 0; p < POINTERS; p++)
    if (arguments.p[p]) arguments.p[p] = (char *)arguments.p[p] + time * record->n[ADVANCE + p];
  return arguments;
}

/* Runs the tasks that this thread gets of one phase, those of range `own` first. Returns how many. */
static int64_t run_phase(const Loop *loop, uint64_t phase, int own) {
  const Record *record = &loop->body[(int64_t)phase % loop->records];
  const int64_t time = (int64_t)phase / loop->records;
  const Arguments arguments = arguments_at(loop, record, time);
  const Kernel kernel = loop->kernels[record->kernel].run;
  int64_t ran = 0;
  for (int i = 0; i < loop->threads; i++) {
    const int range = (own + i) % loop->threads;
    const int64_t first = record->tasks * range / loop->threads, end = record->tasks * (range + 1) / loop->threads;
    for (int64_t n; (n = take(&loop->ranges[range], phase, end - first)) >= 0; ran++) {
      const int64_t task = time % 2 ? end - 1 - n : first + n;
      kernel(&arguments, task, task + 1);
    }
  }
  return ran;
}

/* A task of the pool is one thread's part in all phases. */
static void run_range(const Arguments *a, int64_t begin, int64_t end) {
  const Loop *loop = a->p[0];
  for (int64_t own = begin; own < end; own++) {
    int64_t total = 0;
    for (int64_t phase = 0; phase < loop->times * loop->records; phase++) {
      const int64_t ran = run_phase(loop, (uint64_t)phase, (int)own);
      total += loop->body[phase % loop->records].tasks;
      if (ran) atomic_fetch_add_explicit(loop->done, ran, memory_order_acq_rel);
      wait_for(loop->done, total);
    }
  }
}

static void run_alone(const Loop *loop) {
  for (int64_t time = 0; time < loop->times; time++)
    for (int64_t i = 0; i < loop->records; i++) {
      const Record *record = &loop->body[i];
      const Arguments arguments = arguments_at(loop, record, time);
      loop->kernels[record->kernel].run(&arguments, 0, record->tasks);
    }
}

void nd_run_loop(const Record *record, char *const *slots, const NamedKernel *kernels, int threads) {
  Range ranges[MAX_THREADS];
  _Alignas(64) atomic_int_fast64_t done = 0;
  Loop loop = {record + 1, record->n[0], record->n[1], slots, kernels, threads, ranges, &done};
  int64_t tasks = 1;
  for (int64_t i = 0; i < loop.records; i++)
    if (loop.body[i].tasks > tasks) tasks = loop.body[i].tasks;
  if (tasks < loop.threads) loop.threads = (int)tasks;
  if (loop.threads < 2) {
    run_alone(&loop);
    return;
  }
  for (int i = 0; i < loop.threads; i++) atomic_init(&ranges[i].next, 0);
  const Arguments arguments = {.p = {&loop}};
  nd_run_tasks(run_range, &arguments, loop.threads, loop.threads);
}
