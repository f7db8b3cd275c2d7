"""Sizes and types as written: evaluating them, and matching them against a tensor.

A type in a signature is a pattern. A name that is already known must agree; a new name is bound to
the size it meets; `_` takes anything; `*rest` takes any number of axes; `2*n` is solved for `n`.
"""

from __future__ import annotations

from collections.abc import Sequence

from netdsl import syntax as s
from netdsl.checker.context.causes import Mismatch
from netdsl.checker.context.limits import MAX_RANK
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import Tensor, describe, is_integer
from netdsl.diagnostics import Label, suggest
from netdsl.dims import Dim, Symbol, dim, symbol
from netdsl.edits import replacement
from netdsl.immutable import immutable
from netdsl.source import Span
from netdsl.types import DType, TensorType, shape_text

_FREE = "BTHWD"
"""Names for free sizes, by axis."""


@immutable
class TypePattern:
    """A type as written: an element type, or None for any, and the sizes as expressions."""

    dtype: DType | None
    sizes: tuple[s.Expr, ...]
    span: Span


def type_pattern(scope: Scope, expr: s.Expr) -> TypePattern:
    """Read a type: `f32[B, 3]`, `[B, T, D]`, or `f32` alone for a scalar. Raises E0304."""
    expr = _with_brackets(scope, expr)
    if isinstance(expr, s.ListExpr):
        return TypePattern(None, _named(scope, expr.elements), expr.span)
    if isinstance(expr, s.Index) and isinstance(expr.value, (s.Name, s.Attribute)):
        return TypePattern(element_type(scope, expr.value), _named(scope, expr.elements), expr.span)
    if isinstance(expr, s.Name):
        return TypePattern(element_type(scope, expr), (), expr.span)
    scope.fail(
        "E0304",
        "this is not a tensor type",
        expr.span,
        help="write `f32[B, 3]`, or `[B, 3]` for any element type",
    )


def _with_brackets(scope: Scope, expr: s.Expr) -> s.Expr:
    """`f32(B, 20)`, which is reported, as `f32[B, 20]`."""
    if not isinstance(expr, s.Call) or any(a.name is not None for a in expr.arguments):
        return expr
    sizes = tuple(a.value for a in expr.arguments)
    text = f"{expr.function.span.text}[{', '.join(size.span.text for size in sizes)}]"
    with scope.recover():
        edits = (replacement(expr.span, text),)
        scope.fail("E0304", "a shape is written in `[ ]`", expr.span, help=f"write `{text}`", fixes=edits)
    return s.Index(expr.span, expr.function, sizes)


def _named(scope: Scope, elements: tuple[s.Expr, ...]) -> tuple[s.Expr, ...]:
    """The sizes, with a name for each `-1` and `None` of another framework, which is reported."""
    words = {e.span.text for e in elements}
    return tuple(
        _free_size(scope, e, axis, words) if e.span.text in ("-1", "None", "none") else e
        for axis, e in enumerate(elements)
    )


def _free_size(scope: Scope, element: s.Expr, axis: int, words: set[str]) -> s.Expr:
    name = next((n for n in _FREE[axis:] if n not in words), "N")
    words.add(name)
    with scope.recover():
        message = f"a size that is left free has a name, not `{element.span.text}`"
        edits = (replacement(element.span, name),)
        scope.fail("E0305", message, element.span, help=f"write `{name}`", fixes=edits)
    return s.Name(element.span, name)


def element_type(scope: Scope, name: s.Name | s.Attribute) -> DType:
    """The element type of a name; `float32` and `torch.int64` are reported, and read as ours."""
    known = [d.value for d in DType]
    if isinstance(name, s.Attribute):
        name = s.Name(name.span, name.name.text)
    if name.text in known:
        return DType(name.text)
    bound = scope.names.get(name.text)
    if bound is not None and isinstance(bound.value, DType):
        return bound.value
    near = suggest(name.text, known)
    help = near or f"element types are {', '.join(known)}"
    fixes = (replacement(name.span, near.word),) if near is not None and near.is_close else ()
    message = f"`{name.span.text}` is not an element type"
    if near is None or not near.is_close:
        scope.fail("E0304", message, name.span, help=help)
    with scope.recover():
        scope.fail("E0304", message, name.span, help=help, fixes=fixes)
    return DType(near.word)


