"""The exponential moving average of weights."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

import numpy as np

from netdsl.ops.contract.base import Array
from netdsl.recipes.runs import AverageRecipe, AverageStart
from netruntime.train.update.array_blocks import blocks, compute_type, fit_scratch, scratch
from netruntime.train.update.optimizer_state import STEP, copy_saved, misfit, saved_count


class WeightAverage:
    """The exponential moving average of weights: `average += (1 - d) (weight - average)` at each update.

    `start` selects how the influence of the initial values is limited:

    - `corrected`: the rate of update t is `(1 - decay) / (1 - decayᵗ)`, Adam's bias correction for a sum
      that starts at zero: the average is a weighted mean of the weights after each update, without the
      initial values.
    - `warmup`: `d = min(decay, (1 + t) / (10 + t))`, as in TensorFlow's `ExponentialMovingAverage`.
    - `first`: `d = decay`, starting from the initial values, as in PyTorch's `AveragedModel` with
      `get_ema_avg_fn` after its first update.

    Averages are f64 for f64 weights, else f32. Integers and booleans are not averaged.

    Raises:
        RecipeError: E1080 for a decay out of [0, 1).
    """

    def __init__(
        self, xp: ModuleType, weights: Mapping[str, Array], decay: float, start: AverageStart = "corrected"
    ) -> None:
        recipe = AverageRecipe(ema=decay, start=start)
        self.decay = recipe.ema
        self.start = recipe.start
        self.updates = 0
        self.arrays = {
            label: weight.astype(compute_type(xp, weight), copy=True)
            for label, weight in weights.items()
            if weight.dtype.kind not in "iub"
        }

    def rate(self) -> float:
        """The weight of the new values in the next update: 1 - d."""
        count = self.updates + 1
        if self.start == "corrected":
            return float((1 - self.decay) / (1 - self.decay**count))
        if self.start == "warmup":
            return 1 - min(self.decay, (1 + count) / (10 + count))
        return 1 - self.decay

    def include(self, xp: ModuleType, weights: Mapping[str, Array]) -> None:
        """Include the weights of a step."""
        rate = self.rate()
        self.updates += 1
        with np.errstate(all="ignore"):
            for label, average in self.arrays.items():
                _approach(xp, average, weights[label], rate)

    def weights(self, like: Mapping[str, Array]) -> dict[str, Array]:
        """`like` with its values replaced by the averages, in its element types.

        Averages of the same type are not copied: the next update changes them.
        """
        means = {label: a.astype(like[label].dtype, copy=False) for label, a in self.arrays.items()}
        return {**like, **means}

    def to_arrays(self) -> dict[str, Array]:
        """The arrays to save, on their device: each average by its label, and `step` (i64), the updates."""
        arrays = {f"{label}/average": array for label, array in self.arrays.items()}
        return {**arrays, STEP: np.asarray(self.updates, np.int64)}

    def restore(self, xp: ModuleType, arrays: Mapping[str, Array]) -> None:
        """Restore the result of `to_arrays`. Raises `TrainingError` E1083 if it does not fit."""
        names = {STEP, *(f"{label}/average" for label in self.arrays)}
        if names != set(arrays):
            odd = sorted(names ^ set(arrays))
            misfit(f"`{odd[0]}` is in only one of the saved and the current averages", len(odd) - 1)
        for label, array in self.arrays.items():
            copy_saved(xp, f"{label}/average", array, arrays[f"{label}/average"])
        self.updates = saved_count(STEP, arrays[STEP])


def _approach(xp: ModuleType, average: Array, weight: Array, rate: float) -> None:
    """`average += rate (weight - average)`; exactly the weight if the rate is 1."""
    if rate == 1:
        average[...] = weight
        return
    (buffer,) = scratch(xp, average, 1)
    for mean, w in blocks(xp, average, weight):
        change = fit_scratch(buffer, mean)
        xp.subtract(w, mean, out=change)
        change *= rate
        mean += change
