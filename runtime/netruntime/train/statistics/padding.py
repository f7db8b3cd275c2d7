"""Where the padding of shorter rows would count: the inputs that reach a loss or a metric unmasked."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl.immutable import immutable
from netdsl.model import Body, BodyStep, CallStep, Phase, Slot
from netdsl.ops.elementwise.cast import Cast
from netdsl.types import DType, TensorType

_MASKS = frozenset({"keep", "mask", "weight"})
"""The last words, in the singular, of inputs of floats or bools that are 0 in padding."""

Names = frozenset[str]
_NO_NAMES: Names = frozenset()


@immutable
class _Use:
    """What is known of a value.

    `integers` are the inputs of integers that it is computed from, and `is_mask` whether it shows where
    padding is; both only for values that come from such inputs alone. `counted` are the inputs of which
    padding is included. `is_mixed` is set for everything that comes from other inputs or a model.
    """

    integers: Names = _NO_NAMES
    counted: Names = _NO_NAMES
    is_mask: bool = False
    is_mixed: bool = False


_CONSTANT, _OF_MODEL = _Use(), _Use(is_mixed=True)
_Results = dict[tuple[int, tuple[_Use, ...]], tuple[_Use, ...]]


def counted_inputs(phase: Phase) -> Names:
    """The inputs whose padding counts in the loss or a metric of a section.

    They reach it as numbers, past the models, and meet no mask, lengths or comparison with an ignored label.
    """
    body = phase.model.body
    results = _results(body, [_use_of_input(slot) for slot in body.inputs], {})
    return _NO_NAMES.union(*(use.counted for use in results))


def _use_of_input(slot: Slot) -> _Use:
    dtype, word = slot.type.dtype, slot.name.rpartition("_")[2]
    if dtype.is_int:
        is_length = word.removesuffix("s") == "length" and slot.type.rank == 1
        return _Use(integers=frozenset({slot.name}), is_mask=is_length)
    if dtype is DType.BOOL or word.removesuffix("s") in _MASKS:
        return _Use(is_mask=True)
    return _Use(counted=frozenset({slot.name}), is_mixed=True)


def _results(body: Body, inputs: Sequence[_Use], known: _Results) -> tuple[_Use, ...]:
    """The uses of the outputs of a body."""
    key = (id(body), tuple(inputs))
    if key not in known:
        values = list(inputs)
        for step in body.steps:
            arguments = [_CONSTANT if n is None else values[n] for n in step.inputs]
            values += _of_step(step, arguments, known)
        known[key] = tuple(values[slot.value] for slot in body.outputs)
    return known[key]


def _of_step(step: BodyStep, arguments: Sequence[_Use], known: _Results) -> Sequence[_Use]:
    if not isinstance(step, CallStep):
        is_number = isinstance(step.op, Cast) and step.types[0].dtype.is_float
        return [_combined(arguments, type_, is_number=is_number) for type_ in step.types]
    if step.body.kind == "model":
        return [_OF_MODEL] * len(step.body.outputs)
    return _results(step.body, arguments, known)


def _combined(arguments: Sequence[_Use], type_: TensorType, *, is_number: bool) -> _Use:
    """The use of the result of an operator; `is_number` if it makes numbers of integers."""
    integers = _NO_NAMES.union(*(use.integers for use in arguments))
    is_masked = any(use.is_mask for use in arguments)
    counted = _NO_NAMES.union(*(use.counted for use in arguments))
    if is_number:
        counted |= integers
    if is_masked:
        counted = _NO_NAMES
    is_mixed = any(use.is_mixed for use in arguments)
    is_mask = not is_mixed and (is_masked or (type_.dtype is DType.BOOL and bool(integers)))
    return _Use(integers, counted, is_mask, is_mixed)
