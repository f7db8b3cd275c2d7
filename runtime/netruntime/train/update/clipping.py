"""Clipping of gradients by norm and by value, in place."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import ModuleType

import numpy as np

from netdsl.immutable import immutable
from netdsl.model import Call
from netdsl.ops.contract.base import Array
from netdsl.recipes.gradients import ClipRecipe, NormClipRecipe, ValueClipRecipe
from netdsl.source import Span
from netruntime.files.arrays import to_host
from netruntime.train.update.array_blocks import norm, square_sums
from netruntime.train.update.building import build
from netruntime.train.update.groups import match_labels

_EPS = 1e-6
"""The constant that PyTorch adds to the norm before dividing by it."""


@immutable
class Norms:
    """The norms of the gradients before clipping: of all together, and of each group by name."""

    total: float
    groups: Mapping[str, float]

    @property
    def finite(self) -> bool:
        """Whether all gradients are finite; an f64 norm of finite gradients is."""
        return math.isfinite(self.total)


@immutable(kw_only=True)
class GradientClip(ClipRecipe, ABC):
    """A bound on the gradients of `labels`, or of all weights if that is None.

    Raises:
        RecipeError: E1080 for a value out of its range.
    """

    labels: tuple[str, ...] | None = None

    @abstractmethod
    def apply(
        self, xp: ModuleType, gradients: Sequence[Array], squares: Sequence[float] | None = None
    ) -> None:
        """Bound the gradients, in place.

        Args:
            squares: The sum of the squares of each gradient, if it is known.
        """


@immutable(kw_only=True)
class NormClip(NormClipRecipe, GradientClip):
    """Scales all gradients down together if their norm is above `limit`.

    Source: Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", 2013;
    `torch.nn.utils.clip_grad_norm_`.
    """

    def apply(
        self, xp: ModuleType, gradients: Sequence[Array], squares: Sequence[float] | None = None
    ) -> None:
        scale = self.limit / (norm(xp, gradients, squares) + _EPS)
        if scale < 1:
            for gradient in gradients:
                gradient *= scale


@immutable(kw_only=True)
class ValueClip(ValueClipRecipe, GradientClip):
    """Clips every element to [-limit, limit]. `torch.nn.utils.clip_grad_value_`."""

    def apply(
        self, xp: ModuleType, gradients: Sequence[Array], squares: Sequence[float] | None = None
    ) -> None:
        for gradient in gradients:
            xp.clip(gradient, -self.limit, self.limit, out=gradient)


CLIPS: dict[str, type[GradientClip]] = {"norm": NormClip, "value": ValueClip}


def make_clip(name: str, arguments: Mapping[str, float | bool], span: Span | None = None) -> GradientClip:
    """The clip `name` with these arguments.

    Raises `TrainingError` at `span`: E1080 for a value out of its range, E1081 for an unknown name or
    argument.
    """
    return build("a clip", CLIPS, name, arguments, span)


def make_clips(calls: Sequence[Call], labels: Sequence[str]) -> list[GradientClip]:
    """The clips of a phase; those with patterns apply to the matching labels.

    Raises `TrainingError` as `make_clip`, and E1082 for a pattern that matches nothing.
    """
    clips = []
    for call in calls:
        rule = make_clip(call.name, call.arguments, call.span)
        matched = match_labels(call.patterns, labels, call.span) if call.patterns else None
        clips.append(rule if matched is None else replace(rule, labels=tuple(matched)))
    return clips


def clip(
    xp: ModuleType,
    gradients: Mapping[str, Array],
    clips: Sequence[GradientClip],
    groups: Mapping[str, Sequence[str]] | None = None,
    squares: Array | None = None,
) -> Norms:
    """Apply the clips one after another, in place, and return the norms before clipping.

    If any gradient is not finite, none is changed: no scale would make them finite, and the caller decides
    from the norms what to do.

    Args:
        gradients: Writable arrays by label.
        groups: The labels of each group, as from `groups.members`, to compute their norms. Together they
            are all labels.
        squares: `square_sums` of the gradients on the host; without them a GPU is waited for.
    """
    with np.errstate(all="ignore"):
        if squares is None:
            squares = to_host(square_sums(xp, list(gradients.values())))
        known: Mapping[str, float] | None = dict(zip(gradients, squares.tolist(), strict=True))
        each = {
            name: norm(xp, *_chosen(gradients, labels, known))
            for name, labels in (groups or {"": list(gradients)}).items()
        }
        norms = Norms(math.hypot(*each.values()), each if groups else {})
        if norms.finite:
            for rule in clips:
                rule.apply(xp, *_chosen(gradients, rule.labels, known))
                known = None  # the next clip measures what this one left
    return norms


def _chosen(
    gradients: Mapping[str, Array], labels: Sequence[str] | None, squares: Mapping[str, float] | None
) -> tuple[list[Array], list[float] | None]:
    """The gradients of these labels, or all, and their sums of squares where they are known."""
    chosen = [label for label in (gradients if labels is None else labels) if label in gradients]
    known = None if squares is None else [squares[label] for label in chosen]
    return [gradients[label] for label in chosen], known
