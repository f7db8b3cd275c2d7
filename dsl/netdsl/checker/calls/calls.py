"""Calls: constructing blocks with static arguments, and applying blocks, layers and operators to tensors."""

from __future__ import annotations

import re
from dataclasses import replace

from netdsl import syntax as s
from netdsl.checker.calls.application import Application
from netdsl.checker.calls.blocks import instantiate
from netdsl.checker.calls.construct import construct_block, construct_function
from netdsl.checker.calls.layers import apply_layer, borrow
from netdsl.checker.calls.operators import apply_op
from netdsl.checker.calls.renamed import with_present_names
from netdsl.checker.calls.tensor_arguments import bind_tensors
from netdsl.checker.context.causes import Edited
from netdsl.checker.context.scope import Scope, evaluates
from netdsl.checker.context.values import (
    BlockValue,
    Evaluated,
    LayerValue,
    OpValue,
    PoisonedError,
    Static,
    Tensor,
    describe,
)
from netdsl.checker.evaluate import statics
from netdsl.checker.evaluate.statements import is_function
from netdsl.checker.foreign.met import met
from netdsl.checker.foreign.methods import as_function
from netdsl.checker.sizes import arrange
from netdsl.model import CallStep

TYPE_FUNCTIONS = ("shape", "rank", "dtype")
"""What can be asked of a tensor before it exists."""


@evaluates(s.Call)
def call(scope: Scope, expr: s.Call) -> Evaluated:
    """A call in an expression: of a function, a block, or what a block's construction gave."""
    result = call_with(scope, expr, [])
    return result[0] if isinstance(result, list) and len(result) == 1 else _as_value(result)


def _as_value(result: Evaluated | list[Tensor]) -> Evaluated:
    return tuple(result) if isinstance(result, list) else result


def call_with(
    scope: Scope, expr: s.Expr, piped: list[Tensor], label: s.Ident | None = None, sole: bool = False
) -> Evaluated | list[Tensor]:
    """Call `expr` on the piped tensors: tensors where it is applied, a static value where it is not yet."""
    arrived = met(scope, expr, piped)
    if arrived is not None:
        return _go_on(scope, arrived, piped, label, sole)
    if not isinstance(expr, s.Call):
        return apply(scope, scope.evaluate(expr), Application(expr, piped, (), label, sole))
    if isinstance(expr.function, s.Name) and expr.function.text not in scope.names:
        word = expr.function.text
        if word == "einsum":
            return arrange.einsum(scope, expr, label)
        if word in TYPE_FUNCTIONS:
            return _type_of(scope, word, expr)
        if word in statics.FUNCTIONS and not piped:
            values = [scope.evaluate(a.value) for a in expr.arguments]
            statics_ = [v for v in values if not isinstance(v, Tensor)]
            if len(statics_) == len(values):
                return _static_call(scope, word, expr, statics_)
            operator = scope.evaluate(expr.function)
            if isinstance(operator, OpValue):
                use = Application(expr, [], expr.arguments, label, sole, called=True)
                return apply_op(scope, operator, use, values)
    if isinstance(expr.function, s.Attribute):
        method = as_function(scope, expr)
        if method is not None:
            return scope.evaluate(method)
    function = scope.evaluate(expr.function)
    expr = with_present_names(scope, function, expr)
    if isinstance(function, BlockValue) and function.statics is None:
        if is_function(function.block) and function.block.statics:
            return apply_function(scope, function, expr, Application(expr, piped, (), label, sole))
        if function.block.statics or not expr.arguments:
            made = construct_block(scope, function, expr.arguments, expr.span)
            return apply(scope, made, Application(expr, piped, (), label, sole)) if piped else made
        function = construct_block(scope, function, (), expr.span)
    return apply(scope, function, Application(expr, piped, expr.arguments, label, sole, called=True))