def sizes_of(scope: Scope, elements: Sequence[s.Expr]) -> list[Dim]:
    """Evaluate a list of sizes; each remembers what set it. `*list` is spliced in."""
    sizes: list[Dim] = []
    for element in elements:
        value = scope.evaluate(element.value if isinstance(element, s.Star) else element)
        parts = value if isinstance(element, s.Star) and isinstance(value, tuple) else (value,)
        for part in parts:
            if not is_integer(part):
                scope.fail("E0305", f"a size must be an integer, but this is {describe(part)}", element.span)
            size = dim(part)
            sizes.append(size if size.origin else size.at(_origin(scope, element)))
            if size.compare(0) == -1:
                scope.fail("E0305", f"a size cannot be negative, but this is {size}", element.span)
    if len(sizes) > MAX_RANK:
        scope.fail(
            "E0606", f"a tensor has {len(sizes)} axes here, but the limit is {MAX_RANK}", elements[0].span
        )
    return sizes


def _origin(scope: Scope, element: s.Expr) -> Span:
    if isinstance(element, s.Name) and element.text in scope.names:
        return scope.names[element.text].span
    return element.span


def axis_names(elements: Sequence[s.Expr], rank: int) -> tuple[str | None, ...]:
    """The axis names in a written list of sizes, for `rank` axes."""
    names: list[str | None] = []
    for element in elements:
        if isinstance(element, s.Star):
            names += [None] * (rank - len(elements) + 1)
        else:
            names.append(element.text if isinstance(element, s.Name) and element.text != "_" else None)
    return tuple(n if n is None or names.count(n) == 1 else None for n in names)


def declare(scope: Scope, name: str, pattern: TypePattern) -> TensorType:
    """The type of a model's input: new names become free sizes. Raises E0301 for an open rank."""
    sizes: list[Dim] = []
    for axis, element in enumerate(pattern.sizes):
        if isinstance(element, s.Star):
            help = "write every axis; only blocks take any number of axes"
            scope.fail("E0301", "a model's input needs a fixed number of axes", element.span, help=help)
        if isinstance(element, s.Name) and element.text not in scope.names:
            free = f"{name}.{axis}" if element.text == "_" else element.text
            size = symbol(free, element.span)
            scope.checker.symbol_origins.setdefault(free, element.span)
            if element.text != "_":
                scope.bind(element.text, size, element.span, "size")
            sizes.append(size)
        else:
            unbound = _unbound(scope, element)
            for new in unbound:
                scope.bind(new.text, symbol(new.text, new.span), new.span, "size")
                scope.checker.symbol_origins.setdefault(new.text, new.span)
            sizes += sizes_of(scope, [element])
    return TensorType(pattern.dtype or scope.float_type, tuple(sizes))


def match(scope: Scope, pattern: TypePattern, tensor: Tensor, what: str, at: Span) -> Tensor:
    """Match a tensor against a type as written, binding new names; the tensor with its axis names.

    Args:
        what: How a message names the tensor: `input `q``.
        at: Where a mismatch is shown.

    Raises:
        NetError: E0302 for sizes or rank, E0303 for the element type.
    """
    actual = tensor.type
    if pattern.dtype is not None and pattern.dtype is not actual.dtype:
        scope.fail(
            "E0303",
            f"{what} must be {pattern.dtype}, but is {actual}",
            at,
            also=[Label(pattern.span, "declared here"), Label(tensor.span, f"{actual} comes from here")],
            help=f"convert it: `cast({pattern.dtype})`",
            cause=_mismatch(scope, pattern, tensor, what, at, dtype=pattern.dtype),
        )
    pairs = _pair(scope, pattern, tensor, what, at)
    solved = {
        i
        for i, (element, _) in enumerate(pairs)
        if _match_name(scope, element, pairs[i][1], tensor, what, at)
    }
    for i, (element, axis) in enumerate(pairs):
        if i not in solved:
            _match_size(scope, element, axis, pattern=pattern, tensor=tensor, what=what, at=at)
    return Tensor(tensor.value, actual, axis_names(pattern.sizes, actual.rank), tensor.span)


