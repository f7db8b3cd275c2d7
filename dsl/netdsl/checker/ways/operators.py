"""Changes for an operator that refuses its inputs, by what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from netdsl import syntax as s
from netdsl.checker.context.causes import Refused
from netdsl.checker.context.ids import looked_up
from netdsl.checker.context.values import Tensor
from netdsl.checker.ways import axes, sizes, tree, uses
from netdsl.checker.ways.change import Change, change
from netdsl.checker.ways.types import cast_or_declare, inputs_of_the_call
from netdsl.checker.ways.uses import Use
from netdsl.dims import Dim, product
from netdsl.ops.attention.attention import Attention
from netdsl.ops.contract.base import Op
from netdsl.ops.contract.rules import share
from netdsl.ops.conv.conv import Conv
from netdsl.ops.elementwise.kinds import Binary
from netdsl.ops.linear.linear import MatMul
from netdsl.ops.norm.group_norm import GroupNorm
from netdsl.ops.pool.pool import Pool
from netdsl.ops.shape.join import Concat, Split
from netdsl.ops.shape.reshape import Reshape
from netdsl.types import DType, TensorType

Rule = Callable[[Refused], Iterator[Change]]


def changes(cause: Refused) -> Iterator[Change]:
    """The changes to try, the likeliest first."""
    if cause.wrong.code == "E0303":
        yield from _element_types(cause)
        return
    yield from axes.channels_first(cause.where)
    rule = next((rule for kind, rule in _RULES.items() if isinstance(cause.op, kind)), _ranks)
    yield from rule(cause)


def _use(cause: Refused, slot: str) -> Use | None:
    return uses.of_operator(cause.where, cause.op, dict(cause.tensors), slot)


# -- element types -----------------------------------------------------------------------------------


def _element_types(cause: Refused) -> Iterator[Change]:
    slots = [slot for slot, _ in cause.wrong.at if slot in cause.tensors]
    tensors = [cause.tensors[slot] for slot in slots]
    if len(slots) == 2 and cause.where.module.is_std:
        yield from inputs_of_the_call(cause.where, DType.I32)
    if len(slots) == 2:  # one element type for both
        pairs = zip(slots, tensors, reversed(tensors), strict=True)
        for slot, tensor, other in sorted(pairs, key=lambda pair: _width(pair[1])):
            if other.type.dtype.is_float or not tensor.type.dtype.is_float:
                yield from cast_or_declare(cause.where, tensor, other.type.dtype, _use(cause, slot))
        return
    wanted = _wanted_type(cause)
    if cause.where.module.is_std:
        yield from inputs_of_the_call(cause.where, wanted)
    for slot, tensor in zip(slots, tensors, strict=True):
        yield from cast_or_declare(cause.where, tensor, wanted, _use(cause, slot))
    if cause.where.module.is_std and wanted.is_float and all(t.type.dtype.is_int for t in tensors):
        help, edit = looked_up(cause.where.span, cause.where.names)
        yield change(edit, help=help)


def _width(tensor: Tensor) -> tuple[bool, int]:
    """Orders tensors by what their elements represent: first those that lose nothing when converted."""
    return tensor.type.dtype.is_float, tensor.type.dtype.itemsize


def _wanted_type(cause: Refused) -> DType:
    if "integers" in cause.wrong.message:
        return DType.I32
    if "true or false" in cause.wrong.message:
        return DType.BOOL
    floats = [t.type.dtype for t in cause.tensors.values() if t.type.dtype.is_float]
    return floats[0] if floats else DType.F32


# -- numbers of elements -----------------------------------------------------------------------------


def _reshape(cause: Refused) -> Iterator[Change]:
    assert isinstance(cause.op, Reshape)
    x, target = cause.tensors["x"].type, cause.op.sizes
    call = tree.smallest(cause.where.root.file, cause.where.span, s.Call)
    if call is None or s.callee(call).span.text != "reshape":
        return
    rest = x.shape[1:]
    if len(target) == 2 and all(size.is_fixed for size in rest) and x.rank > 2:
        tensors = [a for a in call.arguments if not isinstance(a.value, s.ListExpr)]
        text = f"flatten({tensors[0].span.text})" if tensors else "flatten"
        yield change((call.span, text), why="which joins all axes but the batch, whatever their sizes")
    shape = next((a.value for a in call.arguments if isinstance(a.value, s.ListExpr)), None)
    if shape is None:
        return
    if x.rank and target and target[0] != x.shape[0]:
        batch = sizes.in_text(cause.where, x.shape[0])
        if batch is not None and not x.shape[0].is_fixed:
            first = shape.elements[0].span
            if target[0] == -1 or (target[0].is_fixed and target[0] == 1):
                yield change((first, batch), why="which keeps the batch axis")
            yield change((first, f"{batch}, {first.text}"), why="which keeps the batch axis")
    for element in reversed(shape.elements):
        yield change((element.span, "-1"), why="which infers this size")
    if len(shape.elements) == len(target):
        yield from _one_size(cause, x, target, shape)


def _one_size(cause: Refused, x: TensorType, target: Sequence[Dim], shape: s.ListExpr) -> Iterator[Change]:
    """One size that gives as many elements, in an output that is declared with the same sizes too."""
    block, why = cause.where.block, "which has as many elements"
    written = [output.type for output in (block.outputs if block is not None else None) or ()]
    shapes = [type_ for type_ in written if isinstance(type_, (s.Index, s.ListExpr))]
    types = [type_ for type_ in shapes if len(type_.elements) == len(target)]
    for axis in reversed(range(len(target))):
        size = share(x.size, product([*target[:axis], *target[axis + 1 :]]))
        if not target[axis].is_fixed or size is None or not size.is_fixed:
            continue
        edit = (shape.elements[axis].span, str(size))
        yield change(edit, why=why)
        for type_ in types:
            yield change(edit, (type_.elements[axis].span, str(size)), why=why)


# -- two operands ------------------------------------------------------------------------------------


def _broadcast(cause: Refused) -> Iterator[Change]:
    a, b = cause.tensors.get("a"), cause.tensors.get("b")
    if a is None or b is None:
        return
    for slot, one, other in (("b", b, a), ("a", a, b)):
        use = _use(cause, slot)
        if use is not None:
            yield from _more_axes(cause, use, one, other)
            yield from _cut(cause, use, one, other)
            yield from _same_order(use, one, other)
    left, right = (axis for _, axis in cause.wrong.at)
    if left is not None and right is not None:
        yield from sizes.equalize(cause.where, a.type.shape[left], b.type.shape[right])


def _more_axes(cause: Refused, use: Use, one: Tensor, other: Tensor) -> Iterator[Change]:
    """New axes of size 1 where the axes of a tensor are some of those of the other."""
    missing = axes.missing_axes(one.type.shape, other.type.shape)
    if missing:
        yield axes.with_ones(cause.where, use, one, missing)


def _cut(cause: Refused, use: Use, one: Tensor, other: Tensor) -> Iterator[Change]:
    """The first `T` rows of a table that is longer than the sequence that it meets."""
    gap = other.type.rank - one.type.rank
    if use.piped or gap < 0:
        return
    for axis, size in enumerate(one.type.shape):
        length = other.type.shape[axis + gap]
        if size.is_fixed and size != 1 and not length.is_fixed:
            text = sizes.in_text(cause.where, length)
            if text is not None:
                picked = use.through("gather", f"range({text})", f"axis={axis}")
                yield change(picked, why=f"which takes the first {text} of {size}")


def _same_order(use: Use, one: Tensor, other: Tensor) -> Iterator[Change]:
    order = axes.permuted(one.type.shape, other.type.shape)
    if order is not None:
        yield change(use.through("transpose", str(order)), why=f"which makes it {other.type}")


def _matmul(cause: Refused) -> Iterator[Change]:
    tensors = list(cause.tensors.items())
    if len(tensors) != 2:
        return
    (_, a), (slot, b) = tensors
    if a.type.rank < 1 or b.type.rank < 2:
        return
    wanted, actual = a.type.shape[-1], b.type.shape[-2]
    declaration = _declaration(cause, b)
    if declaration is not None:
        elements = declaration.type.elements if isinstance(declaration.type, (s.ListExpr, s.Index)) else ()
        if b.type.shape[-1] == wanted and len(elements) >= 2:
            rows, columns = elements[-2].span, elements[-1].span
            yield change(
                (rows, columns.text), (columns, rows.text), why="which is [in, out], as `@` takes it"
            )
        text = sizes.in_text(cause.where, wanted)
        if text is not None and len(elements) >= 2:
            yield change((elements[-2].span, text), why="which is the number of columns on the left")
    if b.type.shape[-1] == wanted:
        order = [*range(b.type.rank - 2), b.type.rank - 1, b.type.rank - 2]
        use = uses.of_operator(cause.where, cause.op, dict(cause.tensors), "b" if slot != "b" else slot)
        if use is not None:
            yield change(use.through("transpose", str(order)), why="which swaps its last two axes")
    yield from sizes.equalize(cause.where, wanted, actual)


def _declaration(cause: Refused, tensor: Tensor) -> s.Declaration | None:
    """The `param` that declares a tensor, in this file."""
    if tensor.span.source is not cause.where.root.source:
        return None
    node = tree.smallest(cause.where.root.file, tensor.span, s.Declaration)
    return node if node is not None and node.span == tensor.span else None


# -- several inputs ----------------------------------------------------------------------------------


def _concat(cause: Refused) -> Iterator[Change]:
    assert isinstance(cause.op, Concat)
    call = tree.smallest(cause.where.root.file, cause.where.span, s.Call)
    shapes = [t.type.shape for t in cause.tensors.values()]
    differing = {
        axis for shape in shapes for axis, (a, b) in enumerate(zip(shapes[0], shape, strict=False)) if a != b
    }
    if call is not None and len(differing) == 1 and len({len(shape) for shape in shapes}) == 1:
        (axis,) = differing
        given = next((a for a in call.arguments if a.name is not None and a.name.text == "axis"), None)
        if given is not None and given.value.span.text not in (str(axis), str(axis - len(shapes[0]))):
            yield change((given.value.span, str(axis)), why="the axis on which they differ")
    both = [cause.tensors[slot] for slot, _ in cause.wrong.at if slot in cause.tensors]
    axes = [axis for _, axis in cause.wrong.at]
    if len(both) == 2 and axes[0] is not None:
        left, right = both[0].type.shape[axes[0]], both[1].type.shape[axes[0]]
        yield from sizes.equalize(cause.where, left, right)
    ranks = {t.type.rank for t in both}
    if len(ranks) == 2:
        for slot, tensor in cause.tensors.items():
            use = _use(cause, slot)
            other = next(t for t in both if t.type.rank != tensor.type.rank) if tensor in both else None
            if use is not None and other is not None and other.type.rank > tensor.type.rank:
                yield from _more_axes(cause, use, tensor, other)


def _split(cause: Refused) -> Iterator[Change]:
    """Another axis that the parts divide, or sizes of parts that are not equal."""
    assert isinstance(cause.op, Split)
    call, parts = tree.smallest(cause.where.root.file, cause.where.span, s.Call), cause.op.parts
    if call is None or not parts or s.callee(call).span.text != "split":
        return
    shape = cause.tensors["x"].type.shape
    named = {a.name.text: a for a in call.arguments if a.name is not None}
    at = cause.wrong.at[0][1]
    for axis in reversed(range(1, len(shape))):
        if shape[axis].is_fixed and int(shape[axis]) % parts == 0 and "axis" not in named:
            end = call.span.source.span(call.span.end - 1, call.span.end - 1)
            yield change((end, f", axis={axis}"), why=f"as {parts} divides the {shape[axis]} of axis {axis}")
    if at is not None and shape[at].is_fixed and cause.attribute is not None and parts <= int(shape[at]):
        least, more = divmod(int(shape[at]), parts)
        sizes_ = [least + (n < more) for n in range(parts)]
        place = named["parts"].span if "parts" in named else cause.attribute
        yield change((place, f"sizes={sizes_}"), why="with the sizes of the parts")


def _groups(cause: Refused) -> Iterator[Change]:
    shape = cause.tensors["x"].type.shape
    if len(shape) > 1 and shape[1].is_fixed:
        yield from sizes.divisors_at(cause.where, cause.attribute, int(shape[1]))


# -- axes --------------------------------------------------------------------------------------------


def _ranks(cause: Refused) -> Iterator[Change]:
    """Inputs with too few or too many axes; or an axis that a tensor does not have."""
    if cause.wrong.attribute is not None:
        yield from _last_axis(cause)
        return
    for slot, _ in cause.wrong.at[:2]:
        use, tensor = _use(cause, slot), cause.tensors.get(slot)
        if use is None or tensor is None:
            continue
        yield from axes.more_axes(cause.where, use, tensor, 1)
        yield from _over_one_axis(cause, axes.more_axes(cause.where, use, tensor, 1))
        yield from axes.fewer_axes(use, tensor, 1)


def _over_one_axis(cause: Refused, changes: Iterator[Change]) -> Iterator[Change]:
    """A masked reduction over axis 1 alone, where the call does not say over what."""
    call = tree.smallest(cause.where.root.file, cause.where.span, s.Call)
    named = {a.name.text for a in call.arguments if a.name is not None} if call is not None else {"over"}
    if call is None or "over" in named or "where" not in named:
        return
    end = call.span.source.span(call.span.end - 1, call.span.end - 1)
    for one in changes:
        yield change(*one.replacements, (end, ", over=1"), why="which reduces over axis 1 alone")


def _mask_axes(cause: Refused) -> Iterator[Change]:
    """A mask whose axes come in another order than those of the scores."""
    for slot, _ in cause.wrong.at:
        use, tensor = _use(cause, slot), cause.tensors.get(slot)
        if use is None or tensor is None or tensor.type.rank != 4:
            continue
        for order in ([0, 2, 3, 1], [0, 3, 2, 1], [0, 1, 3, 2]):
            shape = [str(tensor.type.shape[axis]) for axis in order]
            yield change(use.through("transpose", str(order)), why=f"which makes it [{', '.join(shape)}]")


def _last_axis(cause: Refused) -> Iterator[Change]:
    if (
        cause.wrong.attribute in ("axis", "over")
        and cause.attribute is not None
        and "got axis" in cause.wrong.message
    ):
        yield change((cause.attribute, "-1"), why="which is the last axis")


def _windows(cause: Refused) -> Iterator[Change]:
    """Padding that keeps the size, or a window as large as the axis, for windows that do not fit."""
    axis = next((axis for _, axis in cause.wrong.at if axis is not None), None)
    if axis is None or not cause.wrong.message.startswith("needs windows"):
        yield from _ranks(cause)
        return
    call, x = tree.smallest(cause.where.root.file, cause.where.span, s.Call), cause.tensors.get("x")
    window = sizes.argument(call, "size") if call is not None else None
    if call is None or x is None or window is None or not isinstance(window.value, s.Number):
        return
    size, length = int(window.value.value), x.type.shape[axis]
    if size % 2 and isinstance(cause.op, Conv):
        why = f"which keeps the size with a window of {size}"
        yield change(sizes.with_argument(call, "pad", str(size // 2)), why=why)
    if length.is_fixed and int(length) > 0:
        yield change((window.value.span, str(length)), why=f"a window as large as axis {axis}")


_RULES: dict[type[Op], Rule] = {
    Reshape: _reshape,
    Binary: _broadcast,
    MatMul: _matmul,
    Concat: _concat,
    Split: _split,
    GroupNorm: _groups,
    Attention: _mask_axes,
    Conv: _windows,
    Pool: _windows,
}
