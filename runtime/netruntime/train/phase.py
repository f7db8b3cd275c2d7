"""A phase in training: its loss, its optimizer with its state, and one update of the weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from netdsl.graph import expand
from netdsl.immutable import immutable
from netdsl.model import Call, Phase
from netdsl.ops.contract.base import Array
from netdsl.recipes import DEFAULT_OPTIMIZER, DEFAULT_SCHEDULE, SectionSettings
from netdsl.source import Span
from netruntime.engine.backends import Device
from netruntime.engine.room import room_for
from netruntime.engine.weights import parameters
from netruntime.errors import TrainingError
from netruntime.train.statistics.finish import Finish
from netruntime.train.step import Computed, LossGraph, Outcome, outcomes
from netruntime.train.totals import Totals
from netruntime.train.update.accumulate import GradientSum, owned
from netruntime.train.update.array_blocks import square_sums
from netruntime.train.update.clipping import clip, make_clips
from netruntime.train.update.groups import (
    make_group,
    members,
    resolve_groups,
    trained_labels,
    updated_buffers,
)
from netruntime.train.update.native_update import NativeUpdates
from netruntime.train.update.optimizer_state import OptimizerState
from netruntime.train.update.optimizers import make_optimizer
from netruntime.train.update.regularisers import make_regularisers, regularise
from netruntime.train.update.schedules import make_schedule

LESS_STATE = "use an optimizer that keeps less: sgd keeps nothing, lion an array per weight, or `freeze` some"


@immutable
class Length:
    """The length of a run, in updates; used by schedules."""

    total_steps: int
    steps_per_epoch: int

    def of_every(self, every: int) -> Length:
        """The length for a phase that runs every n-th step."""
        return Length(-(-self.total_steps // every), -(-self.steps_per_epoch // every))


@immutable
class Update:
    """The result of one update: the outcome of each batch, the rate, and the norm before clipping."""

    outcomes: tuple[Outcome, ...]
    lr: float
    grad_norm: float


class PhaseTrainer:
    """A phase with its optimizer, which updates weights in place.

    Args:
        phase: The phase, as checked for training.
        weights: All weights by label path, arrays of the device that the caller owns.

    Raises:
        TrainingError: E1070, and E108x for settings out of range and patterns that match nothing.
        NetError: the loss cannot be differentiated.
    """

    def __init__(self, phase: Phase, weights: Mapping[str, Array], device: Device) -> None:
        self.phase = phase
        self.name = phase.name
        self.every = int(phase.numbers.get("every", SectionSettings().every))
        self.device = device
        stored = buffers(phase)
        labels = trained_labels(trainable(phase), phase.over, phase.freeze, phase.span, buffers=stored)
        self._buffers = updated_buffers(stored, labels, phase.over, phase.freeze)
        self.loss_graph = LossGraph(phase, device, labels, buffers=self._buffers)
        self.finish = Finish(self.loss_graph.split)
        recipe = _recipe(phase.optimizer, DEFAULT_OPTIMIZER)
        self.optimizer = make_optimizer(*recipe)
        self.schedule = make_schedule(*_recipe(phase.schedule, DEFAULT_SCHEDULE))
        own = {label: weights[label] for label in self.loss_graph.trained}
        labels = list(own)
        self.rates = resolve_groups(self.optimizer, [make_group(call) for call in phase.groups], own)
        self.members = members(self.rates)
        self.clips = make_clips(phase.clips, labels)
        self.regularisers = make_regularisers(phase.regularisers, labels)
        needed = sum(self.optimizer.slot_bytes(device.xp, weight) for weight in own.values())
        with room_for(f"what `{recipe[0]}` keeps of each weight", device, needed, LESS_STATE):
            self.state = OptimizerState.init(device.xp, self.optimizer, own)

    def update_weights(
        self,
        batches: Sequence[Mapping[str, Any]],
        weights: Mapping[str, Array],
        seeds: Sequence[int],
        length: Length,
        *,
        check_finite: bool = False,
    ) -> Update:
        """Make one update from these batches.

        Args:
            batches: Arrays by input name; several count as one with all of their rows.
            weights: All weights; those that the phase trains, and its buffers, are changed.
            seeds: One for each batch, for the random operators.
            check_finite: Stop at the first operator that produces NaN or infinity (E0821).

        Raises:
            TrainingError: E1071 if the loss or a gradient is not finite; the trained weights are then
                unchanged.
        """
        xp = self.device.xp
        with self.device.active():
            computed, gradients = self._compute(batches, weights, seeds, check_finite)
            regularise(xp, weights, gradients, self.regularisers)
            sums = square_sums(xp, list(gradients.values()))
            results, (squares,) = outcomes(self.device, computed, [sums])
            self._check(self._loss(results), "loss")
            _assign(weights, computed[-1].updates)
            norms = clip(xp, gradients, self.clips, self.members, squares)
            self._check(norms.total, "norm of the gradients")
            own = length.of_every(self.every)
            factor = self.schedule.multiplier(self.state.step, own.total_steps, own.steps_per_epoch)
            library = self.device.library
            native = None if library is None else NativeUpdates(library, self.device.threads)
            self.state.apply_gradients(
                xp, self.optimizer, weights, gradients, self.rates, factor, native=native
            )
        measured = tuple(replace(outcome, gradients={}, updates={}) for outcome in results)
        return Update(measured, self.optimizer.lr * factor, norms.total)

    def _compute(
        self,
        batches: Sequence[Mapping[str, Any]],
        weights: Mapping[str, Array],
        seeds: Sequence[int],
        check_finite: bool,
    ) -> tuple[list[Computed], dict[str, Array]]:
        """The results of the batches on the device, and the gradients of their loss, which may be changed.

        The buffers are up to date but for the last batch.
        """
        if len(batches) == 1:
            result = self.loss_graph.start(batches[0], weights, seeds[0], check_finite=check_finite)
            return [result], owned(result.gradients)
        total = GradientSum()
        computed: list[Computed] = []
        inputs = self.joint_graph.joint_inputs(batches, weights, seeds)
        for batch, seed, joint in zip(batches, seeds, inputs, strict=True):
            if computed:
                _assign(weights, computed[-1].updates)
            result = self.joint_graph.start(batch, weights, seed, joint=joint, check_finite=check_finite)
            total.add(self.device.xp, result.gradients)
            computed.append(replace(result, gradients={}))
        return computed, total.take()

    @cached_property
    def joint_graph(self) -> LossGraph:
        """The loss of several batches together."""
        return LossGraph(self.phase, self.device, self.loss_graph.trained, buffers=self._buffers, joint=True)

    def _loss(self, results: Sequence[Outcome]) -> float:
        """The loss of several batches together."""
        totals = Totals(self.loss_graph, self.finish)
        for outcome in results:
            totals.add(outcome)
        return totals.loss

    def _check(self, value: float, what: str) -> None:
        if math.isfinite(value):
            return
        name = f" of `{self.name}`" if self.name else ""
        raise TrainingError.make(
            "E1071",
            f"the {what}{name} is {value} at step {self.state.step + 1}",
            self.phase.span,
            help="lower the learning rate, or set `clip = norm(1.0)`; --check-finite finds the operator",
        )


def _assign(weights: Mapping[str, Array], values: Mapping[str, Array]) -> None:
    """Write values into weights, in place."""
    for path, value in values.items():
        weights[path][...] = value


def trainable(phase: Phase) -> list[str]:
    """The label paths of the phase's parameters of float types; buffers are not trained."""
    return [
        label
        for label, (op, type_) in parameters(expand(phase.model)).items()
        if op.role == "param" and type_.dtype.is_float
    ]


def buffers(phase: Phase) -> list[str]:
    """The label paths of the phase's buffers."""
    return [label for label, (op, _) in parameters(expand(phase.model)).items() if op.role == "buffer"]


def _recipe(call: Call | None, default: str) -> tuple[str, Mapping[str, float | bool], Span | None]:
    return (call.name, call.arguments, call.span) if call else (default, {}, None)
