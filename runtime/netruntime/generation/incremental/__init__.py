"""Incremental execution of a model along a sequence, with KV caches and carried states.

`requirements` determines which values are needed at which positions, `build` makes the incremental graph,
`packed` suits its caches to the native engine, `programs` keeps it, `stepper` runs it, and `buffer` holds a
cache. Each operator declares how it acts along the time axis.
"""

from netdsl.ops.contract.time import UnsupportedError
from netruntime.generation.incremental.build import Incremental, make_incremental
from netruntime.generation.incremental.programs import SequenceSpec
from netruntime.generation.incremental.stepper import CachedStepper, FullStepper, Stepper, open_stepper

__all__ = [
    "CachedStepper",
    "FullStepper",
    "Incremental",
    "SequenceSpec",
    "Stepper",
    "UnsupportedError",
    "make_incremental",
    "open_stepper",
]
