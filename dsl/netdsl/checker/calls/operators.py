"""Applying operators: which arguments are tensors, and which are attributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import NoReturn

from netdsl import syntax as s
from netdsl.arrivals.words import WITH_WEIGHTS
from netdsl.checker.calls.application import Application
from netdsl.checker.calls.attributes import attribute_name, construct
from netdsl.checker.context.causes import Edited
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import Evaluated, OpValue, PoisonedError, Tensor, is_bundle, is_number
from netdsl.checker.evaluate.expressions import lift
from netdsl.edits import Edit, replacement
from netdsl.ops.contract.base import Op
from netdsl.source import Span
from netdsl.types import DType


def apply_op(
    scope: Scope, function: OpValue, use: Application, values: Sequence[Evaluated] | None = None
) -> Evaluated | list[Tensor]:
    """Apply an operator; without any tensor it stays a function with some arguments given.

    Args:
        values: The values of the arguments where they have been evaluated, which adds their operators.
    """
    op, span = function.op, use.span
    if values is None:
        values = [scope.evaluate(argument.value) for argument in use.arguments]
    queue, named = _by_position_and_name(scope, op, use, values)
    tensors, given = _sort_arguments(scope, op, queue, named, span)
    attributes = {n: (v, at) for n, v, at in function.arguments} | given
    if op.inputs and not any(isinstance(t, Tensor) for t in tensors):
        if not use.called and not use.piped:
            return function
        if use.piped or any(t is not None for t in tensors):
            scope.fail("E0405", f"`{op.name}` needs a tensor", span, help=f"write `x -> {op.name}`")
        return OpValue(op, tuple((n, v, at) for n, (v, at) in attributes.items()))
    inputs = _lift_all(scope, op, tensors, span)
    first = next((t for t in inputs if t is not None), None)
    constructed = construct(scope, op, attributes, first, span)
    places = {name: at for name, (_, at) in attributes.items()}
    return list(scope.add_op(constructed, inputs, span, use.label, use.sole, places=places))


def _by_position_and_name(
    scope: Scope, op: type[Op], use: Application, values: Sequence[Evaluated]
) -> tuple[list[tuple[Evaluated, Span]], dict[s.Ident, tuple[Evaluated, Span]]]:
    """The values of an application in their order, and those given by name. Raises E0412."""
    named: dict[s.Ident, tuple[Evaluated, Span]] = {}
    queue: list[tuple[Evaluated, Span]] = [(tensor, use.span) for tensor in use.piped]
    for argument, value in zip(use.arguments, values, strict=True):
        if argument.name is not None:
            if argument.name in named:
                message = f"`{argument.name}` of `{op.name}` is given twice"
                scope.fail("E0412", message, argument.span)
            named[argument.name] = (value, argument.value.span)
        elif is_bundle(value):
            queue += [(tensor, argument.span) for tensor in value]
        else:
            queue.append((value, argument.value.span))
    return queue, named


def _sort_arguments(
    scope: Scope,
    op: type[Op],
    queue: list[tuple[Evaluated, Span]],
    named: dict[s.Ident, tuple[Evaluated, Span]],
    span: Span,
) -> tuple[list[Evaluated], dict[str, tuple[Evaluated, Span]]]:
    """Which arguments are tensor inputs, in slot order, and which are attributes."""
    slots: list[str] = list(op.inputs)
    variadic = bool(slots) and slots[-1].startswith("*")
    names = [slot.rstrip("?").lstrip("*") for slot in slots]
    inputs, given = _by_name(scope, op, named, () if variadic else names)
    open_slots = [slot for slot, name in zip(slots, names, strict=True) if name not in inputs]
    open_attributes = [f.name for f in fields(op) if f.name not in given]
    extra: list[Evaluated] = []
    for value, at in queue:
        if variadic and isinstance(value, Tensor):
            extra.append(value)
        elif open_slots and not variadic and _fits_slot(open_slots[0], value):
            inputs[open_slots.pop(0).rstrip("?")] = value
        elif open_attributes and not isinstance(value, Tensor):
            given[open_attributes.pop(0)] = (value, at)
        else:
            beside = [f"`{f.name}`" for f in fields(op)]
            takes = count(len(slots), "tensor") + (
                f", and {', '.join(beside)}" if beside else " and nothing else"
            )
            if beside:
                _fail_unlisted(scope, op, takes, queue, at=at, call=span)
            cause = Edited([(f"write `{op.name}`", [(span, op.name)])])
            scope.fail("E0411", f"`{op.name}` takes {takes}", at, cause=cause)
    missing = [slot for slot in open_slots if not slot.endswith("?") and not slot.startswith("*")]
    if missing and any(isinstance(v, Tensor) for v in inputs.values()):
        listed = ", ".join(f"`{name}`" for name in names)
        message = f"`{op.name}` needs `{missing[0]}` too"
        help, fixes = f"its tensors are {listed}", tuple[Edit, ...]()
        if missing[0] == "weight" and op.name in WITH_WEIGHTS:
            help, fixes = _with_weight(WITH_WEIGHTS[op.name], span)
        scope.fail("E0408", message, span, help=help, fixes=fixes)
    return (extra if variadic else [inputs.get(name) for name in names]), given


def _fail_unlisted(
    scope: Scope, op: type[Op], takes: str, queue: list[tuple[Evaluated, Span]], *, at: Span, call: Span
) -> NoReturn:
    """Raise E0411; the numbers of `transpose(0, 2, 1)` are meant as a list."""
    numbers = [span for value, span in queue if is_number(value)]
    if len(fields(op)) != 1 or len(numbers) < 2:
        scope.fail("E0411", f"`{op.name}` takes {takes}", at)
    listed = [span.text for span in numbers]
    rank = next((value.type.rank for value, _ in queue if isinstance(value, Tensor)), len(listed))
    if op.name == "transpose" and len(listed) == 2 < rank:
        listed = _exchanged(listed, rank)
    text = f"[{', '.join(listed)}]"
    place = numbers[0].to(numbers[-1])
    before, after = call.text[: place.start - call.start], call.text[place.end - call.start :]
    message = f"`{op.name}` takes `{fields(op)[0].name}` as one list, but got {len(numbers)} numbers"
    help = f"write `{before}{text}{after}`, with a list"
    scope.fail("E0411", message, place, help=help, fixes=(replacement(place, text),))


def _exchanged(pair: list[str], rank: int) -> list[str]:
    """The order of all axes that exchanges two, as `transpose(x, 1, 2)` does in PyTorch."""
    try:
        first, second = (range(rank)[int(text)] for text in pair)
    except (ValueError, IndexError):
        return pair
    order = [str(axis) for axis in range(rank)]
    order[first], order[second] = order[second], order[first]
    return order


def _with_weight(layer: str, span: Span) -> tuple[str, tuple[Edit, ...]]:
    """The layer that has the weight which an operator is given, in its place."""
    text = f"{layer}(64)" if layer == "Linear" else f"{layer}(64, 3, pad=1)"
    help = f"the layer with a weight of its own is `{layer}`: write `{text}`, with the size you want"
    return help, (replacement(span, text, is_certain=False),)


def _by_name(
    scope: Scope, op: type[Op], named: dict[s.Ident, tuple[Evaluated, Span]], slots: Sequence[str]
) -> tuple[dict[str, Evaluated], dict[str, tuple[Evaluated, Span]]]:
    """The tensor inputs and the attributes among the named arguments; all unknown names are reported."""
    inputs: dict[str, Evaluated] = {}
    given: dict[str, tuple[Evaluated, Span]] = {}
    failed = False
    for ident, (value, at) in named.items():
        if ident.text in slots:
            inputs[ident.text] = value
            continue
        with scope.recover() as attempt:
            given[attribute_name(scope, op, ident.text, ident.span)] = (value, at)
        failed |= attempt.failed
    if failed:
        raise PoisonedError
    return inputs, given


def _fits_slot(slot: str, value: Evaluated) -> bool:
    """Tensors fill any slot, `none` an optional one, and numbers a required one (as a constant)."""
    if isinstance(value, Tensor):
        return True
    return value is None if slot.endswith("?") else is_number(value) or isinstance(value, bool)


def _lift_all(scope: Scope, op: type[Op], tensors: list[Evaluated], span: Span) -> list[Tensor | None]:
    like = next((t for t in tensors if isinstance(t, Tensor) and t.type.dtype is not DType.BOOL), None)
    like = like or next((t for t in tensors if isinstance(t, Tensor)), None)
    if like is None:  # an operator without inputs
        return []
    return [None if t is None else lift(scope, t, like, span, op.name) for t in tensors]


def count(n: int, noun: str) -> str:
    """`1 tensor`, `2 tensors`, `no tensors`."""
    return f"{n} {noun}{'s' if n != 1 else ''}" if n else f"no {noun}s"
