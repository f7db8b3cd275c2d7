"""Losses that take logits, and are given probabilities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from netdsl.diagnostics import Diagnostic, Label
from netdsl.flatten import FlatBody, FlatStep, flatten
from netdsl.model import Phase
from netdsl.ops.attention.softmax import LogSoftmax, Softmax
from netdsl.ops.elementwise.smooth_activations import Sigmoid
from netdsl.ops.shape.reshape import Flatten, Reshape, Squeeze, Unsqueeze

_SAME_VALUES = (Squeeze, Unsqueeze, Reshape, Flatten)
BINARY = "binary_cross_entropy"


def probabilities(phase: Phase) -> Iterator[Diagnostic]:
    """A hint E0254 for each softmax or sigmoid of a model whose result a loss takes as logits."""
    flat = flatten(phase.model.body)
    makers: dict[int | None, FlatStep] = {
        value: step for step in flat.steps for value in range(step.value, step.value + len(step.types))
    }
    reported = set()
    for step in flat.steps:
        parts = step.label.split(".")
        wanted = Sigmoid if BINARY in parts else Softmax if isinstance(step.op, LogSoftmax) else None
        maker = _maker(makers, step) if wanted is not None else None
        if maker is None or wanted is None or not isinstance(maker.op, wanted) or maker.span in reported:
            continue
        if BINARY in maker.label.split("."):
            continue
        reported.add(maker.span)
        yield _hint(phase, flat, maker, "sigmoid" if wanted is Sigmoid else "softmax")


def _maker(makers: Mapping[int | None, FlatStep], step: FlatStep) -> FlatStep | None:
    """What makes the first input of a step, behind operators that keep the values."""
    maker = makers.get(step.inputs[0]) if step.inputs else None
    while maker is not None and isinstance(maker.op, _SAME_VALUES):
        maker = makers.get(maker.inputs[0])
    return maker


def _hint(phase: Phase, flat: FlatBody, maker: FlatStep, name: str) -> Diagnostic:
    loss = BINARY if name == "sigmoid" else "cross_entropy"
    outputs = [slot.value for slot in phase.model.body.outputs if slot.name == "loss"]
    losses = [step.span for step in flat.steps if flat.outputs[:1] and step.value == flat.outputs[0]]
    labels = [Label(maker.span)]
    if losses and outputs and losses[0].source is maker.span.source:
        labels.append(Label(losses[0], "the loss is computed here"))
    message = f"the loss takes logits, but gets the result of `{name}`, so that {name} is applied twice"
    help = f"return the value before `{name}`: `{loss}` applies it itself"
    return Diagnostic("E0254", message, tuple(labels), help, severity="hint")
