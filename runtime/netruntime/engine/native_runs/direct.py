"""Calls on shapes that were seen before, where a plan is one native run: one lookup and one native call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netdsl.immutable import immutable
from netruntime.engine.steps import Plan
from netruntime.native.program import Constants
from netruntime.native.run import NativeRun

MAX_CALLS = 64
"""As many as plans are kept."""
F32 = np.dtype(np.float32)
OTHERS = tuple(np.dtype(name) for name in ("int32", "int64", "bool"))
"""NumPy has one object for each in the machine's byte order."""
Key = tuple[Any, ...]


@immutable
class DirectCall:
    """A native run with its weights packed, for arrays by input name."""

    run: NativeRun
    order: tuple[str, ...]
    outputs: tuple[str, ...]
    weights: tuple[Any, ...]
    constants: Constants

    def __call__(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        results = self.run.call([inputs[name] for name in self.order], self.constants)
        return dict(zip(self.outputs, results, strict=True))


@dataclass
class DirectCalls:
    """The direct calls of one network by the shapes of their inputs. Threads may share it."""

    known: dict[Key, DirectCall] = field(default_factory=dict)

    def find(self, inputs: Mapping[str, Any]) -> DirectCall | None:
        """The call for these inputs, if they need no conversion and no check that was not made before."""
        return self.known.get(key) if (key := _key(inputs)) else None

    def remember(
        self, inputs: Mapping[str, Any], plan: Plan, weights: Mapping[str, Any], outputs: tuple[str, ...]
    ) -> None:
        """Know the call of a plan that ran for these inputs, if it is one native run over fixed weights."""
        run = plan.steps[0].run if len(plan.steps) == 1 else None
        key = _key(inputs)
        if not isinstance(run, NativeRun) or not key or plan.results != plan.steps[0].outputs:
            return
        places = {place: name for name, place in plan.inputs.items()}
        order = tuple(places[place] for place in plan.steps[0].inputs[: len(run.inputs)] if place is not None)
        paths = {place: path for path, place in plan.weights.items()}
        own = tuple(
            weights[paths[place]] for place in plan.steps[0].inputs[len(order) :] if place is not None
        )
        if any(array.flags.writeable for array in own):
            return
        if any(inputs[name].dtype is not dtype for name, dtype in zip(order, run.dtypes, strict=True)):
            return
        if len(self.known) >= MAX_CALLS:
            self.known.pop(next(iter(self.known)))
        self.known[key] = DirectCall(run, order, outputs, own, run.prepare(own))


def _key(inputs: Mapping[str, Any]) -> Key | None:
    """The names, shapes and types of the inputs, if all are contiguous arrays of known types; else None."""
    key: list[Any] = []
    for name, array in inputs.items():
        if type(array) is not np.ndarray or not array.flags.c_contiguous:
            return None
        dtype = array.dtype
        if dtype is not F32 and not any(dtype is other for other in OTHERS):
            return None
        key += name, array.shape, id(dtype)
    return tuple(key)
