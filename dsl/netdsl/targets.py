"""How a `train` section uses its inputs as classes: the value that is ignored, and the number of classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netdsl.immutable import immutable
from netdsl.model import Body, BodyStep, CallStep, Phase, Slot
from netdsl.types import TensorType

_RANGES = {
    "binary_cross_entropy": ("target", "0 or 1, or a probability"),
    "kl_divergence": ("target", "a probability"),
    "cross_entropy": ("label", "a probability"),
    "hinge": ("target", "-1 or 1"),
}
"""The standard losses that give wrong numbers for targets of another range: the input, and its values."""

Origins = frozenset[str]
"""The integer inputs that an integer value is computed from."""

_NONE: Origins = frozenset()


@immutable
class ClassUse:
    """An integer input whose values are class indices in a loss or a metric.

    `ignore` is the value that does not count, None if every label counts; `scores` has the classes on its
    last axis.
    """

    input: str
    ignore: int | None
    scores: TensorType

    @property
    def classes(self) -> int | None:
        """The number of classes; None if it is a free size."""
        size = self.scores.shape[-1]
        return size.value if size.is_fixed else None


def own_inputs(phases: Sequence[Phase]) -> frozenset[str]:
    """The inputs that only the `train` sections have: the targets of the models' outputs."""
    names = {name for phase in phases for name in phase.model.inputs}
    of_models = {
        slot.name
        for phase in phases
        for step in phase.model.body.steps
        if isinstance(step, CallStep) and step.body.kind == "model"
        for slot in step.body.inputs
    }
    return frozenset(names - of_models)


def label_names(phases: Sequence[Phase]) -> frozenset[str] | None:
    """The targets of a file; None if it has no `train` section to say so."""
    return own_inputs(phases) if phases else None


def target_ranges(phase: Phase) -> dict[str, tuple[str, str]]:
    """The inputs that are passed to a loss as targets of a certain range: the loss, and its values."""
    ranges = {}
    inputs = phase.model.body.inputs
    for step in phase.model.body.steps:
        if not isinstance(step, CallStep) or step.body.name not in _RANGES:
            continue
        name, values = _RANGES[step.body.name]
        for slot, value in zip(step.body.inputs, step.inputs, strict=True):
            is_class = slot.type.dtype.is_int and name == "label"
            if slot.name == name and value < len(inputs) and not is_class:
                ranges[inputs[value].name] = (step.body.name, values)
    return ranges


def class_uses(inputs: Sequence[Slot], steps: Sequence[BodyStep]) -> tuple[ClassUse, ...]:
    """The uses of inputs as classes in some steps of a section, in order.

    They are the calls of blocks that take class scores, a `label` with one axis less, and the static argument
    `ignore`: the standard losses and metrics, and blocks that are written like them.
    """
    values = [frozenset({slot.name}) if slot.type.dtype.is_int else _NONE for slot in inputs]
    return tuple(dict.fromkeys(_uses(steps, values, set())))


def _uses(
    steps: Sequence[BodyStep], values: list[Origins], done: set[tuple[int, tuple[Origins, ...]]]
) -> Iterator[ClassUse]:
    """The uses inside some steps; `values` are the origins of the values so far, and are extended."""
    for step in steps:
        arguments = [_NONE if n is None else values[n] for n in step.inputs]
        if isinstance(step, CallStep):
            yield from _uses_of_call(step.body, arguments, done)
        types = [slot.type for slot in step.body.outputs] if isinstance(step, CallStep) else step.types
        origins = _NONE.union(*arguments)
        values += [origins if type_.dtype.is_int else _NONE for type_ in types]


def _uses_of_call(
    body: Body, arguments: list[Origins], done: set[tuple[int, tuple[Origins, ...]]]
) -> Iterator[ClassUse]:
    key = (id(body), tuple(arguments))
    if key in done or not any(arguments):
        return
    done.add(key)
    slots = dict(zip([slot.name for slot in body.inputs], body.inputs, strict=True))
    ignore = body.arguments.get("ignore", "")
    if "label" in slots and (ignore is None or isinstance(ignore, int)):
        label, scores = slots["label"].type, body.inputs[0].type
        if label.dtype.is_int and scores.dtype.is_float and scores.rank == label.rank + 1:
            for name in sorted(arguments[body.inputs.index(slots["label"])]):
                yield ClassUse(name, ignore, scores)
    yield from _uses(body.steps, list(arguments), done)
