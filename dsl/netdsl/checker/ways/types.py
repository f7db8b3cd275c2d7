"""Changes for a tensor that does not match a type as written, or an element type that an operator needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from netdsl import syntax as s
from netdsl.checker.context.causes import Branches, Lengths, Mismatch, Unequal, Where
from netdsl.checker.context.ids import looked_up
from netdsl.checker.context.values import Tensor
from netdsl.checker.evaluate.statements import input_names
from netdsl.checker.ways import axes, sizes, steps, tree, uses
from netdsl.checker.ways.change import Change, appended, change, insertion
from netdsl.checker.ways.uses import Use
from netdsl.source import Span
from netdsl.types import DType


def cast_or_declare(where: Where, tensor: Tensor, wanted: DType, use: Use | None) -> Iterator[Change]:
    """Another element type: declared so if the tensor is an input of ids or labels, else converted."""
    if wanted.is_int:
        yield from declared_as(where, tensor, wanted)
    if use is not None:
        yield change(use.through("cast", str(wanted)))
    if not wanted.is_int:
        yield from declared_as(where, tensor, wanted)


def inputs_of_the_call(where: Where, wanted: DType) -> Iterator[Change]:
    """The tensors that the user hands to the standard block in which an operator failed."""
    call = sizes.call_at(where, where.span)
    if call is None:
        return
    for argument in reversed(call.arguments):
        value = argument.value
        bound = where.names.get(value.text) if isinstance(value, s.Name) else None
        if bound is None or not isinstance(bound.value, Tensor) or bound.value.type.dtype is wanted:
            continue
        tensor = bound.value
        kind = "integers" if wanted.is_int else "true or false" if wanted is DType.BOOL else "floats"
        message = f"`{value.span.text}` of `{s.callee(call).span.text}` must be {kind}, but is {tensor.type}"
        for one in declared_as(where, tensor, wanted):
            yield replace(one, message=message, place=value.span)


def declared_as(where: Where, tensor: Tensor, wanted: DType) -> Iterator[Change]:
    """The declaration of an input with another element type."""
    if tensor.span.source is not where.root.source:
        return
    node = tree.smallest(where.root.file, tensor.span, s.Param, s.TrainInput)
    holder = node if isinstance(node, (s.Param, s.TrainInput)) else None
    declared = holder.type if holder is not None and holder.name.span == tensor.span else None
    if isinstance(declared, s.Index):
        is_lookup = where.block is not None and where.block.name.text == "Embedding"
        why = "if it holds indices; measurements go through `Linear`" if is_lookup else ""
        yield change((declared.value.span, str(wanted)), why=why)


def changes(cause: Mismatch) -> Iterator[Change]:
    """Changes for an input or an output that does not match its type."""
    if cause.role == "output":
        yield from _output(cause)
    else:
        yield from _vectors_of_ids(cause)
        yield from _input(cause)
    if cause.sizes is not None:
        expected, actual = cause.sizes
        if cause.role == "output":
            yield from sizes.multiplied(cause.where, actual)
            yield from sizes.set_to(cause.where, actual, expected)
        else:
            yield from sizes.equalize(cause.where, actual, expected)
    if cause.role == "output":
        yield from _as_returned(cause)


def _vectors_of_ids(cause: Mismatch) -> Iterator[Change]:
    """Ids where a sequence of vectors is taken."""
    type_ = cause.tensor.type
    if cause.where.module.is_std and type_.dtype.is_int and len(cause.elements) == type_.rank + 1:
        help, edit = looked_up(cause.where.span, cause.where.names)
        yield change(edit, help=help)


def _output(cause: Mismatch) -> Iterator[Change]:
    """The declaration, where only the order of the axes differs; or the result changed."""
    shape, at = cause.tensor.type.shape, cause.tensor.span
    if cause.dtype is not None:
        yield change(appended(at, f" -> cast({cause.dtype})"))
    written = [sizes.in_text(cause.where, size) for size in shape]
    declared = [element.span.text for element in cause.elements]
    if None not in written and sorted(map(str, written)) == sorted(declared) and written != declared:
        yield from _as_returned(cause)
    yield from steps.changes(cause)
    count = len(shape) - len(cause.elements)
    stage = tree.smallest(cause.where.root.file, at, s.Stage)
    if count > 0 and stage is not None:
        before = "flatten" if len(shape) > 3 else "mean(over=1)"
        yield change(
            insertion(stage.span, f"{before} -> "), why="which leaves one vector for each row of the batch"
        )
        for one in axes.fewer_axes(Use(at), cause.tensor, count):
            ((_, text),) = one.replacements
            yield change(appended(at, f" -> {_as_stage(text, at)}"), why=one.why)


def _as_stage(text: str, at: Span) -> str:
    """`squeeze(x, 1)` as a stage: `squeeze(1)`."""
    function, _, rest = text.partition("(")
    arguments = rest.removeprefix(at.text).removeprefix(", ").removesuffix(")")
    return f"{function}({arguments})" if arguments else function


def _as_returned(cause: Mismatch) -> Iterator[Change]:
    """The declared type of an output replaced by what the body returns."""
    tensor = cause.tensor.type
    written = [sizes.in_text(cause.where, size) for size in tensor.shape]
    if None in written or cause.pattern.source is not cause.where.root.source:
        return
    prefix = cause.pattern.text.partition("[")[0] and str(tensor.dtype)
    text = f"{prefix}[{', '.join(map(str, written))}]"
    yield change((cause.pattern, text), help=f"declare what the body returns: `{text}`")


def _input(cause: Mismatch) -> Iterator[Change]:
    if cause.where.callee is None:
        return
    use = uses.of_input(cause.where, cause.where.callee, cause.name)
    if use is None:
        return
    if cause.dtype is not None:
        yield from cast_or_declare(cause.where, cause.tensor, cause.dtype, use)
    if any(isinstance(element, s.Star) for element in cause.elements):
        yield from _other_inputs(cause, use)
        return
    count = len(cause.elements) - cause.tensor.type.rank
    if count > 0:
        yield from axes.more_axes(cause.where, use, cause.tensor, count)
    if count < 0:
        yield from axes.fewer_axes(use, cause.tensor, -count)


def _squeezed_output(where: Where, name: str, tensor: Tensor) -> Iterator[Change]:
    """An output of a model without its last axis of size 1, in the model itself."""
    if tensor.type.shape[-1] != 1 or tree.smallest(where.root.file, where.span, s.Train) is None:
        return
    for block in where.root.file.of("model"):
        outputs, last = block.outputs or (), block.body[-1] if block.body else None
        types = [o.type for o in outputs if o.name is not None and o.name.text == name]
        if len(outputs) != 1 or not isinstance(last, s.Return) or len(last.values) != 1:
            continue
        for written in types:
            if isinstance(written, s.Index) and len(written.elements) > 1:
                cut = written.span.source.span(written.elements[-2].span.end, written.elements[-1].span.end)
                axis = len(written.elements) - 1
                yield change(
                    (cut, ""),
                    appended(last.values[0].span, f" -> squeeze({axis})"),
                    why="one number for each row",
                )


def _other_inputs(cause: Mismatch, use: Use) -> Iterator[Change]:
    """An input with other axes than those that an earlier input gave to `*rest`."""
    where, rank = cause.where, cause.tensor.type.rank
    assert where.callee is not None
    for name in input_names(where.callee):
        bound = (where.inside or where.names).get(name)
        other = bound.value if bound is not None else None
        its = uses.of_input(where, where.callee, name)
        if not isinstance(other, Tensor) or its is None or name == cause.name:
            continue
        if other.type.rank > rank:
            yield from _squeezed_output(where, its.span.text, other)
            yield from axes.fewer_axes(its, other, other.type.rank - rank)
            yield from axes.more_axes(where, use, cause.tensor, other.type.rank - rank)
        if other.type.rank < rank:
            yield from axes.fewer_axes(use, cause.tensor, rank - other.type.rank)
        order = axes.permuted(cause.tensor.type.shape, other.type.shape)
        if order is not None:
            yield change(use.through("transpose", str(order)), why=f"which makes it {other.type}")
        for ours, theirs in zip(cause.tensor.type.shape, other.type.shape, strict=False):
            if ours != theirs and rank == other.type.rank:
                yield from sizes.equalize(where, ours, theirs)


# -- lengths ------------------------------------------------------------------------------------------


def lengths(cause: Lengths) -> Iterator[Change]:
    """One integer for each sequence: counted from a mask, declared so, or with the batch axis first."""
    length, use = cause.length.type, Use(cause.place)
    text = cause.place.text
    if length.rank == 2 and length.shape[1] == 1:
        yield change(use.through("squeeze", "1"), why="which drops the axis of size 1")
    if length.rank == 2 and not length.dtype.is_float:
        why = "which counts the true ones of each sequence"
        yield change((cause.place, f"sum(cast({text}, i32), over=1)"), why=why)
    if length.rank == 1 and not length.dtype.is_int:
        yield from cast_or_declare(cause.where, cause.length, DType.I32, use)
    steps, batch = cause.sequence.type.shape[1], cause.sequence.type.shape[0]
    if length.shape[:1] == (steps,):
        yield from _batch_first(cause, str(batch), str(steps))


def _batch_first(cause: Lengths, first: str, second: str) -> Iterator[Change]:
    """The first two axes swapped in every type of the model that starts with them."""
    block = tree.smallest(cause.where.root.file, cause.place, s.Block)
    if not isinstance(block, s.Block):
        return
    swaps: list[tuple[Span, str]] = []
    written = [*(p.type for p in block.inputs or ()), *(o.type for o in block.outputs or ())]
    for type_ in written:
        elements = type_.elements if isinstance(type_, (s.Index, s.ListExpr)) else ()
        if [e.span.text for e in elements[:2]] == [first, second]:
            swaps += [(elements[0].span, second), (elements[1].span, first)]
    if swaps:
        yield change(*swaps, why="with the batch axis first")


# -- sizes that must be equal ------------------------------------------------------------------------


def unequal(cause: Unequal) -> Iterator[Change]:
    if cause.parts:
        yield from _divisor(cause)
    else:
        yield from sizes.equalize(cause.where, cause.actual, cause.expected)


def _divisor(cause: Unequal) -> Iterator[Change]:
    """Another value for what must divide a size, where it is given as a number."""
    for _, place in cause.parts:
        if cause.actual.is_fixed:
            yield from sizes.divisors_at(cause.where, place, int(cause.actual))


def branches(cause: Branches) -> Iterator[Change]:
    """A residual: the stride of its body for the shortcut, a projection, or padding in the body."""
    body, shortcut = cause.body.type, cause.shortcut.type
    if body.rank != shortcut.rank:
        return
    if body.shape == shortcut.shape:
        yield change(appended(cause.body.span, f" -> cast({shortcut.dtype})"))
        return
    spatial = [a for a in range(2, body.rank) if body.shape[a] != shortcut.shape[a]]
    strides = _strides(cause, cause.core.body)
    if cause.core.via is not None and spatial:
        for call in reversed(list(_windows(cause.core.via))):
            for text in strides:
                yield change(sizes.with_argument(call, "stride", text), why="as in the body")
    for axis in spatial:
        yield from sizes.keep_size(cause.where, body.shape[axis], shortcut.shape[axis])
    if cause.core.via is None:
        yield from _projection(cause, strides if spatial else [])
    for axis in [a for a in range(body.rank) if body.shape[a] != shortcut.shape[a]]:
        yield from sizes.set_to(cause.where, body.shape[axis], shortcut.shape[axis])


def _projection(cause: Branches, strides: list[str]) -> Iterator[Change]:
    body, shortcut = cause.body.type, cause.shortcut.type
    channel = 1 if body.rank > 3 else body.rank - 1
    if body.shape[channel] == shortcut.shape[channel] and not strides:
        return
    width = sizes.in_text(cause.where, body.shape[channel])
    if width is None:
        return
    for stride in strides or [""]:
        projection = (
            f"Conv({width}, 1{f', stride={stride}' if stride else ''})"
            if body.rank > 3
            else f"Linear({width})"
        )
        yield change(
            appended(cause.core.span, f" via {{ proj: {projection} }}"),
            why="which gives the shortcut the shape of the body",
        )


def _windows(chain: s.Chain) -> Iterator[s.Call]:
    for call in tree.every(chain, s.Call):
        if isinstance(call.function, s.Name) and call.function.text in ("Conv", "ConvBN"):
            yield call


def _strides(cause: Branches, chain: s.Chain) -> list[str]:
    """The strides that the body of a residual writes, other than 1."""
    given = [sizes.argument(call, "stride") for call in _windows(chain)]
    return list(dict.fromkeys(a.value.span.text for a in given if a is not None and a.value.span.text != "1"))