def _pair(
    scope: Scope, pattern: TypePattern, tensor: Tensor, what: str, at: Span
) -> list[tuple[s.Expr, int]]:
    """Each written size with its axis; `*rest` is bound here to the axes it takes."""
    actual, elements = tensor.type, pattern.sizes
    stars = [i for i, e in enumerate(elements) if isinstance(e, s.Star)]
    if len(stars) > 1:
        scope.fail("E0305", "a type can hold one `*rest`", elements[stars[1]].span)
    extra = actual.rank - len(elements)
    if (extra != 0 and not stars) or extra < -1:
        count = f"{len(elements) - len(stars)} or more" if stars else str(len(elements))
        axes = "axis" if count == "1" else "axes"
        scope.fail(
            "E0302",
            f"{what} must have {count} {axes}, as in `{_text(pattern)}`, but is {actual}",
            at,
            also=[Label(pattern.span, "declared here"), Label(tensor.span, f"{actual} comes from here")],
            help=_rank_help(extra),
            cause=_mismatch(scope, pattern, tensor, what, at),
        )
    if not stars:
        return list(zip(elements, range(actual.rank), strict=True))
    star = stars[0]
    taken = actual.shape[star : star + extra + 1]
    _bind_rest(scope, pattern, star, taken, tensor=tensor, what=what, at=at)
    front = list(zip(elements[:star], range(star), strict=True))
    return front + [(e, star + extra + 1 + n) for n, e in enumerate(elements[star + 1 :])]


def _rank_help(extra: int) -> str:
    if extra > 0:
        return "`flatten`, a reduction, or `[..] => [..]` removes axes"
    return "`unsqueeze`, or `[..] => [..]` adds axes"


def _bind_rest(
    scope: Scope,
    pattern: TypePattern,
    star: int,
    taken: tuple[Dim, ...],
    *,
    tensor: Tensor,
    what: str,
    at: Span,
) -> None:
    element = pattern.sizes[star]
    assert isinstance(element, s.Star)
    name = element.value
    if not isinstance(name, s.Name):
        scope.fail("E0305", "`*` here takes a name", element.span)
    if name.text == "_":
        return
    if name.text not in scope.names:
        scope.bind(name.text, taken, element.span, "size")
        return
    known = scope.names[name.text]
    if known.value != taken:
        shown = shape_text(known.value) if isinstance(known.value, tuple) else str(known.value)
        also = [Label(known.span, f"`{name.text}` is {shown}"), Label(tensor.span, f"this is {tensor.type}")]
        message = f"{what} must have {shown} for `*{name.text}`, but has {shape_text(taken)}"
        first = _bound_by(scope, name.text)
        if first is not None and len(pattern.sizes) == 1:
            message = f"{what} must have the shape {shown}, as `{first[0]}` has, but is {tensor.type}"
            also[:1] = [Label(first[1].span, f"this is {first[1].type}")]
        cause = _mismatch(scope, pattern, tensor, what, at)
        scope.fail("E0302", message, at, also=also, cause=cause)


def _bound_by(scope: Scope, rest: str) -> tuple[str, Tensor] | None:
    """The first input whose type has `*rest`, and its tensor."""
    for param in (scope.block.inputs if scope.block is not None else None) or ():
        bound = scope.names.get(param.name.text)
        if (
            bound is not None
            and isinstance(bound.value, Tensor)
            and param.type
            and f"*{rest}" in param.type.span.text
        ):
            return param.name.text, bound.value
    return None


def _match_name(scope: Scope, element: s.Expr, axis: int, tensor: Tensor, what: str, at: Span) -> bool:
    """Take `_` and bind a new name; True if that settles the axis."""
    if not isinstance(element, s.Name):
        return False
    if element.text == "_":
        return True
    if element.text in scope.names:
        return False
    scope.bind(element.text, tensor.type.shape[axis], element.span, "size")
    return True


