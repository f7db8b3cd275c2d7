"""Penalties on weights that are added to the loss: l1 and l2, on the weights that match patterns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import ModuleType

import numpy as np

from netdsl.immutable import immutable
from netdsl.model import Call
from netdsl.ops.contract.base import Array
from netdsl.recipes.gradients import L1Recipe, L2Recipe, RegulariserRecipe
from netdsl.source import Span
from netruntime.train.update.array_blocks import blocks, fit_scratch, scratch, sum_squares
from netruntime.train.update.building import build
from netruntime.train.update.groups import chosen_labels


@immutable(kw_only=True)
class Regulariser(RegulariserRecipe, ABC):
    """A penalty on each element of a weight, times `strength`.

    Raises:
        RecipeError: E1080 for a value out of its range.
    """

    @abstractmethod
    def penalty(self, xp: ModuleType, weight: Array) -> Array:
        """The penalty of one weight, without the strength: a scalar of the device."""

    @abstractmethod
    def slope(self, xp: ModuleType, w: Array, out: Array) -> None:
        """The derivative of the penalty by each element, times the strength."""


@immutable(kw_only=True)
class L1(L1Recipe, Regulariser):
    """`strength Σ|w|`; its derivative at 0 is taken as 0. Tibshirani, 1996."""

    def penalty(self, xp: ModuleType, weight: Array) -> Array:
        return xp.sum(xp.abs(weight), dtype=xp.float64)

    def slope(self, xp: ModuleType, w: Array, out: Array) -> None:
        xp.sign(w, out=out)
        out *= self.strength


@immutable(kw_only=True)
class L2(L2Recipe, Regulariser):
    """`strength Σw²`, whose derivative is `2 strength w`.

    `weight_decay=λ` of an optimizer that is not decoupled is the same as `strength = λ/2`.
    """

    def penalty(self, xp: ModuleType, weight: Array) -> Array:
        return sum_squares(xp, weight)

    def slope(self, xp: ModuleType, w: Array, out: Array) -> None:
        xp.multiply(w, 2 * self.strength, out=out)


REGULARISERS: dict[str, type[Regulariser]] = {"l1": L1, "l2": L2}


def make_regulariser(
    name: str, arguments: Mapping[str, float | bool], span: Span | None = None
) -> Regulariser:
    """The regulariser `name` with these arguments.

    Raises `TrainingError` at `span`: E1080 for a value out of its range, E1081 for an unknown name or
    argument.
    """
    return build("a regulariser", REGULARISERS, name, arguments, span)


def make_regularisers(calls: Sequence[Call], labels: Sequence[str]) -> list[tuple[Regulariser, list[str]]]:
    """The regularisers of a phase, each with the labels of its weights: all, or those of its patterns.

    Raises `TrainingError` as `make_regulariser`, and E1082 for a pattern that matches nothing.
    """
    return [
        (
            make_regulariser(call.name, call.arguments, call.span),
            chosen_labels(call.patterns, labels, call.span),
        )
        for call in calls
    ]


def regularise(
    xp: ModuleType,
    weights: Mapping[str, Array],
    gradients: Mapping[str, Array],
    regularisers: Sequence[tuple[Regulariser, Sequence[str]]],
) -> None:
    """Add the derivatives of the penalties to the gradients, in place.

    Each regulariser comes with the labels of its weights, as from `make_regularisers`; weights without a
    gradient (frozen ones) do not count.
    """
    with np.errstate(all="ignore"):
        for rule, labels in regularisers:
            for label in labels:
                if label in gradients:
                    _add_slope(xp, rule, weights[label], gradients[label])


def _add_slope(xp: ModuleType, rule: Regulariser, weight: Array, gradient: Array) -> None:
    (buffer,) = scratch(xp, gradient, 1)
    for g, w in blocks(xp, gradient, weight):
        slope = fit_scratch(buffer, g)
        rule.slope(xp, w.astype(slope.dtype, copy=False), slope)
        g += slope
