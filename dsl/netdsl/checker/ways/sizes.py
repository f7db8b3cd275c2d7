"""Changes of the argument or the declaration that set a size."""

from __future__ import annotations

from collections.abc import Iterator

from netdsl import syntax as s
from netdsl.checker.context.causes import Where
from netdsl.checker.ways import tree
from netdsl.checker.ways.change import Change, change
from netdsl.dims import Dim
from netdsl.modules import std_block
from netdsl.source import Span

WINDOWS = frozenset("Conv ConvBN DepthwiseConv MaxPool AvgPool LpPool conv max_pool avg_pool lp_pool".split())


def equalize(where: Where, left: Dim, right: Dim) -> Iterator[Change]:
    """Changes that give two sizes one value, where one of them is set."""
    yield from keep_size(where, left, right)
    yield from keep_size(where, right, left)
    yield from resampled(where, left, right)
    yield from multiplied(where, left, right)
    changes = [*set_to(where, left, right), *set_to(where, right, left)]
    yield from sorted(changes, key=lambda one: _is_interface(where, one))  # what users feed comes last


def set_to(where: Where, size: Dim, wanted: Dim) -> Iterator[Change]:
    """The number or the name that set a size, replaced by one that sets another."""
    at = size.origin
    if at is None or at.source is not where.root.source:
        yield from _argument_of_import(where, at, size, wanted)
        return
    text = in_text(where, wanted)
    literal = at.text == str(size)
    if (
        text is not None
        and not _repeats(where, at, text)
        and (literal or at.text.isidentifier())
        and not _binds(where, at)
    ):
        yield change((at, text), why=f"so that both are {wanted}")


def _argument_of_import(where: Where, at: Span | None, size: Dim, wanted: Dim) -> Iterator[Change]:
    """The number in a call in this file that gives a block of another file the size."""
    bound = where.names.get(at.text) if at is not None else None
    if bound is None or bound.kind != "static" or bound.span.source is not where.root.source:
        return
    if bound.span.text == str(size) and wanted.is_fixed:
        yield change((bound.span, str(wanted)), why=f"so that both are {wanted}")


def _repeats(where: Where, at: Span, text: str) -> bool:
    """Whether a type would hold a name twice, which says that two of its axes are equal."""
    type_ = tree.smallest(where.root.file, at, s.Index, s.ListExpr)
    elements = type_.elements if isinstance(type_, (s.Index, s.ListExpr)) else ()
    others = [element.span.text for element in elements if element.span != at]
    return text in others and not text.isdigit()


def _is_interface(where: Where, one: Change) -> bool:
    """Whether a change is one of a declared input, which has the sizes of the user's data."""
    place = one.replacements[0][0]
    holder = tree.smallest(where.root.file, place, s.Block, s.Param, s.TrainInput)
    return not isinstance(holder, s.Block)


def in_text(where: Where, size: Dim) -> str | None:
    """A size as the body can write it: by a name that means it, or as a number."""
    for name, bound in where.names.items():
        if bound.kind in ("size", "static") and name.isidentifier() and bound.value == size:
            return name
    if size.is_fixed:
        return str(size)
    return str(size) if all(name in where.names for name in size.symbols) else None


def _binds(where: Where, at: Span) -> bool:
    """Whether a place is a name in a type that binds it, as `D` in `x: [B, D]`."""
    node = tree.smallest(where.root.file, at, s.Name, s.Ident, s.Number)
    if isinstance(node, s.Number):
        return False
    block = tree.smallest(where.root.file, at, s.Block)
    if isinstance(block, s.Block) and block.kind == "model" and isinstance(node, s.Name):
        return False
    return tree.smallest(where.root.file, at, s.Param) is not None or not isinstance(node, s.Name)


def call_at(where: Where, at: Span | None) -> s.Call | None:
    """The call that a place names or spans."""
    if at is None or at.source is not where.root.source:
        return None
    nodes = [n for n in tree.around(where.root.file, at) if isinstance(n, s.Call)]
    fits = [n for n in nodes if n.span == at or s.callee(n).span == at]
    return fits[-1] if fits else None


def parameters(call: s.Call) -> list[str]:
    """The static parameters of the standard block that a call names."""
    function = s.callee(call)
    block = std_block(function.text) if isinstance(function, s.Name) else None
    return [p.name.text for p in block[0].statics] if block else []


def argument(call: s.Call, name: str) -> s.Argument | None:
    """The argument of a call of a standard block that gives a parameter."""
    names = parameters(call)
    positional = [a for a in call.arguments if a.name is None]
    named = next((a for a in call.arguments if a.name is not None and a.name.text == name), None)
    index = names.index(name) if name in names else len(positional)
    return named or (positional[index] if index < len(positional) else None)