def _mismatch(
    scope: Scope,
    pattern: TypePattern,
    tensor: Tensor,
    what: str,
    at: Span,
    *,
    dtype: DType | None = None,
    sizes: tuple[Dim, Dim] | None = None,
) -> Mismatch:
    """What a failed match was about; `what` names an input or an output, as in messages."""
    role = "output" if "output" in what.partition("`")[0] else "input"
    name = what.split("`")[1] if role == "input" or what.startswith("output") else ""
    where = scope.where(at, scope.block)
    return Mismatch(where, tensor, pattern.sizes, pattern.span, name, role, dtype, sizes)


def _match_size(
    scope: Scope, element: s.Expr, axis: int, *, pattern: TypePattern, tensor: Tensor, what: str, at: Span
) -> None:
    size = tensor.type.shape[axis]
    unbound = _unbound(scope, element)
    if len(unbound) == 1:
        _solve(scope, element, unbound[0], size, tensor=tensor, what=what, at=at)
        return
    (expected,) = sizes_of(scope, [element])
    if expected == size:
        return
    written = element.span.text
    value = "" if written == str(expected) else f" = {expected}"
    also = []
    if expected.origin and expected.origin != element.span:
        also.append(Label(expected.origin, f"{expected} is set here"))
    if size.origin:
        also.append(Label(size.origin, f"{size} is set here"))
    also.append(Label(element.span, "declared here"))
    message = f"{what} must have `{written}`{value} on axis {axis}, but is {tensor.type}"
    cause = _mismatch(scope, pattern, tensor, what, at, sizes=(expected, size))
    scope.fail("E0302", message, at, also=also, help=_size_help(expected, size), cause=cause)


def _size_help(expected: Dim, size: Dim) -> str | None:
    if expected.is_fixed and size.is_fixed:
        return None
    return "the two must agree for every input; give both one name, or give the free one a fixed size"


def _solve(
    scope: Scope, element: s.Expr, unknown: s.Name, size: Dim, *, tensor: Tensor, what: str, at: Span
) -> None:
    """Bind the one unknown of an expression such as `2*n` or `heads*dh`."""
    probe = "?" + unknown.text
    inner = scope.copy()
    inner.bind(unknown.text, symbol(probe), unknown.span, "size")
    (written,) = sizes_of(inner, [element])
    factor, rest = dim(0), dim(0)
    for monomial, coefficient in written.terms:
        others = tuple(a for a in monomial if a != Symbol(probe))
        if len(others) == len(monomial):
            rest = rest + Dim(((monomial, coefficient),))
        else:
            factor = factor + Dim(((others, coefficient),))
    solution = None if factor == 0 or probe in factor.symbols else (size - rest).exact_divide(factor)
    if solution is None:
        also = [Label(element.span, "declared here")]
        if size.origin:
            also.insert(0, Label(size.origin, f"{size} is set here"))
        axis = tensor.type.shape.index(size)
        message = f"{what} must have `{element.span.text}` on axis {axis}, but is {tensor.type}"
        help = f"the size must be a multiple of {factor}" if factor != 0 and factor.is_fixed else None
        scope.fail("E0302", message, at, also=also, help=help)
    scope.bind(unknown.text, solution.at(unknown.span), unknown.span, "size")


def _unbound(scope: Scope, expr: s.Node) -> list[s.Name]:
    """The names in a size expression that have no value yet, each once."""
    found: dict[str, s.Name] = {}
    stack: list[object] = [expr]
    while stack:
        node = stack.pop()
        if isinstance(node, s.Name) and node.text not in scope.names and node.text != "_":
            found.setdefault(node.text, node)
        elif isinstance(node, s.Operation):
            stack += [node.first, *(operand for _, operand in node.rest)]
        elif isinstance(node, s.Negative):
            stack.append(node.value)
    return list(found.values())


def unbound_names(scope: Scope, type_: s.Expr) -> list[s.Name]:
    """The names in a type as written that have no value yet."""
    sizes = type_.elements if isinstance(type_, (s.ListExpr, s.Index)) else ()
    return [name for name in s.names_in(sizes) if name.text not in scope.names and name.text != "_"]


def _text(pattern: TypePattern) -> str:
    return pattern.span.text
