"""The metrics of a `train` section: built-in ones by name, and free expressions.

A built-in metric is a standard block that gives the statistics of a batch, such as how many labels were met
and how many there are. Statistics of batches are added up, and the metric is made of the sums.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeGuard

from netdsl import syntax as s
from netdsl.checker.calls.application import Application
from netdsl.checker.calls.calls import apply_block
from netdsl.checker.calls.construct import construct_function
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import BlockValue, Evaluated, Tensor, simplify
from netdsl.checker.evaluate.expressions import lookup
from netdsl.checker.evaluate.statics import FUNCTIONS
from netdsl.diagnostics import suggest
from netdsl.edits import replacement
from netdsl.model import CallStep
from netdsl.modules import METRICS_FILE, std_block
from netdsl.recipes.metrics import MEAN, METRICS
from netdsl.source import Span

Arguments = dict[str, float | bool | str]
IGNORE = "ignore"


def measure(
    scope: Scope, expr: s.Expr, ignored: frozenset[int | None] = frozenset()
) -> tuple[str, Arguments, Evaluated]:
    """The kind of a metric, its arguments beside its tensors, and its value or statistics.

    `ignored` are the labels that the loss ignores: a metric that names none itself ignores the same one.
    """
    block = _built_in(scope, expr)
    if block is None:
        return MEAN, {}, scope.evaluate(expr)
    assert isinstance(expr, s.Call) and isinstance(expr.function, s.Name)
    made, tensors, named = construct_function(scope, block, [], expr)
    made = _ignoring_alike(made, expr, ignored)
    (statistics,) = apply_block(scope, made, Application(expr, tensors, named))
    given = {name: simplify(value) for name, value, _ in made.statics or ()}
    arguments = {name: value for name, value in given.items() if isinstance(value, (int, float, str))}
    return expr.function.text, arguments, statistics


def _ignoring_alike(made: BlockValue, expr: s.Call, ignored: frozenset[int | None]) -> BlockValue:
    """The block with the loss's `ignore`, unless the call has its own or the loss has several."""
    named = {argument.name.text for argument in expr.arguments if argument.name}
    if len(ignored) != 1 or IGNORE in named or made.statics is None:
        return made
    (value,) = ignored
    statics = tuple((n, value if n == IGNORE else static, at) for n, static, at in made.statics)
    return replace(made, statics=statics)


_TOP = frozenset(("top", "top_k", "topk", "k", "best"))


def _built_in(scope: Scope, expr: s.Expr) -> BlockValue | None:
    """The block of a built-in metric that the expression calls; a block of the file comes before it."""
    if not isinstance(expr, s.Call) or not isinstance(expr.function, s.Name):
        return None
    word, module = expr.function.text, scope.module
    if word in scope.names or word in module.blocks or word in module.imported:
        return None
    if word == "accuracy":
        _refuse_top(scope, expr)
    if word in METRICS:
        metric = std_block(word, METRICS_FILE)
        return BlockValue(*metric) if metric is not None else None
    near = suggest(word, METRICS)
    if near and lookup(scope, word) is None and word not in FUNCTIONS:
        scope.fail("E0219", f"`{word}` is not a metric", expr.function.span, help=near)
    return None


def _refuse_top(scope: Scope, expr: s.Call) -> None:
    """Raise E0406 for `accuracy(logits, label, top=5)`, which is a metric of its own."""
    top = next((a for a in expr.arguments if a.name is not None and a.name.text in _TOP), None)
    if top is None or top.name is None:
        return
    others = [argument.span.text for argument in expr.arguments if argument is not top]
    text = f"top_k({', '.join([*others, f'k={top.value.span.text}'])})"
    message = f"`accuracy` has no argument `{top.name.text}`; that is the metric `top_k`"
    fixes = (replacement(expr.span, text),)
    scope.fail("E0406", message, top.name.span, help=f"write `{text}`", fixes=fixes)


def check_class_scores(scope: Scope, first: int, span: Span) -> None:
    """Raise E0409 where a step from `first` on, of a loss or a metric, takes scores of too few classes."""
    for step in scope.steps[first:]:
        if not isinstance(step, CallStep) or IGNORE not in step.body.arguments or not step.body.inputs:
            continue
        scores, name = step.body.inputs[0].type, step.body.name
        count = scores.shape[-1].value if scores.rank and scores.shape[-1].is_fixed else None
        binary = "one logit for each label goes with `binary_cross_entropy`, and labels of the same shape"
        if count == 1 and (name != "accuracy" or step.body.inputs[1].type.rank < scores.rank):
            message = f"`{name}` needs the scores of 2 or more classes, but gets {scores}, which has 1"
            scope.fail("E0409", message, span, help=binary)
        k = step.body.arguments.get("k")
        if name == "top_k" and isinstance(k, int) and count is not None and k >= count:
            message = f"`top_k` with k={k} counts every label of {count} classes: it is always 1"
            scope.fail(
                "E0409", message, span, help=f"write `k={max(1, min(5, count - 1))}`, or use `accuracy`"
            )


def is_scalar(value: Evaluated) -> TypeGuard[Tensor]:
    """Whether a value is one float tensor without axes."""
    return isinstance(value, Tensor) and value.type.rank == 0 and value.type.dtype.is_float
