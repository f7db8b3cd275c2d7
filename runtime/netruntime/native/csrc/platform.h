/* Threads, locks and time, of POSIX or of Windows. */
#pragma once
#include <stdint.h>

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
typedef SRWLOCK Lock;
typedef CONDITION_VARIABLE Condition;
#define LOCK_INIT SRWLOCK_INIT
#define CONDITION_INIT CONDITION_VARIABLE_INIT
#define EXPORT __declspec(dllexport)
static inline void lock(Lock *l) { AcquireSRWLockExclusive(l); }
static inline void unlock(Lock *l) { ReleaseSRWLockExclusive(l); }
static inline void wait_on(Condition *c, Lock *l) { SleepConditionVariableSRW(c, l, INFINITE, 0); }
static inline void wake_all(Condition *c) { WakeAllConditionVariable(c); }
static inline void yield_core(void) { SwitchToThread(); }
static inline int64_t now_ns(void) {
  LARGE_INTEGER t, f;
  QueryPerformanceCounter(&t);
  QueryPerformanceFrequency(&f);
  return (int64_t)((double)t.QuadPart * 1e9 / (double)f.QuadPart);
}
typedef void (*ThreadMain)(void);
static DWORD WINAPI thread_entry(void *main) {
  ((ThreadMain)main)();
  return 0;
}
static inline int start_thread(ThreadMain main) {
  HANDLE handle = CreateThread(0, 0, thread_entry, (void *)main, 0, 0);
  return handle && CloseHandle(handle);
}
#else
#include <pthread.h>
#include <sched.h>
#include <time.h>
typedef pthread_mutex_t Lock;
typedef pthread_cond_t Condition;
#define LOCK_INIT PTHREAD_MUTEX_INITIALIZER
#define CONDITION_INIT PTHREAD_COND_INITIALIZER
#define EXPORT __attribute__((visibility("default")))
static inline void lock(Lock *l) { pthread_mutex_lock(l); }
static inline void unlock(Lock *l) { pthread_mutex_unlock(l); }
static inline void wait_on(Condition *c, Lock *l) { pthread_cond_wait(c, l); }
static inline void wake_all(Condition *c) { pthread_cond_broadcast(c); }
static inline void yield_core(void) { sched_yield(); }
static inline int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
typedef void (*ThreadMain)(void);
static void *thread_entry(void *main) {
  ((ThreadMain)main)();
  return 0;
}
static inline int start_thread(ThreadMain main) {
  pthread_t thread;
  return pthread_create(&thread, 0, thread_entry, (void *)main) == 0 && pthread_detach(thread) == 0;
}
#endif

/* Lets the other hardware thread of this core work while this one waits. */
static inline void relax(void) {
#if defined(__x86_64__) || defined(_M_X64)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}
