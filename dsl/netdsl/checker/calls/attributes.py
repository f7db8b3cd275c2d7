"""Static arguments of operators: from values of the language to the operator's typed attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from types import NoneType
from typing import Annotated, get_args, get_origin, get_type_hints

from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import Evaluated, Tensor, describe, is_integer, is_number
from netdsl.checker.evaluate import statics
from netdsl.diagnostics import suggest
from netdsl.dims import Dim, dim
from netdsl.edits import Edit, replacement
from netdsl.ops.contract.base import Op
from netdsl.ops.create.create import CausalMask
from netdsl.source import Span
from netdsl.types import DType
from netdsl.work import spend

Attributes = Mapping[str, tuple[Evaluated, Span]]
_KINDS: dict[type[Op], dict[str, tuple[object, ...]]] = {}


def attribute_kinds(op: type[Op]) -> dict[str, tuple[object, ...]]:
    """The kinds of value that each attribute of an operator takes; read from its annotations once."""
    if op not in _KINDS:
        hints = get_type_hints(op, include_extras=True)
        _KINDS[op] = {
            f.name: tuple(get_args(hints[f.name])) if _is_union(hints[f.name]) else (hints[f.name],)
            for f in fields(op)
        }
    return _KINDS[op]


def _is_union(hint: object) -> bool:
    return get_origin(hint) not in (tuple, Annotated, None)


def construct(scope: Scope, op: type[Op], attributes: Attributes, tensor: Tensor | None, span: Span) -> Op:
    """The operator with its attributes.

    Args:
        attributes: The static arguments by attribute name.
        tensor: The first tensor input, which gives axis names their numbers.

    Raises:
        NetError: E0401 for an attribute that is missing, E0403 for one of a wrong kind.
    """
    kinds = attribute_kinds(op)
    values: dict[str, object] = {}
    for name, (value, at) in attributes.items():
        values[name] = _coerce(scope, op, name, kinds[name], value, tensor=tensor, span=at)
    for f in fields(op):
        if f.name not in values and f.default is MISSING:
            help, fixes = f"write `{op.name}({f.name}=...)`", tuple[Edit, ...]()
            if op is CausalMask and "rows" in attributes:
                size = attributes["rows"][1].text
                text = f"causal_mask({size}, {size})"
                help = f"write `{text}`; layers take `causal=true` instead of a mask"
                fixes = (replacement(span, text),) if span.text.startswith("causal_mask(") else ()
            scope.fail("E0401", f"`{op.name}` needs `{f.name}`", span, help=help, fixes=fixes)
    return op(**values)


def attribute_name(scope: Scope, op: type[Op], word: str, span: Span) -> str:
    """An attribute by name. Raises E0406 with the nearest one where there is none."""
    known = [f.name for f in fields(op)]
    if word in known:
        return word
    slots = [slot.rstrip("?") for slot in op.inputs if not slot.startswith("*")]
    help = suggest(word, known + slots) or _takes(op, known)
    scope.fail("E0406", f"`{op.name}` has no argument `{word}`", span, help=help)


def _takes(op: type[Op], known: list[str]) -> str:
    return (
        f"`{op.name}` takes {', '.join(f'`{k}`' for k in known)}"
        if known
        else f"`{op.name}` takes only tensors"
    )


def _coerce(
    scope: Scope,
    op: type[Op],
    name: str,
    kinds: tuple[object, ...],
    value: Evaluated,
    *,
    tensor: Tensor | None,
    span: Span,
) -> object:
    for kind in kinds:
        fits, converted = _convert(scope, kind, value, tensor, span)
        if fits:
            return converted
    wanted = " or ".join(dict.fromkeys(_words(kind) for kind in kinds if kind is not NoneType))
    scope.fail("E0403", f"`{name}` of `{op.name}` must be {wanted}, but got {describe(value)}", span)


def _convert(
    scope: Scope, kind: object, value: Evaluated, tensor: Tensor | None, span: Span
) -> tuple[bool, object]:
    if kind is NoneType:
        return value is None, None
    if kind is bool:
        return isinstance(value, bool), value
    if kind is str:
        return isinstance(value, str), value
    if kind is DType:
        return isinstance(value, DType), value
    if kind is float:
        return is_number(value), float(statics.fixed(scope, value, span)) if is_number(value) else None
    if kind is int:
        return is_integer(value), int(statics.fixed(scope, value, span)) if is_integer(value) else None
    if kind is Dim:
        return is_integer(value), dim(value) if is_integer(value) else None
    if get_origin(kind) is Annotated:
        return _convert_axes(scope, str(get_args(kind)[1]), value, tensor, span)
    element = get_args(kind)[0]
    values = value if isinstance(value, tuple) else (value,)
    spend(10 * len(values))  # operators go through each of them several times
    converted = [_convert(scope, element, v, tensor, span) for v in values]
    return all(ok for ok, _ in converted), tuple(c for _, c in converted)


def _convert_axes(
    scope: Scope, kind: str, value: Evaluated, tensor: Tensor | None, span: Span
) -> tuple[bool, object]:
    """An axis is an integer, or a size with a name: `over=S`, `over=[H, W]`."""
    values = value if isinstance(value, tuple) else (value,)
    spend(10 * len(values))
    sizes = [v for v in values if is_integer(v)]
    if len(sizes) < len(values) or (kind == "axis" and isinstance(value, tuple)):
        return False, None
    axes = tuple(axis_of(scope, size, tensor, span) for size in sizes)
    return True, axes if kind == "axes" else axes[0]


def axis_of(scope: Scope, value: int | Dim, tensor: Tensor | None, span: Span) -> int:
    """The axis that an integer or a named size means."""
    names = _names_for(scope, value, span)
    if not names:
        return int(statics.fixed(scope, value, span))
    if tensor is None:
        scope.fail("E0407", f"`{span.text}` names an axis, but there is no tensor to find it in", span)
    by_name = [axis for axis, name in enumerate(tensor.names) if name in names]
    by_size = [axis for axis, size in enumerate(tensor.type.shape) if size == value]
    for axes in (by_name, by_size):
        if len(axes) == 1:
            return axes[0]
    if by_size:
        listed = " or ".join(f"axis {axis}" for axis in by_size)
        help = "name the axes with `[..] => [..]`, or give the axis by number"
        scope.fail("E0407", f"`{span.text}` could mean {listed} of {tensor.type}", span, help=help)
    known = [f"`{name}`" for name in tensor.names if name]
    listed = f"its named axes are {' and '.join(known)}; or " if known else ""
    help = f"{listed}give the axis by number"
    scope.fail("E0407", f"{tensor.type} has no axis `{span.text}`", span, help=help)


def _names_for(scope: Scope, value: int | Dim, span: Span) -> set[str]:
    """The axis names that the written argument may mean: those of bound sizes with that value."""
    words = {word.strip() for word in span.text.partition("=")[2].strip(" []").split(",")} | {
        span.text.strip()
    }
    sizes = {w for w in words if w in scope.names and scope.names[w].kind in ("size", "static")}
    matching = {w for w in sizes if _same(scope.names[w].value, value)}
    if isinstance(value, Dim) and not value.is_fixed:
        return matching or {str(value)}
    return matching


def _same(a: object, b: object) -> bool:
    return is_integer(a) and is_integer(b) and dim(a) == dim(b)


def _words(kind: object) -> str:
    simple = {
        bool: "true or false",
        str: "a string",
        DType: "an element type",
        float: "a number",
        int: "an integer",
        Dim: "a size",
    }
    if kind in simple:
        return simple[kind]
    if get_origin(kind) is Annotated:
        return "an axis" if get_args(kind)[1] == "axis" else "an axis or a list of axes"
    return "an integer or a list of them"
