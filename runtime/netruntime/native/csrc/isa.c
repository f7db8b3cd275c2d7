/* Which instruction sets this library has kernels for, the best first, and which this machine can run. */
#include "names.h"
#include "native.h"
#include "platform.h"

typedef struct {
  const char *name;
  const NamedKernel *kernels;
  int (*runs)(void);
} InstructionSet;

static int always(void) { return 1; }

#if defined(__x86_64__)
extern const NamedKernel nd_kernels_avx512[], nd_kernels_avx2[], nd_kernels_baseline[];

static int runs_avx512(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
static int runs_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

static const InstructionSet SETS[] = {
    {"avx512", nd_kernels_avx512, runs_avx512},
    {"avx2", nd_kernels_avx2, runs_avx2},
    {"baseline", nd_kernels_baseline, always},
};
#else
extern const NamedKernel nd_kernels_neon[];

static const InstructionSet SETS[] = {{"neon", nd_kernels_neon, always}};
#endif

EXPORT int nd_interface(void) { return INTERFACE; }
EXPORT int nd_set_count(void) { return (int)(sizeof SETS / sizeof *SETS); }
EXPORT const char *nd_set_name(int set) { return SETS[set].name; }
EXPORT int nd_set_runs(int set) { return SETS[set].runs(); }
EXPORT const NamedKernel *nd_set_kernels(int set) { return SETS[set].kernels; }

#define NAME(name) #name,
static const char *const FUNCTIONS[] = {EACH_FUNCTION(NAME) 0};
static const char *const BINARIES[] = {EACH_BINARY(NAME) 0};
#undef NAME

/* The names of the functions of one element, and of two, in the order of their numbers; then NULL. */
EXPORT const char *const *nd_functions(void) { return FUNCTIONS; }
EXPORT const char *const *nd_binaries(void) { return BINARIES; }
