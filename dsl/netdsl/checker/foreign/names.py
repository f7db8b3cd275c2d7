"""What is called in another framework's way: the name, the numbers that it is given, our parameters."""

from __future__ import annotations

from dataclasses import fields

from netdsl import syntax as s
from netdsl.arrivals.words import MODULES
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import Binding, BlockValue, is_integer, is_number
from netdsl.checker.evaluate.expressions import lookup
from netdsl.dims import dim
from netdsl.modules import std_block
from netdsl.ops.contract.base import REGISTRY
from netdsl.source import Source

NOTHING = Binding(None, Source("", "").span(0, 0))


def callee_of(scope: Scope, expr: s.Expr) -> tuple[str | None, bool]:
    """The name that is called, without the module of another framework; whether it is unknown here."""
    function = expr.function if isinstance(expr, s.Call) else expr
    if isinstance(function, s.Attribute):
        root: s.Expr = function
        while isinstance(root, s.Attribute):
            root = root.value
        known = isinstance(root, s.Name) and (
            root.text in scope.names or root.text in scope.module.aliases or root.text not in MODULES
        )
        return (None, False) if known or not isinstance(root, s.Name) else (function.name.text, True)
    if not isinstance(function, s.Name) or function.text in scope.names:
        return None, False
    meaning = lookup(scope, function.text)
    if isinstance(meaning, BlockValue) and not meaning.module.is_std:
        return None, False
    return function.text, meaning is None


def number_of(scope: Scope, expr: s.Expr) -> float | None:
    """The number that a simple argument gives; a list of one counts as its number."""
    if isinstance(expr, s.ListExpr) and len(expr.elements) == 1:
        return number_of(scope, expr.elements[0])
    value: object = None
    if isinstance(expr, s.Number):
        value = expr.value
    elif isinstance(expr, s.Name) and expr.text in scope.names:
        value = scope.names[expr.text].value
    if is_number(value) and not (is_integer(value) and not dim(value).is_fixed):
        return float(int(value) if is_integer(value) else value)
    return None


def parameters(name: str) -> list[str]:
    """The arguments of an operator or a standard block of ours."""
    block = std_block(name)
    if block is not None:
        return [p.name.text for p in block[0].statics]
    return [f.name for f in fields(REGISTRY[name])] if name in REGISTRY else []
