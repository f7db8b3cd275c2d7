"""How parameters start: reading `= glorot`, `= normal(0.02)`, `= 0.5`."""

from __future__ import annotations

from netdsl import syntax as s
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import describe, is_number
from netdsl.checker.evaluate.statics import fixed
from netdsl.diagnostics import suggest
from netdsl.model import Init

INITIALISERS: dict[str, tuple[int, int]] = {
    "zeros": (0, 0),
    "ones": (0, 0),
    "constant": (1, 1),
    "normal": (0, 2),
    "uniform": (0, 2),
    "truncated_normal": (0, 2),
    "glorot": (0, 0),
    "glorot_normal": (0, 0),
    "he": (0, 0),
    "he_normal": (0, 0),
    "lecun": (0, 0),
    "orthogonal": (0, 1),
    "identity": (0, 0),
}
"""The initialisers by name, with the least and the most numbers each takes.

`normal(std)` or `normal(mean, std)`; `uniform(limit)` or `uniform(low, high)`;
`truncated_normal` as `normal`, cut at two standard deviations; `orthogonal(gain)`.
"""


def read(scope: Scope, expr: s.Expr | None, role: str) -> Init:
    """The initialiser of a declaration; parameters start as `glorot`, buffers as `zeros`. Raises E0410."""
    if expr is None:
        return Init("glorot" if role == "param" else "zeros")
    name = expr.function if isinstance(expr, s.Call) else expr
    if isinstance(name, s.Name) and name.text in INITIALISERS:
        return _call(scope, name, expr.arguments if isinstance(expr, s.Call) else ())
    if isinstance(name, s.Name) and name.text not in scope.names:
        near = suggest(name.text, INITIALISERS)
        help = near or f"the initialisers are {', '.join(INITIALISERS)}"
        scope.fail("E0410", f"`{name.text}` is not an initialiser", name.span, help=help)
    value = scope.evaluate(expr)
    if isinstance(value, Init):
        return value
    if not is_number(value):
        scope.fail(
            "E0410",
            f"a {role} must start from an initialiser or a number, but this is {describe(value)}",
            expr.span,
        )
    return Init("constant", (float(fixed(scope, value, expr.span)),))


def _call(scope: Scope, name: s.Name, arguments: tuple[s.Argument, ...]) -> Init:
    least, most = INITIALISERS[name.text]
    named = next((a for a in arguments if a.name), None)
    if named is not None:
        help = "give the numbers alone: `normal(std)`, `normal(mean, std)`, `uniform(low, high)`"
        scope.fail("E0410", f"`{name.text}` takes its numbers without names", named.span, help=help)
    if not least <= len(arguments) <= most:
        count = str(most) if least == most else f"{least} to {most}"
        scope.fail("E0410", f"`{name.text}` takes {count} numbers, but got {len(arguments)}", name.span)
    numbers = []
    for argument in arguments:
        value = scope.evaluate(argument.value)
        if not is_number(value):
            scope.fail("E0410", f"`{name.text}` takes numbers, but got {describe(value)}", argument.span)
        numbers.append(float(fixed(scope, value, argument.span)))
    return Init(name.text, tuple(numbers))
