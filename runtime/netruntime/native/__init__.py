"""The native engine: steps of a plan become a program of records, which a small C library runs.

`compile_steps` makes the program; what has no native kernel stays with NumPy, see `accepts`. The operators on
NumPy are the meaning: each kernel is compared with them.
"""

from netruntime.native.compile import compile_steps
from netruntime.native.library import load_library
from netruntime.native.lowering.registry import accepts
from netruntime.native.steps import Step

__all__ = ["Step", "accepts", "compile_steps", "load_library"]
