"""The state of an optimizer: its slots for each weight and the step count, saved in checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any, NoReturn

import numpy as np

from netdsl.ops.contract.base import Array
from netruntime.errors import TrainingError, shown
from netruntime.files.arrays import info_of
from netruntime.train.update.groups import Rates
from netruntime.train.update.native_update import NativeUpdates
from netruntime.train.update.optimizers.base import Optimizer

STEP = "step"
"""The name of the saved step count; the names of slots contain a `/`."""


class OptimizerState:
    """The slots of every trained weight by label path, and the number of updates."""

    def __init__(self, slots: dict[str, dict[str, Array]], step: int = 0) -> None:
        self.slots = slots
        self.step = step

    @classmethod
    def init(cls, xp: ModuleType, optimizer: Optimizer, weights: Mapping[str, Array]) -> OptimizerState:
        """The state before the first update of these weights."""
        return cls({label: optimizer.init(xp, weight) for label, weight in weights.items()})

    def apply_gradients(
        self,
        xp: ModuleType,
        optimizer: Optimizer,
        weights: Mapping[str, Array],
        gradients: Mapping[str, Array],
        rates: Mapping[str, Rates],
        factor: float = 1.0,
        *,
        native: NativeUpdates | None = None,
    ) -> None:
        """Update all weights that have a gradient, in place.

        Args:
            rates: The rate and the decay of each weight, from `resolve_groups`.
            factor: The schedule's factor, which multiplies the rates.
            native: Makes those updates that it has kernels for.
        """
        self.step += 1
        for label, gradient in gradients.items():
            weight, slots, lr, decay = (
                weights[label],
                self.slots[label],
                rates[label].lr * factor,
                rates[label].decay,
            )
            arrays = list(slots.values())
            if native is None or not native.add(
                optimizer, weight, gradient, arrays, step=self.step, lr=lr, decay=decay
            ):
                optimizer.update_weight(xp, weight, gradient, slots, step=self.step, lr=lr, decay=decay)
        if native is not None:
            native.run()

    def to_arrays(self) -> dict[str, Array]:
        """The arrays to save, on their device and not copied: `label/slot`, and `step` (i64)."""
        arrays = {
            f"{label}/{slot}": array for label, slots in self.slots.items() for slot, array in slots.items()
        }
        return {**arrays, STEP: np.asarray(self.step, np.int64)}

    def restore(self, xp: ModuleType, optimizer: Optimizer, arrays: Mapping[str, Array]) -> None:
        """Copy the result of `to_arrays` into the slots, in place: a second state might not fit in memory.

        Raises `TrainingError` E1083 if it is from another optimizer or other weights.
        """
        expected = {f"{label}/{slot}": a for label, slots in self.slots.items() for slot, a in slots.items()}
        _check_names({STEP, *expected}, arrays, type(optimizer).__name__)
        for name, array in expected.items():
            copy_saved(xp, name, array, arrays[name])
        self.step = saved_count(STEP, arrays[STEP])


def copy_saved(xp: ModuleType, name: str, target: Array, saved: Any) -> None:
    """Copy a saved array into `target`. Raises E1083 if the type or the shape differ."""
    if info_of(saved) != info_of(target):
        misfit(f"{shown(name)} must be {info_of(target)}, but is {info_of(saved)}")
    target[...] = xp.asarray(saved)


def saved_count(name: str, saved: Any) -> int:
    """A saved step count. Raises E1083 if it is not one."""
    if saved.shape != () or saved.dtype.kind != "i" or saved < 0:
        misfit(f"{shown(name)} must be a step count, but is {info_of(saved)}")
    return int(saved)


def _check_names(expected: set[str], arrays: Iterable[str], optimizer: str) -> None:
    missing = sorted(expected - set(arrays))
    unknown = sorted(set(arrays) - expected)
    if missing:
        misfit(f"{shown(missing[0])} of {optimizer} is missing", len(missing) - 1)
    if unknown:
        misfit(f"{shown(unknown[0])} is not part of the state of {optimizer}", len(unknown) - 1)


def misfit(what: str, more: int = 0) -> NoReturn:
    """Raise E1083: saved training state of another run."""
    also = f" ({more} more like it)" if more else ""
    help = "continue with the optimizer, the model and the frozen weights it was saved with"
    raise TrainingError.make("E1083", f"the saved training state does not fit: {what}{also}", help=help)
