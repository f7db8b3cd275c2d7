"""Scans: building a cell for one step, and the operator that runs it over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from netdsl import syntax as s
from netdsl.cells import Cell, flatten_cell
from netdsl.checker.calls.blocks import bind_inputs, check_outputs, entered, open_body, updates_of
from netdsl.checker.calls.calls import snake
from netdsl.checker.calls.construct import construct_block
from netdsl.checker.calls.layers import borrow
from netdsl.checker.calls.tensor_arguments import bind_tensors
from netdsl.checker.context.causes import Edited, Lengths, Unequal
from netdsl.checker.context.ids import looked_up
from netdsl.checker.context.reports import set_here
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import BlockValue, PoisonedError, Tensor, describe
from netdsl.checker.evaluate.statements import as_cell, input_names, run_body
from netdsl.checker.foreign.met import met
from netdsl.checker.foreign.names import callee_of
from netdsl.checker.foreign.settings import Use, recurrent
from netdsl.diagnostics import Label
from netdsl.dims import dim
from netdsl.edits import replacement
from netdsl.flatten import FlatStep
from netdsl.model import Body, OpStep, Slot, State, below
from netdsl.ops.create.create import Constant
from netdsl.ops.sequence.scan import Growth, Scan
from netdsl.source import Span
from netdsl.types import TensorType

SCAN_MODIFIERS = ("reverse", "states")


@dataclass
class _Feed:
    """What an application of a cell hands in."""

    inputs: list[Tensor | None]
    states: dict[str, tuple[Tensor, Span]]
    length: Tensor | None
    length_place: Span | None = None


def run_scan(
    scope: Scope, core: s.Scan, piped: list[Tensor], label: s.Ident | None, sole: bool
) -> list[Tensor]:
    """`x -> scan Cell(..)(length=.., h=..) reverse states`: the outputs over time, then the last states."""
    modifiers = _modifiers(scope, core)
    value, arguments = _cell(scope, core)
    feed = _feed(scope, value, piped, arguments, core.span)
    scanned = [_is_sequence(scope, value.block, n, tensor) for n, tensor in enumerate(feed.inputs)]
    if not any(scanned):
        _refuse(scope, core, value, feed)
    path = scope.labels.place(label, snake(value.block.name.text), sole)
    _check_length(scope, feed, scanned)
    body = _build_cell(scope, value, feed.inputs, scanned, core.span, path)
    borrow(scope, body, path, core.span)
    cell = flatten_cell(body, [flag for flag, tensor in zip(scanned, feed.inputs, strict=True) if tensor])
    if cell.buffers and feed.length is not None:
        help = "scan without lengths, or normalise by the statistics of each sample: `LayerNorm`"
        message = f"`{value.block.name}` updates a buffer at every step, so it cannot take lengths"
        scope.fail("E0224", message, s.callee(core.call).span, help=help)
    outputs = _add_scan(
        scope, body, cell, feed, scanned=scanned, reverse="reverse" in modifiers, span=core.span, path=path
    )
    count = len(body.outputs) + (len(cell.states) if "states" in modifiers else 0)
    return list(outputs[:count])


def _refuse(scope: Scope, core: s.Scan, value: BlockValue, feed: _Feed) -> NoReturn:
    """Raise E0310 for inputs without a time axis; ids lack the axis of the features, which a table adds."""
    first = next((tensor for tensor in feed.inputs if tensor is not None), None)
    help, cause = "a sequence has one axis more than the cell's input: `[B, T, ..]` for `[B, ..]`", None
    also = [Label(first.span, f"this is {first.type}")] if first is not None else []
    message = f"`{value.block.name}` needs a sequence to run over"
    if first is not None and first.type.dtype.is_int:
        help, edit = looked_up(core.span, scope.names)
        cause = Edited([(help, [edit])])
        message = f"`{value.block.name}` needs a sequence of vectors, but is given ids, {first.type}"
    scope.fail("E0310", message, s.callee(core.call).span, also=also, help=help, cause=cause)


def _check_length(scope: Scope, feed: _Feed, scanned: Sequence[bool]) -> None:
    """Raise E0302 or E0303 for lengths that are not one integer for each sequence."""
    length, place = feed.length, feed.length_place
    if length is None or place is None:
        return
    sequence = next(t for t, flag in zip(feed.inputs, scanned, strict=True) if flag and t is not None)
    batch, given = sequence.type.shape[0], length.type
    if given.rank == 1 and given.dtype.is_int and given.shape[0] == batch:
        return
    code = "E0303" if given.rank == 1 and not given.dtype.is_int else "E0302"
    message = f"`length` must be integers of shape [{batch}], one for each sequence, but is {given}"
    if given.rank == 1 and given.dtype.is_int:
        message += f": axis 0 of the sequences, the batch, is {batch}"
    also = [Label(length.span, f"this is {given}")] if length.span != place else []
    also.append(Label(sequence.span, f"the sequences are {sequence.type}"))
    cause = Lengths(scope.where(place), length, sequence, place)
    scope.fail(code, message, place, also=also, cause=cause)


def _modifiers(scope: Scope, core: s.Scan) -> list[str]:
    for modifier in core.modifiers:
        if modifier.text not in SCAN_MODIFIERS:
            help = "`reverse` reads the sequence from its end; `states` also returns the last states"
            scope.fail("E0214", f"`{modifier}` is not a modifier of a scan", modifier.span, help=help)
    return [m.text for m in core.modifiers]


def _cell(scope: Scope, core: s.Scan) -> tuple[BlockValue, Sequence[s.Argument]]:
    """The constructed cell, and the arguments of its application."""
    expr = core.call
    _check_layers(scope, core)
    arrived = met(scope, expr, [])
    if arrived is not None and isinstance(arrived.stages[0].core, s.Apply):
        expr = arrived.stages[0].core.call
    value = scope.evaluate(expr.function if isinstance(expr, s.Call) else expr)
    arguments: Sequence[s.Argument] = expr.arguments if isinstance(expr, s.Call) else ()
    if not isinstance(value, BlockValue) or value.block.kind != "cell":
        help = "define it with `cell` instead of `block`" if isinstance(value, BlockValue) else None
        message = f"`scan` needs a cell, but this is {describe(value)}"
        cause = Edited(as_cell(value.block)) if isinstance(value, BlockValue) else None
        scope.fail("E0310", message, s.callee(expr).span, help=help, cause=cause)
    if value.statics is None:
        takes = arguments if value.block.statics else ()
        value = construct_block(scope, value, takes, expr.span)
        arguments = () if value.block.statics else arguments
    return value, arguments


def _check_layers(scope: Scope, core: s.Scan) -> None:
    """Raise E0406 for `scan LSTM(32, layers=2)`: several layers are a block, which is not scanned."""
    name, is_foreign = callee_of(scope, core.call)
    if name is None or is_foreign or not isinstance(core.call, s.Call):
        return
    wrong = recurrent(Use(scope, name, core.call.arguments, ()))
    if wrong is not None:
        edit = replacement(core.span, wrong.said.text, is_certain=wrong.said.is_exact)
        notes = f": {'; '.join(wrong.said.notes)}" if wrong.said.notes else ""
        help = f"write `{wrong.said.text}` for `{core.span.text}`{notes}"
        scope.fail("E0406", wrong.message, wrong.at, help=help, fixes=() if core.modifiers else (edit,))


def _feed(
    scope: Scope, value: BlockValue, piped: list[Tensor], arguments: Sequence[s.Argument], span: Span
) -> _Feed:
    states = {d.name.text for d in value.block.body if isinstance(d, s.Declaration) and d.kind == "state"}
    names = input_names(value.block)
    feed = _Feed([], {}, None)
    rest = []
    for argument in arguments:
        word = argument.name.text if argument.name else ""
        if word not in names and (word in states or word == "length"):
            tensor = scope.evaluate(argument.value)
            if tensor is None and word == "length":
                continue
            if not isinstance(tensor, Tensor):
                help = "give a tensor of integers, one for each sequence: `length: i32[B]`"
                message = f"`{word}` must be a tensor, but got {describe(tensor)}"
                scope.fail("E0403", message, argument.value.span, help=help if word == "length" else None)
            if word == "length":
                feed.length, feed.length_place = tensor, argument.value.span
            else:
                feed.states[word] = (tensor, argument.value.span)
        else:
            rest.append(argument)
    feed.inputs = bind_tensors(scope, value.block, piped, rest, span)
    return feed


def _is_sequence(scope: Scope, block: s.Block, index: int, tensor: Tensor | None) -> bool:
    """Whether an input is scanned: it has one axis more than the cell declares, or comes first untyped."""
    if tensor is None or block.inputs is None:
        return tensor is not None
    type_ = block.inputs[index].type
    if type_ is None:
        return index == 0
    elements = type_.elements if isinstance(type_, (s.ListExpr, s.Index)) else ()
    return tensor.type.rank == len(elements) + 1 and not any(isinstance(e, s.Star) for e in elements)


def _step_of(tensor: Tensor) -> Tensor:
    """One step of a sequence: without the time axis."""
    shape = (tensor.type.shape[0], *tensor.type.shape[2:])
    return Tensor(tensor.value, TensorType(tensor.type.dtype, shape), (None,) * len(shape), tensor.span)


def _build_cell(
    scope: Scope,
    value: BlockValue,
    inputs: Sequence[Tensor | None],
    scanned: Sequence[bool],
    span: Span,
    path: str,
) -> Body:
    block = value.block
    scope.checker.scanned.add(id(block))
    steps = [_step_of(t) if t and flag else t for t, flag in zip(inputs, scanned, strict=True)]
    inner = open_body(scope, value, steps, span, path)
    before = scope.checker.failures
    key = ("scan", value.key, tuple(None if t is None else t.type for t in steps))
    with entered(scope, key, block.name.text, span):
        slots = bind_inputs(inner, block, steps, span)
        run_body(inner)
    if scope.checker.failures > before:
        raise PoisonedError
    outputs = check_outputs(inner, block)
    scope.assumptions += inner.assumptions
    return Body(
        block.name.text,
        "cell",
        tuple(slots),
        tuple(outputs),
        tuple(inner.steps),
        inner.nodes.size,
        span,
        block.doc,
        next_values=tuple(_next_slots(inner)),
        updates=updates_of(inner),
        borrowed=inner.borrowed,
    )


def _next_slots(scope: Scope) -> list[Slot]:
    """The next value of every state, in the order of the states. Raises E0215 if one has none."""
    slots = []
    for step in scope.steps:
        if not isinstance(step, OpStep) or not isinstance(step.op, State):
            continue
        name = step.op.slot
        if name not in scope.next_values:
            help = f"end the cell with `next {name} = ...`"
            at = scope.labels.claims.get(name, step.span)
            scope.fail("E0215", f"the state `{name}` has no next value", at, help=help)
        value = scope.next_values[name]
        _check_next(scope, step, step.op, value)
        slots.append(Slot(name, value.type, value.value, value.span))
    return slots


def _check_next(scope: Scope, step: OpStep, state: State, value: Tensor) -> None:
    was, now = step.types[0], value.type
    same = was.rank == now.rank and was.dtype is now.dtype
    if same:
        for axis, (a, b) in enumerate(zip(was.shape, now.shape, strict=True)):
            grows = axis == state.grows and (b - a).is_fixed and (b - a).value >= 0
            same = same and (a == b or grows)
    if not same:
        help = "a state keeps its shape and element type from step to step"
        if state.grows is None and was.rank == now.rank:
            help += "; one that grows is declared `[B, *past, D]`"
        also = [Label(step.span, f"`{state.slot}` is {was}")]
        message = f"the state `{state.slot}` is {was}, but its next value is {now}"
        scope.fail("E0311", message, scope.next_places[state.slot], also=also, help=help)


def _add_scan(
    scope: Scope,
    body: Body,
    cell: Cell,
    feed: _Feed,
    *,
    scanned: Sequence[bool],
    reverse: bool,
    span: Span,
    path: str,
) -> tuple[Tensor, ...]:
    pairs = list(zip(feed.inputs, scanned, strict=True))
    sequences = [t for t, flag in pairs if t is not None and flag]
    held = [t for t, flag in pairs if t is not None and not flag]
    growth = tuple(
        _growth(step, after.type) for step, after in zip(cell.states, body.next_values, strict=True)
    )
    if any(growth) and feed.length is not None:
        scope.fail(
            "E0310", "a cell whose state grows cannot take lengths", span, help="mask the positions instead"
        )
    _check_free(scope, body, growth, span)
    starts = [_start(scope, step, feed, span) for step in cell.states]
    buffers = [_mint(scope, path, step) for step in cell.buffers]
    minted = [_mint(scope, path, step) for step in cell.parameters]
    carried = len(starts) + len(buffers)
    growth += (None,) * len(buffers)
    op = Scan(cell.program, len(sequences), carried, reverse, growth if any(growth) else ())
    inputs = [*sequences, feed.length, *starts, *buffers, *held, *minted]
    outputs = scope.add_op(op, inputs, span, scope.labels.release(path, span))
    for step, last in zip(reversed(cell.buffers), reversed(outputs), strict=False):
        scope.scan_updates[below(path, step.label)] = last.value
    return outputs


def _growth(step: FlatStep, after: TensorType) -> Growth | None:
    assert isinstance(step.op, State)
    axis = step.op.grows
    if axis is None:
        return None
    size = step.types[0].shape[axis]
    return Growth(axis, (after.shape[axis] - size).value, next(iter(size.symbols)))


def _check_free(scope: Scope, body: Body, growth: Sequence[Growth | None], span: Span) -> None:
    """The outputs of a cell have one shape for all steps, so they cannot hold a size that grows."""
    symbols = {g.symbol for g in growth if g is not None}
    for slot in body.outputs:
        for size in slot.type.shape:
            if size.symbols & symbols:
                help = "sum or attend over the axis that grows before returning"
                scope.fail(
                    "E0311",
                    f"an output of the cell is {slot.type}, which grows from step to step",
                    slot.span,
                    help=help,
                )


def _start(scope: Scope, step: FlatStep, feed: _Feed, span: Span) -> Tensor:
    """A state's first value: handed in, or filled as declared; one that grows starts empty."""
    assert isinstance(step.op, State)
    type_ = step.types[0]
    if step.op.slot in feed.states:
        tensor, place = feed.states[step.op.slot]
        expected = [None if axis == step.op.grows else size for axis, size in enumerate(type_.shape)]
        fits = len(expected) == tensor.type.rank and tensor.type.dtype is type_.dtype
        fits = fits and all(
            e is None or e == size for e, size in zip(expected, tensor.type.shape, strict=False)
        )
        if not fits:
            also = [Label(step.span, "declared here")]
            differing = [(e, g) for e, g in zip(expected, tensor.type.shape, strict=False) if e != g]
            for size in differing[0] if differing else ():
                also += set_here(scope, size.origin, f"{size} is set here") if size and size.origin else []
            message = f"the state `{step.op.slot}` must be {type_}, but got {tensor.type}"
            also.append(Label(tensor.span, f"this is {tensor.type}"))
            wanted, got = differing[0] if differing else (None, dim(0))
            cause = None if wanted is None else Unequal(scope.where(place), wanted, got)
            scope.fail("E0302", message, place, also=also, cause=cause)
        return tensor
    sizes = tuple(dim(0) if axis == step.op.grows else size for axis, size in enumerate(type_.shape))
    numbers = {"zeros": 0.0, "ones": 1.0}
    number = numbers.get(step.op.init.kind, step.op.init.args[0] if step.op.init.args else 0.0)
    value = number if type_.dtype.is_float else int(number)
    constant = Constant(bool(value) if type_.dtype.value == "bool" else value, sizes, type_.dtype)
    return scope.add_op(constant, [], span)[0]


def _mint(scope: Scope, path: str, step: FlatStep) -> Tensor:
    """A parameter of the cell, made outside it so that every step uses the same one."""
    return scope.add_source(OpStep(step.op, (), step.types, below(path, step.label), step.span))
