"""A model over whole sequences as one over new positions and what is kept of past ones.

`build` makes the new graph: `links` says which axes belong together, `demands` what is needed of each value,
and `placing` how operators with sizes in them change. `stepper` runs it, and `buffer` is a cache's memory.
"""

from netruntime.generation.incremental.build import Incremental, make_incremental
from netruntime.generation.incremental.forms import UnsupportedError
from netruntime.generation.incremental.stepper import (
    CachedStepper,
    Course,
    FullStepper,
    Stepper,
    open_stepper,
)

__all__ = [
    "CachedStepper",
    "Course",
    "FullStepper",
    "Incremental",
    "Stepper",
    "UnsupportedError",
    "make_incremental",
    "open_stepper",
]
