"""Assertions: those that hold, those that fail, and those that depend on free sizes, which a run checks."""

from __future__ import annotations

from netdsl import syntax as s
from netdsl.checker.context import reports
from netdsl.checker.context.causes import Asserted, Unequal
from netdsl.checker.context.doubts import Doubt, leaf_names
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import (
    POISON,
    Evaluated,
    Poison,
    PoisonedError,
    Tensor,
    describe,
    is_integer,
    simplify,
)
from netdsl.checker.evaluate import statics
from netdsl.checker.evaluate.expressions import binary
from netdsl.diagnostics import Label
from netdsl.dims import Dim, dim
from netdsl.model import Assumption
from netdsl.ops.contract.assuming import AnyCondition, Either, both, compared, negated

COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


def check_assertion(scope: Scope, statement: s.Assert) -> None:
    """Raise E0409 if an assertion does not hold, with the values of the names in it.

    One that depends on free sizes becomes an assumption of the body.
    """
    holds = condition_of(scope, statement.condition)
    if not isinstance(holds, bool):
        at = reports.visible(scope, statement.condition.span)
        message = statement.message or ""
        scope.assumptions += [
            Assumption(one, at, is_stated=not scope.module.is_std, message=message) for one in both(holds)
        ]
        return
    if holds:
        return
    if scope.doubts and _numbers_in(scope, statement.condition) in (d.numbers for d in scope.doubts):
        scope.checker.dropped += 1
        raise PoisonedError
    block = f" of `{scope.block.name}`" if scope.block is not None else ""
    wanted = statement.message or f"`{statement.condition.span.text}`"
    message = f"an assertion{block} fails: {wanted}"
    text = values_in(scope, statement.condition)
    cause = _must_divide(scope, statement.condition) or Asserted(scope.where(statement.condition.span))
    also = _set_places(scope, statement.condition)
    scope.fail("E0409", message, statement.condition.span, text, also=also, cause=cause)


def condition_of(scope: Scope, expr: s.Expr) -> bool | AnyCondition:
    """The value of a condition, or what it says about free sizes. Raises E0402 if it is neither."""
    if isinstance(expr, s.Logic):
        return _logic(scope, expr)
    if isinstance(expr, s.Not):
        inner = condition_of(scope, expr.value)
        return not inner if isinstance(inner, bool) else negated(inner)
    if isinstance(expr, s.Operation) and len(expr.rest) == 1 and expr.rest[0][0] in COMPARISONS:
        ((operator, operand),) = expr.rest
        a, b = _as_integer(scope.evaluate(expr.first)), _as_integer(scope.evaluate(operand))
        if is_integer(a) and is_integer(b):
            return compared(operator, dim(a), dim(b))
        return statics.truth(scope, binary(scope, operator, a, b, expr.span), expr.span)
    return statics.truth(scope, scope.evaluate(expr), expr.span)


def _logic(scope: Scope, expr: s.Logic) -> bool | AnyCondition:
    """`and` and `or`; what follows a part that decides is not evaluated."""
    decides = expr.operator == "or"
    open_parts: list[AnyCondition] = []
    for operand in expr.operands:
        part = condition_of(scope, operand)
        if part is decides:
            return decides
        if not isinstance(part, bool):
            open_parts.append(part)
    if len(open_parts) < 2:
        return open_parts[0] if open_parts else not decides
    return Either(tuple(open_parts), expr.operator)


def _as_integer(value: Evaluated) -> Evaluated:
    """A float without a fraction as an integer, so that `T <= 1e3` compares sizes."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


# -- after an assertion that fails -------------------------------------------------------------------


def doubt(scope: Scope, condition: s.Expr) -> None:
    """Take note of an assertion that fails, so that its consequences in the body are not reported too."""
    names = {name for name in leaf_names(scope, condition) if name in scope.names}
    for name in {n.text for n in s.names_in(condition)} & scope.names.keys():
        value = scope.names[name].value
        if value is None or isinstance(value, Tensor):
            scope.bind(name, POISON, scope.names[name].span, scope.names[name].kind)
    scope.doubts.append(Doubt(frozenset(names), _numbers_in(scope, condition)))
    lets = [x for x in (scope.block.body if scope.block else ()) if isinstance(x, s.Let)]
    for let in lets:
        bound = scope.names.get(let.name.text)
        is_bound = bound is not None and bound.span == let.name.span and not isinstance(let.value, s.Name)
        if is_bound and scope.is_derived(let.value):
            scope.bind(let.name.text, POISON, let.name.span)


def _numbers_in(scope: Scope, condition: s.Expr) -> frozenset[float]:
    """The numbers in a condition, and those that its names stand for or are computed from."""
    bound = [scope.names[name].value for name in leaf_names(scope, condition) if name in scope.names]
    values = (simplify(value) for value in (*bound, *s.numbers_in(condition)))
    return frozenset(v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool))


# -- what the message shows ---------------------------------------------------------------------------


def _set_places(scope: Scope, condition: s.Node) -> list[Label]:
    """Where the numbers in a condition were set, in the user's text."""
    labels = []
    for name in dict.fromkeys(n.text for n in s.names_in(condition)):
        bound = scope.names.get(name)
        if bound is None or not is_integer(bound.value):
            continue
        origin = bound.value.origin if isinstance(bound.value, Dim) else None
        at = reports.in_users_text(scope, origin or bound.span)
        if not reports.in_std(at) and at.source is scope.checker.module.source:
            labels += reports.set_here(scope, at, f"{name} is {bound.value}")
    return labels


def _must_divide(scope: Scope, condition: s.Expr) -> Unequal | None:
    """The sizes of a condition that holds `D % heads == 0`."""
    for node in (condition, *condition.operands) if isinstance(condition, s.Logic) else (condition,):
        first = node.first if isinstance(node, s.Operation) and node.rest[-1][0] == "==" else None
        if isinstance(first, s.Operation) and len(first.rest) == 1 and first.rest[0][0] == "%":
            total, divisor = scope.evaluate(first.first), first.rest[0][1]
            names = [n for name in s.names_in(divisor) for n in reports.names_behind(scope, name.text)]
            if is_integer(total) and names:
                return Unequal(scope.where(condition.span), dim(0), dim(total), tuple(names))
    return None


def values_in(scope: Scope, condition: s.Node) -> str:
    """The values of the names in a condition: `D is 30, heads is 4`."""
    names = dict.fromkeys(n.text for n in s.names_in(condition) if n.text in scope.names)
    return ", ".join(f"{name} is {_short(scope.names[name].value)}" for name in names)


def _short(value: Evaluated | Poison) -> str:
    number = isinstance(value, (int, float, Dim)) and not isinstance(value, bool)
    return str(value) if number else describe(value)
