/* What the executor, the kernels and Python agree on. */
#pragma once
#include <stdint.h>

#define INTERFACE 3 /* counts the changes to what this file says; `library.py` compares it with its own */
#define POINTERS 8
#define NUMBERS 38

/* One step of a program as Python writes it: 48 numbers. A pointer is a slot and an offset in bytes, slot << 48 |
 * offset, or -1 for none; slots are the arena, the constants, the inputs and the outputs.
 *
 * The record of a loop has no kernel of its own: n[0] times, the next n[1] records run, and then the ones after them.
 * The last numbers of these records say how many bytes each pointer advances from one time to the next. */
typedef struct {
  int64_t kernel;
  int64_t tasks; /* pieces that threads take; each output element belongs to one, so their order does not matter */
  int64_t pointer[POINTERS];
  int64_t n[NUMBERS];
} Record;

#define LOOP (-1)
#define ADVANCE (NUMBERS - POINTERS)

/* The arguments of a kernel: the record's pointers as addresses, its numbers, and the time in a loop, from 0. */
typedef struct {
  void *p[POINTERS];
  const int64_t *n;
  int64_t time;
} Arguments;

/* Computes the tasks from `begin` to `end`. */
typedef void (*Kernel)(const Arguments *arguments, int64_t begin, int64_t end);

typedef struct {
  const char *name;
  Kernel run;
} NamedKernel;

/* Records, and what they run on. In chunks of the batch, each slot is a chunk's own: the first one, the arena, advances
 * with the thread, and the others with the chunk. */
typedef struct {
  const Record *records;
  int64_t count;
  char *const *slots;
  const NamedKernel *kernels;
  int64_t *times; /* of the records in nanoseconds, zeros before; or NULL */
  int64_t threads;
  int64_t chunks;
  const int64_t *advance; /* bytes */
  int64_t slot_count;     /* at most MAX_SLOTS if there are several chunks */
} Program;

#define MAX_SLOTS 16

/* How many threads a program may use, at most `threads`: all of them, or only its own if the pool is busy. */
int nd_enter(int threads);
void nd_leave(int threads);

/* The addresses of a record's pointers. */
Arguments nd_arguments(const Record *record, char *const *slots);

/* Runs the records after the one of a loop, as often as it says. */
void nd_run_loop(const Record *loop, char *const *slots, const NamedKernel *kernels, int threads);

/* Runs all tasks of one kernel on so many threads, and returns when they are done. */
void nd_run_tasks(Kernel kernel, const Arguments *arguments, int64_t tasks, int threads);

/* The number of this thread among those that run a program, from 0. */
int nd_thread(void);
