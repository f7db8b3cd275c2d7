"""The metrics of a `train` section: built-in ones by name, and free expressions.

A built-in metric is a standard block that gives the statistics of a batch, such as how many labels were met
and how many there are. Statistics of batches are added up, and the metric is made of the sums.
"""

from __future__ import annotations

from typing import TypeGuard

from netdsl import syntax as s
from netdsl.checker.calls.application import Application
from netdsl.checker.calls.calls import apply_block, construct_function
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import BlockValue, Evaluated, Tensor, simplify
from netdsl.checker.evaluate.expressions import lookup
from netdsl.checker.evaluate.statics import FUNCTIONS
from netdsl.diagnostics import suggest
from netdsl.modules import METRICS_FILE, std_module
from netdsl.recipes.metrics import MEAN, METRICS

Arguments = dict[str, float | bool | str]


def measure(scope: Scope, expr: s.Expr) -> tuple[str, Arguments, Evaluated]:
    """The kind of a metric, its arguments beside its tensors, and its value or statistics."""
    block = _built_in(scope, expr)
    if block is None:
        return MEAN, {}, scope.evaluate(expr)
    assert isinstance(expr, s.Call) and isinstance(expr.function, s.Name)
    made, tensors, named = construct_function(scope, block, [], expr)
    (statistics,) = apply_block(scope, made, Application(expr, tensors, named))
    given = {name: simplify(value) for name, value, _ in made.statics or ()}
    arguments = {name: value for name, value in given.items() if isinstance(value, (int, float, str))}
    return expr.function.text, arguments, statistics


def _built_in(scope: Scope, expr: s.Expr) -> BlockValue | None:
    """The block of a built-in metric that the expression calls; a block of the file comes before it."""
    if not isinstance(expr, s.Call) or not isinstance(expr.function, s.Name):
        return None
    word, module = expr.function.text, scope.module
    if word in scope.names or word in module.blocks or word in module.imported:
        return None
    if word in METRICS:
        metrics = std_module(METRICS_FILE)
        return BlockValue(metrics.blocks[word], metrics)
    near = suggest(word, METRICS)
    if near and lookup(scope, word) is None and word not in FUNCTIONS:
        scope.fail("E0219", f"`{word}` is not a metric", expr.function.span, help=near)
    return None


def is_scalar(value: Evaluated) -> TypeGuard[Tensor]:
    """Whether a value is one float tensor without axes."""
    return isinstance(value, Tensor) and value.type.rank == 0 and value.type.dtype.is_float
