/* A pool of threads. They take pieces of work by one atomic counter, so a thread that comes late delays nobody.
 *
 * A waiting thread spins for a moment, because the next step of a program follows at once, and then sleeps. */
#include <stdatomic.h>

#include "native.h"
#include "platform.h"

#define SPIN_NS 50000
#define PIECES 8 /* for each thread; more balance better, fewer cost less */
#define MAX_THREADS 256

/* The job in one word: its number, how many threads may take its pieces, how many there are, and which is next. A
 * thread that comes late learns from the word alone whether a piece is left for it; while one is, `job` does not
 * change. */
#define FIELD 16
#define MASK ((1u << FIELD) - 1)
#define NEXT(word) ((int64_t)((word) & MASK))
#define TOTAL(word) ((int64_t)((word) >> FIELD & MASK))
#define THREADS(word) ((int)((word) >> 2 * FIELD & MASK))
#define JOB(number, threads, total) \
  ((uint64_t)(number) << 3 * FIELD | (uint64_t)(threads) << 2 * FIELD | (uint64_t)(total) << FIELD)

static struct {
  _Alignas(64) atomic_uint_fast64_t word;
  _Alignas(64) atomic_int_fast64_t done; /* pieces of this job */
  _Alignas(64) atomic_int busy;          /* one program at a time; others run on the thread of their caller */
  atomic_int sleeping;
  atomic_int numbered;
  int started;
  Lock lock;
  Condition wake;
} pool = {.lock = LOCK_INIT, .wake = CONDITION_INIT};

static struct {
  Kernel kernel;
  const Arguments *arguments;
  int64_t grain, tasks;
  uint64_t number;
} job;

static _Thread_local int number; /* 0 for a caller */

int nd_thread(void) { return number; }

static int has_work(uint64_t word) { return NEXT(word) < TOTAL(word) && number < THREADS(word); }

static uint64_t current_word(void) { return atomic_load_explicit(&pool.word, memory_order_seq_cst); }

static void work(void) {
  uint64_t word = current_word();
  while (has_work(word)) {
    if (!atomic_compare_exchange_weak(&pool.word, &word, word + 1)) continue;
    int64_t begin = NEXT(word) * job.grain, end = begin + job.grain;
    job.kernel(job.arguments, begin, end < job.tasks ? end : job.tasks);
    atomic_fetch_add_explicit(&pool.done, 1, memory_order_release);
    word = current_word();
  }
}

static void sleep_until_work(void) {
  lock(&pool.lock);
  atomic_fetch_add(&pool.sleeping, 1);
  while (!has_work(current_word())) wait_on(&pool.wake, &pool.lock);
  atomic_fetch_sub(&pool.sleeping, 1);
  unlock(&pool.lock);
}

static int spin_until_work(void) {
  for (int64_t end = now_ns() + SPIN_NS; now_ns() < end;)
    for (int i = 0; i < 32; i++) {
      if (has_work(current_word())) return 1;
      relax();
    }
  return 0;
}

static void thread_main(void) {
  number = atomic_fetch_add(&pool.numbered, 1) + 1;
  for (;;) {
    if (!spin_until_work()) sleep_until_work();
    work();
  }
}

static void publish(int64_t pieces, int threads) {
  atomic_store_explicit(&pool.done, 0, memory_order_relaxed);
  atomic_store_explicit(&pool.word, JOB(++job.number, threads, pieces), memory_order_seq_cst);
  if (atomic_load(&pool.sleeping) > 0) {
    lock(&pool.lock);
    wake_all(&pool.wake);
    unlock(&pool.lock);
  }
}

static void wait_for(int64_t pieces) {
  for (int64_t end = now_ns() + SPIN_NS;;) {
    for (int i = 0; i < 32; i++) {
      if (atomic_load_explicit(&pool.done, memory_order_acquire) == pieces) return;
      relax();
    }
    if (now_ns() > end) yield_core();
  }
}

void nd_run_tasks(Kernel kernel, const Arguments *arguments, int64_t tasks, int threads) {
  int64_t pieces = (int64_t)threads * PIECES;
  if (threads < 2 || tasks < 2) {
    kernel(arguments, 0, tasks);
    return;
  }
  job.kernel = kernel;
  job.arguments = arguments;
  job.tasks = tasks;
  job.grain = (tasks + pieces - 1) / pieces;
  pieces = (tasks + job.grain - 1) / job.grain;
  publish(pieces, threads);
  work();
  wait_for(pieces);
}

#if !defined(_WIN32)
/* A forked child has only the thread that forked. */
static void after_fork(void) {
  pool.started = 0;
  atomic_store(&pool.numbered, 0);
  atomic_store(&pool.sleeping, 0);
  atomic_store(&pool.busy, 0);
  atomic_store(&pool.word, 0);
  pool.lock = (Lock)LOCK_INIT;
  pool.wake = (Condition)CONDITION_INIT;
}
#endif

int nd_enter(int threads) {
  int expected = 0;
  if (threads < 2 || !atomic_compare_exchange_strong(&pool.busy, &expected, 1)) return 1;
#if !defined(_WIN32)
  static int registered;
  if (!registered) registered = pthread_atfork(0, 0, after_fork) == 0;
#endif
  if (threads > MAX_THREADS) threads = MAX_THREADS;
  while (pool.started < threads - 1 && start_thread(thread_main)) pool.started++;
  if (pool.started + 1 < threads) threads = pool.started + 1;
  if (threads < 2) atomic_store(&pool.busy, 0);
  return threads;
}

void nd_leave(int threads) {
  if (threads > 1) atomic_store(&pool.busy, 0);
}
