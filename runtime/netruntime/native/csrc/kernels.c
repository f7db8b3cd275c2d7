/* The table of the kernels of one instruction set, by name; Python looks them up there. */
#include "kernels.h"


#define ENTRY(name) {#name, NATIVE(name)},

const NamedKernel NATIVE(kernels)[] = {EACH_KERNEL(ENTRY){0, 0}};