def _go_on(
    scope: Scope, chain: s.Chain, piped: list[Tensor], label: s.Ident | None, sole: bool
) -> Evaluated | list[Tensor]:
    """Run our stages in place of a call of another framework, which has been reported."""
    core = chain.stages[0].core
    if len(chain.stages) == 1 and isinstance(core, s.Apply):
        return call_with(scope, core.call, piped, label, sole)
    if not piped:
        raise PoisonedError
    group = s.Group(chain.span, chain)
    return scope.run(group, piped, s.Stage(chain.span, label, group, None, None), sole)


def _static_call(scope: Scope, word: str, expr: s.Call, values: list[Static]) -> Evaluated:
    named = next((a.name for a in expr.arguments if a.name), None)
    if named is not None:
        scope.fail("E0406", f"`{word}` of numbers takes no argument `{named}`", named.span)
    first = expr.arguments[0].value.span if expr.arguments else expr.span
    return statics.call(scope, word, values, expr.span, first)


def _type_of(scope: Scope, word: str, expr: s.Call) -> Evaluated:
    value = scope.evaluate(expr.arguments[0].value) if len(expr.arguments) == 1 else None
    if not isinstance(value, Tensor):
        scope.fail("E0405", f"`{word}` takes one tensor", expr.span)
    answers: dict[str, Static] = {
        "shape": value.type.shape,
        "rank": value.type.rank,
        "dtype": value.type.dtype,
    }
    return answers[word]


def apply(scope: Scope, function: Evaluated, use: Application) -> Evaluated | list[Tensor]:
    """Apply an operator, a layer or a block."""
    if isinstance(function, OpValue):
        return apply_op(scope, function, use)
    if isinstance(function, LayerValue):
        return apply_layer(scope, function, use)
    if isinstance(function, BlockValue):
        if function.statics is None:
            function = construct_block(scope, function, (), use.span)
        return apply_block(scope, function, use)
    what = "a stage must be a block or a function" if use.piped else "only blocks and functions can be called"
    help = "combine tensors with an operator: `a + b`" if isinstance(function, Tensor) else None
    scope.fail("E0402", f"{what}, but this is {describe(function)}", use.callee_span, help=help)


def apply_function(
    scope: Scope, function: BlockValue, expr: s.Call, use: Application
) -> Evaluated | list[Tensor]:
    """Call a block whose static arguments and tensors share one pair of parentheses.

    Without any tensor it is constructed only, as other blocks are.
    """
    made, tensors, named = construct_function(scope, function, use.piped, expr)
    if not tensors and not named:
        return made
    return apply_block(scope, made, replace(use, piped=tensors, arguments=named))


# -- blocks --------------------------------------------------------------------------------------


def apply_block(scope: Scope, value: BlockValue, use: Application) -> list[Tensor]:
    """Call a constructed block; its outputs."""
    at = use.callee_span
    if value.block.kind == "cell":
        help = f"run it over a sequence: `scan {value.block.name}(..)`"
        message = f"`{value.block.name}` is a cell, which runs only inside a `scan`"
        start = use.span.source.span(use.span.start, use.span.start)
        changes = [(f"write `scan {use.span.text}`", [(start, "scan ")])]
        if len(use.arguments) == 1 and use.arguments[0].name is None and not use.piped:
            tensor = use.arguments[0].span
            cell = use.span.text[: tensor.start - use.span.start].rstrip().removesuffix("(")
            texts = (f"{tensor.text} -> scan {cell}", f"{tensor.text} -> scan {cell} states")
            changes = [(f"write `{text}`", [(use.span, text)]) for text in texts]
        cause = Edited(changes)
        scope.fail("E0216", message, at, help=help, cause=cause)
    inputs = bind_tensors(scope, value.block, use.piped, use.arguments, use.span)
    path = scope.labels.place(use.label, snake(value.block.name.text), use.sole)
    body, moved = instantiate(scope, value, inputs, at, path)
    borrow(scope, body, path, use.span)
    values = tuple(i.value for i in inputs if i is not None)
    return list(scope.add_call(CallStep(body, values, path, use.span), moved))


def snake(name: str) -> str:
    """`BatchNorm` as a label: `batch_norm`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
