"""Axes by name: `[B, T, h*d] => [B, h, T, d]`, and einsum."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import NoReturn

from netdsl import syntax as s
from netdsl.checker.context import reports
from netdsl.checker.context.causes import Edited, Unequal
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import POISON, Binding, PoisonedError, Tensor, describe, is_integer
from netdsl.diagnostics import Label
from netdsl.dims import Dim, dim, product
from netdsl.edits import replacement
from netdsl.immutable import immutable
from netdsl.ops.linear.einsum import Einsum
from netdsl.ops.shape.rearrange import Expand, Rearrange
from netdsl.source import Span


@immutable
class Factor:
    """One named part of an axis, or a literal 1."""

    name: str
    span: Span


Axis = tuple[Factor, ...]


def rearrange(
    scope: Scope, left: s.ListExpr, right: s.ListExpr, tensor: Tensor, label: s.Ident | None, sole: bool
) -> Tensor:
    """Take axes apart, reorder them, and put them together, all by name.

    A name on the right alone must have a known size, and repeats the tensor along a new axis. Raises
    E0302 for sizes that do not agree, E0308 for names that do not.
    """
    before, sizes = _take_apart(scope, left, tensor)
    after = [_factors(scope, e, _rest(scope, e, before)) for e in right.elements]
    order, merge, repeats = _plan(scope, before, after, right)
    split = tuple(sizes[f.name] for axis in before for f in axis if f.name != "1")
    op = Rearrange(split, tuple(order), tuple(merge))
    (result,) = scope.add_op(op, [tensor], left.span.to(right.span), label if not repeats else None, sole)
    names = tuple(axis[0].name if len(axis) == 1 and axis[0].name != "1" else None for axis in after)
    if repeats:
        shape = tuple(repeats.get(n, size) for n, size in enumerate(result.type.shape))
        (result,) = scope.add_op(Expand(shape), [result], left.span.to(right.span), label)
    return Tensor(result.value, result.type, names, result.span)


def _take_apart(scope: Scope, left: s.ListExpr, tensor: Tensor) -> tuple[list[Axis], dict[str, Dim]]:
    """The factors of every axis on the left, and the size of each; `*rest` becomes numbered factors."""
    elements = _spread_rest(scope, left, tensor)
    sizes: dict[str, Dim] = {}
    axes = []
    for axis, element in enumerate(elements):
        factors = element if isinstance(element, tuple) else _factors(scope, element, [])
        _solve(scope, factors, tensor, axis, sizes)
        axes.append(factors)
    return axes, sizes


def _spread_rest(scope: Scope, left: s.ListExpr, tensor: Tensor) -> list[s.Expr | Axis]:
    stars = [n for n, e in enumerate(left.elements) if isinstance(e, s.Star)]
    rank, count = tensor.type.rank, len(left.elements)
    if len(stars) > 1 or (not stars and rank != count) or (stars and rank < count - 1):
        message = f"{left.span.text} has {count} axes, but the tensor is {tensor.type} with {rank}"
        also = [Label(tensor.span, f"{tensor.type} comes from here")]
        scope.fail("E0302", message, left.span, also=also)
    if not stars:
        return list(left.elements)
    at = stars[0]
    star = left.elements[at]
    word = star.span.text.lstrip("* ")
    middle: list[s.Expr | Axis] = [(Factor(f"*{word}{n}", star.span),) for n in range(rank - count + 1)]
    return [*left.elements[:at], *middle, *left.elements[at + 1 :]]


def _rest(scope: Scope, element: s.Expr, before: Sequence[Axis]) -> list[Factor]:
    if not isinstance(element, s.Star):
        return []
    word = element.span.text.lstrip("* ")
    return [f for axis in before for f in axis if f.name.startswith(f"*{word}")]


def _factors(scope: Scope, element: s.Expr, rest: list[Factor]) -> Axis:
    """The names multiplied in one axis. Raises E0308 for anything else."""
    if isinstance(element, s.Star):
        return tuple(rest)
    if isinstance(element, s.Name) and element.text != "_":
        return (Factor(element.text, element.span),)
    if isinstance(element, s.Number) and element.value == 1:
        return (Factor("1", element.span),)
    if isinstance(element, s.Operation) and all(operator == "*" for operator, _ in element.rest):
        parts = [element.first, *(operand for _, operand in element.rest)]
        return tuple(f for part in parts for f in _factors(scope, part, []))
    help = "write axis names, products of them, `1`, or `*rest`"
    scope.fail("E0308", f"`{element.span.text}` is not an axis by name", element.span, help=help)


def _solve(scope: Scope, factors: Axis, tensor: Tensor, axis: int, sizes: dict[str, Dim]) -> None:
    size = tensor.type.shape[axis]
    known = [f for f in factors if _known(scope, f) is not None]
    unknown = [f for f in factors if f not in known]
    total = product(_known(scope, f) or dim(1) for f in known)
    for factor in factors:
        if factor.name != "1" and factor.name in sizes:
            scope.fail("E0308", f"the axis `{factor.name}` appears twice on the left", factor.span)
        sizes[factor.name] = _known(scope, factor) or dim(1)
    span = factors[0].span.to(factors[-1].span)
    if len(unknown) > 1:
        names = " and ".join(f"`{f.name}`" for f in unknown)
        scope.fail(
            "E0308", f"the sizes of {names} are both unknown in one axis", span, help="give one with `let`"
        )
    if unknown:
        solution = size.exact_divide(total) if total != 0 else None
        if solution is None:
            _mismatch(scope, factors, f"a multiple of {total}", total, tensor, axis)
        sizes[unknown[0].name] = solution
        if not unknown[0].name.startswith("*"):
            scope.bind(unknown[0].name, solution, unknown[0].span, "size")
    elif total != size:
        _mismatch(scope, factors, f"`{span.text}` = {total}", total, tensor, axis)


def _mismatch(scope: Scope, factors: Axis, wanted: str, total: Dim, tensor: Tensor, axis: int) -> NoReturn:
    span = factors[0].span.to(factors[-1].span)
    size = tensor.type.shape[axis]
    also = [Label(size.origin, f"{size} is set here")] if size.origin else []
    also.append(Label(tensor.span, f"{tensor.type} comes from here"))
    also += [label for factor in factors for label in reports.origins(scope, factor.name)]
    names = [name for factor in factors for name in reports.names_behind(scope, factor.name)]
    cause = Unequal(scope.where(span), total, size, tuple(names))
    scope.fail("E0302", f"axis {axis} needs {wanted}, but is {size}", span, also=also, cause=cause)


def _known(scope: Scope, factor: Factor) -> Dim | None:
    if factor.name == "1":
        return dim(1)
    bound = scope.names.get(factor.name)
    if bound is None:
        return None
    if bound.value is POISON:
        raise PoisonedError
    if not is_integer(bound.value):
        also, cause = _quotient(scope, bound)
        message = f"`{factor.name}` is {describe(bound.value)}, not a size"
        help = "divide sizes with `//`" if also else None
        scope.fail("E0308", message, factor.span, also=also, help=help, cause=cause)
    return dim(bound.value)


def _quotient(scope: Scope, bound: Binding) -> tuple[list[Label], Edited | None]:
    """Where a `let` divides by `/`, which gives no size, and `//` instead."""
    lets = [x for x in scope.block.body if isinstance(x, s.Let)] if scope.block else []
    value = next((x.value for x in lets if x.name.span == bound.span), None)
    if value is None or value.span.text.count("/") != 1:
        return [], None
    text = value.span.text.replace("/", "//")
    label = Label(value.span, "`/` gives a number, `//` a size")
    return [label], Edited([(f"write `{text}`", [(value.span, text)])])


def _plan(
    scope: Scope, before: Sequence[Axis], after: Sequence[Axis], right: s.ListExpr
) -> tuple[list[int], list[int], dict[int, Dim]]:
    """The order of the factors, how many are merged into each axis, and which new axes repeat."""
    numbers: dict[str, int] = {}
    for axis in before:
        for factor in axis:
            if factor.name != "1":
                numbers[factor.name] = len(numbers)
    order: list[int] = []
    merge: list[int] = []
    repeats: dict[int, Dim] = {}
    for n, axis in enumerate(after):
        kept = [f for f in axis if f.name in numbers]
        new = [f for f in axis if f.name not in numbers and f.name != "1"]
        for factor in kept:
            if numbers[factor.name] in order:
                scope.fail("E0308", f"the axis `{factor.name}` appears twice on the right", factor.span)
            order.append(numbers[factor.name])
        if new:
            repeats[n] = _new_axis(scope, axis, new[0])
        merge.append(len(kept))
    gone = [name for name, number in numbers.items() if number not in order]
    if gone:
        help = f"reduce over it first: `mean(over={gone[0]})`"
        scope.fail("E0308", f"the axis `{gone[0]}` is missing on the right", right.span, help=help)
    return order, merge, repeats


def _new_axis(scope: Scope, axis: Axis, factor: Factor) -> Dim:
    size = _known(scope, factor)
    if size is None:
        help = "an axis that is only on the right needs a known size"
        scope.fail("E0308", f"the axis `{factor.name}` is not on the left", factor.span, help=help)
    if len(axis) > 1:
        scope.fail("E0308", f"the new axis `{factor.name}` cannot be merged in the same step", factor.span)
    return size


# -- einsum --------------------------------------------------------------------------------------


def einsum(scope: Scope, expr: s.Call, label: s.Ident | None) -> list[Tensor]:
    """Einsum by axis names: `einsum(Q[B,h,T,d], K[B,h,S,d] => [B,h,T,S])` sums over `d`."""
    result = expr.arguments[-1].axes if expr.arguments else None
    if result is None and expr.arguments and isinstance(expr.arguments[0].value, s.Text):
        _named_axes(scope, expr, expr.arguments[0].value.value)
    if result is None:
        help = "write `einsum(A[i,j], B[j,k] => [i,k])`"
        scope.fail("E0308", "einsum needs `=> [axes]` after its last tensor", expr.span, help=help)
    letters: dict[str, str] = {}
    sizes: dict[str, tuple[Dim, Span]] = {}
    tensors, terms = [], []
    for argument in expr.arguments:
        tensor, names = _operand(scope, argument)
        operand = argument.value.value.span.text if isinstance(argument.value, s.Index) else ""
        for axis, name in enumerate(names):
            _agree(scope, operand, names, tensor, axis, sizes)
            letters.setdefault(name.text, string.ascii_letters[len(letters) % 52])
        tensors.append(tensor)
        terms.append("".join(letters[name.text] for name in names))
    out = _names(scope, result.elements)
    for name in out:
        if name.text not in letters:
            scope.fail("E0308", f"the axis `{name.text}` of the result is in none of the tensors", name.span)
    equation = ",".join(terms) + "->" + "".join(letters[name.text] for name in out)
    (made,) = scope.add_op(Einsum(equation), tensors, expr.span, label)
    return [Tensor(made.value, made.type, tuple(n.text for n in out), made.span)]


def _named_axes(scope: Scope, expr: s.Call, equation: str) -> None:
    """Raise E0308 for `einsum("bij,bjk->bik", a, b)`, with the axes by name."""
    left, _, right = equation.replace(" ", "").partition("->")
    terms, tensors = left.split(","), expr.arguments[1:]
    if len(terms) != len(tensors) or not (left.replace(",", "") + right).isalpha():
        return
    parts = [f"{a.span.text}[{', '.join(term.upper())}]" for a, term in zip(tensors, terms, strict=True)]
    text = f"einsum({', '.join(parts)} => [{', '.join(right.upper())}])"
    fixes = (replacement(expr.span, text),)
    at = expr.arguments[0].span
    scope.fail("E0308", "einsum names the axes of each tensor", at, help=f"write `{text}`", fixes=fixes)


def _operand(scope: Scope, argument: s.Argument) -> tuple[Tensor, list[s.Name]]:
    value = argument.value
    if not isinstance(value, s.Index) or argument.name is not None:
        help = "name the axes of every tensor: `Q[B, heads, T, dh]`"
        scope.fail("E0308", "einsum needs the axes of this tensor by name", argument.span, help=help)
    tensor = scope.evaluate(value.value)
    if not isinstance(tensor, Tensor):
        scope.fail("E0402", f"einsum takes tensors, but this is {describe(tensor)}", value.value.span)
    names = _names(scope, value.elements)
    if len(names) != tensor.type.rank:
        message = f"`{value.span.text}` names {len(names)} axes, but the tensor is {tensor.type}"
        also = [Label(tensor.span, f"{tensor.type} comes from here")]
        scope.fail("E0302", message, value.span, also=also)
    return tensor, names


def _names(scope: Scope, elements: Sequence[s.Expr]) -> list[s.Name]:
    for element in elements:
        if not isinstance(element, s.Name) or element.text == "_":
            scope.fail("E0308", f"`{element.span.text}` is not an axis name", element.span)
    return [e for e in elements if isinstance(e, s.Name)]


def _by_size(scope: Scope, names: Sequence[s.Name], tensor: Tensor) -> list[tuple[Span, str]]:
    """The axes of an operand with the names that the body has for their sizes."""
    known = {str(size) for size in tensor.type.shape if str(size) in scope.names}
    pairs = zip(names, tensor.type.shape, strict=True)
    return [(n.span, str(size)) for n, size in pairs if str(size) in known and str(size) != n.text]


def _agree(
    scope: Scope,
    operand: str,
    names: Sequence[s.Name],
    tensor: Tensor,
    axis: int,
    sizes: dict[str, tuple[Dim, Span]],
) -> None:
    """One name, one size: here, and in the block around it."""
    name, size = names[axis], tensor.type.shape[axis]
    bound = scope.names.get(name.text)
    if name.text not in sizes and bound is not None and is_integer(bound.value):
        sizes[name.text] = (dim(bound.value), bound.span)
    expected, span = sizes.setdefault(name.text, (size, name.span))
    if expected == size:
        return
    found, also = (
        f"{size}, but `{name.text}` is {expected}",
        [Label(span, f"`{name.text}` is {expected} here")],
    )
    if str(expected) == name.text:
        found, also = f"`{size}`, not `{name.text}`", [Label(span, f"`{name.text}` is this size")]
    if size.origin:
        also.append(Label(size.origin, f"{size} is set here"))
    if expected.origin and expected.is_fixed:
        also.append(Label(expected.origin, f"{expected} is set here"))
    others = [n for n, b in scope.names.items() if b.kind == "size" and b.value == size]
    changes = [(f"did you mean `{other}`?", [(name.span, other)]) for other in others]
    if by_size := _by_size(scope, names, tensor):
        changes.append(("", by_size))
    if size.origin and size.origin.text == str(size) and expected.is_fixed:
        help = f"write `{expected}` for `{size}` on line {size.origin.line}, so that both are `{name.text}`"
        changes.append((help, [(size.origin, str(expected))]))
    message = f"axis {axis} of `{operand}` is {found}"
    help = f"`{name.text}` is one size in all tensors: give an axis of another size a name of its own"
    scope.fail("E0302", message, name.span, also=also, help=help, cause=Edited(changes))