def with_argument(call: s.Call, name: str, text: str) -> tuple[Span, str]:
    """A call with an argument replaced or added."""
    present = argument(call, name)
    if present is not None:
        return present.value.span, text
    last = Span(call.span.source, call.span.end - 1, call.span.end - 1)
    return last, f", {name}={text}" if call.arguments else f"{name}={text}"


def keep_size(where: Where, size: Dim, wanted: Dim) -> Iterator[Change]:
    """Padding with which the layer that set a size keeps the size of its input."""
    call = call_at(where, size.origin)
    function = s.callee(call) if call is not None else None
    if call is None or not isinstance(function, s.Name) or function.text not in WINDOWS:
        return
    window = argument(call, "size")
    if window is not None and isinstance(window.value, s.Number) and int(window.value.value) % 2:
        pad = int(window.value.value) // 2
        why = f"which keeps the size with a window of {window.value.value}"
        if function.text in ("MaxPool", "AvgPool", "LpPool"):
            (at, one), (there, padding) = (
                with_argument(call, name, text) for name, text in (("stride", "1"), ("pad", str(pad)))
            )
            both = [(at, one + padding)] if at == there else [(at, one), (there, padding)]
            yield change(*both, why=why)
        yield change(with_argument(call, "pad", str(pad)), why=why)
    stride = argument(call, "stride")
    if stride is not None:
        yield change(with_argument(call, "stride", "1"), why=f"so that both are {wanted}")


def multiplied(where: Where, *sizes: Dim) -> Iterator[Change]:
    """Padding with which transposed convolutions multiply the size of their input by their stride exactly.

    All of the file are changed together, since each doubles what the one before left over.
    """
    calls = [call_at(where, size.origin) for size in sizes]
    if not any(call is not None and s.callee(call).span.text == "ConvTranspose" for call in calls):
        return
    edits = [edit for call in tree.every(where.root.file, s.Call) for edit in _exactly(call)]
    if edits:
        yield change(*edits, why="with which the stride multiplies the size exactly")


def _exactly(call: s.Call) -> list[tuple[Span, str]]:
    """The arguments of a transposed convolution that are missing for an exact multiple."""
    window, stride = argument(call, "size"), argument(call, "stride")
    if s.callee(call).span.text != "ConvTranspose" or isinstance(call.function, s.Call):
        return []
    if window is None or stride is None or not (window.value.span.text + stride.value.span.text).isdigit():
        return []
    k, n = int(window.value.span.text), int(stride.value.span.text)
    pad = max(0, k - n + 1) // 2
    wanted = {"pad": pad, "output_pad": n - k + 2 * pad}
    edits: dict[Span, str] = {}
    for name, value in wanted.items():
        present = argument(call, name)
        if (
            value < 0
            or (value == 0 and present is None)
            or (present and present.value.span.text == str(value))
        ):
            continue
        at, text = with_argument(call, name, str(value))
        edits[at] = edits.get(at, "") + text
    return list(edits.items())


def resampled(where: Where, left: Dim, right: Dim) -> Iterator[Change]:
    """`upsample(scale=2)` that gives the size of the tensor it meets, not a multiple of its input."""
    for size, wanted in ((left, right), (right, left)):
        call = call_at(where, size.origin)
        function = s.callee(call) if call is not None else None
        if (
            call is None
            or not isinstance(function, s.Name)
            or function.text != "upsample"
            or not wanted.is_fixed
        ):
            continue
        scale = next((a for a in call.arguments if a.name is not None and a.name.text == "scale"), None)
        if scale is not None:
            why = f"which gives exactly {wanted}: the pooling before rounded down"
            yield change((scale.span, f"size={wanted}"), why=why)


LARGEST_DIVISOR = 10_000
"""The largest divisor that is looked for: each number up to it is tried."""


def divisors(where: Where, at: Span, value: int, total: int) -> Iterator[Change]:
    """A number replaced by the nearest divisors of another."""
    largest = min(total, 4 * value + 1, LARGEST_DIVISOR)
    fits = [n for n in range(1, largest + 1) if total % n == 0]
    for n in sorted(fits, key=lambda n: (abs(n - value), n))[:4]:
        if n > 1 or value == 1:
            yield change((at, str(n)), why=f"which divides {total}")


def divisors_at(where: Where, place: Span | None, total: int) -> Iterator[Change]:
    """The same for a number given at a place, or in the config entry that the place names."""
    at = place
    while at is not None and at.source is where.root.source:
        if at.text.isdigit():
            yield from divisors(where, at, int(at.text), total)
            return
        at = config_value(where, at)


def config_value(where: Where, at: Span) -> Span | None:
    """Where the value of a config entry is written, for a place that names the entry."""
    entry = next((e for e in where.root.config if e.name.text == at.text), None)
    return entry.value.span if entry is not None and entry.value.span != at else None
