"""Pipelines: the result of each kind of stage for the piped tensors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from netdsl import syntax as s
from netdsl.checker.calls import scans
from netdsl.checker.calls.application import Application
from netdsl.checker.calls.calls import apply, call_with, snake
from netdsl.checker.context.causes import Branches
from netdsl.checker.context.scope import Scope, evaluates, runs
from netdsl.checker.context.values import (
    BlockValue,
    Evaluated,
    LayerValue,
    OpValue,
    Tensor,
    describe,
    is_bundle,
    is_integer,
)
from netdsl.checker.evaluate import statics
from netdsl.checker.evaluate.statements import input_names
from netdsl.checker.sizes import arrange
from netdsl.diagnostics import Label
from netdsl.ops.elementwise.arithmetic import Add
from netdsl.source import Span


@evaluates(s.Pipeline)
def pipeline(scope: Scope, expr: s.Pipeline) -> Evaluated:
    value = scope.evaluate(expr.source)
    piped = as_tensors(scope, value, expr.source.span)
    for stage in expr.stages:
        piped = run_stage(scope, stage, piped, False)
    return piped[0] if len(piped) == 1 else tuple(piped)


def as_tensors(scope: Scope, value: Evaluated, span: Span) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if is_bundle(value):
        return list(value)
    help = "start with a tensor: `x -> ...`" if isinstance(value, (BlockValue, OpValue)) else None
    scope.fail("E0402", f"a pipeline carries tensors, but this is {describe(value)}", span, help=help)


def run_chain(scope: Scope, chain: s.Chain, piped: list[Tensor], sole: bool = False) -> list[Tensor]:
    """The stages in order; `sole` as in `Scope.run`, where the chain is a loop's body."""
    for stage in chain.stages:
        piped = run_stage(scope, stage, piped, sole and len(chain.stages) == 1)
    return piped


def run_stage(scope: Scope, stage: s.Stage, piped: list[Tensor], sole: bool) -> list[Tensor]:
    if stage.when is not None:
        condition = scope.evaluate(stage.when)
        if not statics.truth(scope, condition, stage.when.span):
            return piped
    if stage.repeat is None:
        return scope.run(stage.core, piped, stage, sole)
    return _repeat(scope, stage, stage.repeat, piped, sole)


@contextmanager
def _labelled(scope: Scope, stage: s.Stage, sole: bool, auto: str | None) -> Iterator[None]:
    """Put the stage's label before those inside it; `auto` is for stages that need one in any case."""
    outer = list(scope.labels.prefix)
    if stage.label is not None:
        scope.labels.prefix = scope.labels.place(stage.label, "").split(".")
    elif auto is not None and not sole:
        scope.labels.prefix = scope.labels.place(None, auto).split(".")
    try:
        yield
    finally:
        scope.labels.prefix = outer


def _inside(stage: s.Stage) -> s.Stage:
    """The stage without its own label, repetition and condition, which are already applied."""
    return s.Stage(stage.span, None, stage.core, None, None)


def auto_name(core: s.Core) -> str:
    """A readable name for what a stage does, from the first thing it calls."""
    if isinstance(core, s.Loop | s.Group | s.Residual):
        return auto_name(core.body.stages[0].core)
    if isinstance(core, s.Fork):
        return "fork"
    if isinstance(core, s.Rearrange):
        return "rearrange"
    expr: s.Expr = core.then if isinstance(core, s.Choice) else core.call
    while isinstance(expr, (s.Call, s.Index)):
        expr = expr.function if isinstance(expr, s.Call) else expr.value
    if isinstance(expr, s.Attribute):
        return snake(expr.name.text)
    return snake(expr.text) if isinstance(expr, s.Name) else "stage"


# -- repetition ----------------------------------------------------------------------------------


def _repeat(scope: Scope, stage: s.Stage, repeat: s.Repeat, piped: list[Tensor], sole: bool) -> list[Tensor]:
    count = _count(scope, repeat.count)
    if repeat.modifier is not None and repeat.modifier.text != "shared":
        help = "`* n shared` repeats with one set of weights"
        scope.fail(
            "E0214", f"`{repeat.modifier}` is not a modifier of a repetition", repeat.modifier.span, help=help
        )
    if repeat.modifier is not None:
        return _repeat_shared(scope, stage, count, piped)
    inner = _inside(stage)
    with (
        _labelled(scope, stage, sole, auto_name(stage.core)),
        scope.nodes.repeated(count, repeat.span) as passed,
    ):
        for n in range(count):
            scope.labels.prefix.append(str(n))
            piped = scope.run(stage.core, piped, inner, True)
            scope.labels.prefix.pop()
            passed()
    return piped


def _repeat_shared(scope: Scope, stage: s.Stage, count: int, piped: list[Tensor]) -> list[Tensor]:
    """The same layer applied again and again."""
    if not isinstance(stage.core, s.Apply):
        help = "give the stages a name as a `block`, and repeat that"
        scope.fail("E0214", "`shared` repeats one block", stage.span, help=help)
    value, more = _shared_block(scope, stage.core.call)
    if not isinstance(value, BlockValue):
        return _repeat_plain(scope, stage, count, piped)
    name = scope.labels.place(stage.label, auto_name(stage.core))
    layer = LayerValue(name, value, stage.span)
    with scope.nodes.repeated(count, stage.span) as passed:
        for _ in range(count):
            result = apply(scope, layer, Application(stage.core.call, piped, more))
            piped = result if isinstance(result, list) else piped
            passed()
    return piped


def _shared_block(scope: Scope, call: s.Expr) -> tuple[Evaluated, tuple[s.Argument, ...]]:
    """The block that a stage repeats, and the arguments of its side inputs: `Layer(4)(keep=keep)`."""
    if isinstance(call, s.Call):
        function = call.function
        is_made = isinstance(function, s.Call) or all(
            argument.name is not None and _is_input(scope, function, argument.name.text)
            for argument in call.arguments
        )
        value = scope.evaluate(function) if is_made and call.arguments else None
        if isinstance(value, BlockValue):
            return value, tuple(call.arguments)
    return scope.evaluate(call), ()


def _is_input(scope: Scope, function: s.Expr, name: str) -> bool:
    value = scope.evaluate(function)
    return isinstance(value, BlockValue) and name in input_names(value.block)


def _repeat_plain(scope: Scope, stage: s.Stage, count: int, piped: list[Tensor]) -> list[Tensor]:
    inner = _inside(stage)
    with scope.nodes.repeated(count, stage.span) as passed:
        for _ in range(count):
            piped = scope.run(stage.core, piped, inner, False)
            passed()
    return piped


def _count(scope: Scope, expr: s.Expr) -> int:
    value = scope.evaluate(expr)
    if not is_integer(value):
        scope.fail("E0402", f"a count must be an integer, but this is {describe(value)}", expr.span)
    count = int(statics.fixed(scope, value, expr.span))
    if count < 0:
        scope.fail("E0404", f"a count cannot be negative, but this is {count}", expr.span)
    return count


@runs(s.Loop)
def loop(scope: Scope, core: s.Loop, piped: list[Tensor], stage: s.Stage, sole: bool) -> list[Tensor]:
    start, stop = (_bound(scope, part) for part in (core.start, core.stop))
    outer = scope.names.get(core.variable.text)
    with (
        _labelled(scope, stage, sole, auto_name(core)),
        scope.nodes.repeated(max(0, stop - start), core.span) as passed,
    ):
        for n in range(start, stop):
            scope.bind(core.variable.text, n, core.variable.span, "static")
            scope.labels.prefix.append(str(n))
            piped = run_chain(scope, core.body, piped, sole=True)
            scope.labels.prefix.pop()
            passed()
    if outer is not None:
        scope.names[core.variable.text] = outer
    else:
        scope.names.pop(core.variable.text, None)
    return piped


def _bound(scope: Scope, expr: s.Expr) -> int:
    value = scope.evaluate(expr)
    if not is_integer(value):
        scope.fail("E0402", f"the bounds of `for` must be integers, but this is {describe(value)}", expr.span)
    return int(statics.fixed(scope, value, expr.span))


# -- the other stages ----------------------------------------------------------------------------


@runs(s.Apply)
def apply_stage(scope: Scope, core: s.Apply, piped: list[Tensor], stage: s.Stage, sole: bool) -> list[Tensor]:
    return _applied(scope, core.call, piped, stage.label, sole)


@runs(s.Choice)
def choice(scope: Scope, core: s.Choice, piped: list[Tensor], stage: s.Stage, sole: bool) -> list[Tensor]:
    condition = statics.truth(scope, scope.evaluate(core.condition), core.condition.span)
    return _applied(scope, core.then if condition else core.otherwise, piped, stage.label, sole)


def _applied(
    scope: Scope, expr: s.Expr, piped: list[Tensor], label: s.Ident | None, sole: bool
) -> list[Tensor]:
    if isinstance(expr, s.Name) and expr.text == "identity" and expr.text not in scope.names:
        return piped
    result = call_with(scope, expr, piped, label, sole)
    if not isinstance(result, list):
        scope.fail("E0402", f"a stage must return tensors, but this returns {describe(result)}", expr.span)
    return result


@runs(s.Group)
def group(scope: Scope, core: s.Group, piped: list[Tensor], stage: s.Stage, sole: bool) -> list[Tensor]:
    with _labelled(scope, stage, sole, None):
        return run_chain(scope, core.body, piped)


@runs(s.Residual)
def residual(scope: Scope, core: s.Residual, piped: list[Tensor], stage: s.Stage, sole: bool) -> list[Tensor]:
    with _labelled(scope, stage, sole, None):
        bodies = run_chain(scope, core.body, piped)
        shortcuts = piped if core.via is None else run_chain(scope, core.via, piped)
        if len(bodies) != 1 or len(shortcuts) != 1:
            what = "shortcut" if core.via is not None else "input"
            message = f"a residual adds one tensor to one, but its body returns {len(bodies)} and its {what}"
            scope.fail("E0306", f"{message} {len(shortcuts)}", core.span)
        _check_addends(scope, core, bodies[0], shortcuts[0])
        return list(scope.add_op(Add(), [bodies[0], shortcuts[0]], core.span))


def _check_addends(scope: Scope, core: s.Residual, body: Tensor, shortcut: Tensor) -> None:
    if body.type == shortcut.type:
        return
    also = []
    if body.type.rank == shortcut.type.rank:
        for ours, theirs in zip(body.type.shape, shortcut.type.shape, strict=True):
            if ours != theirs and ours.origin:
                also.append(Label(ours.origin, f"{ours} is set here"))
            if ours != theirs and theirs.origin:
                also.append(Label(theirs.origin, f"{theirs} is set here"))
    if core.via is not None:
        also.append(Label(shortcut.span, f"the shortcut is {shortcut.type}"))
    what = "the input" if core.via is None else "the shortcut"
    help = "bring the shortcut to the same shape: `residual { .. } via { proj: Conv(.., 1) }`"
    if body.type.shape == shortcut.type.shape:
        help = f"convert the body's result: `cast({shortcut.type.dtype})`"
    elif body.type.rank != shortcut.type.rank:
        help = "both need the same axes; move what removes them after the residual"
    message = f"the residual's body returns {body.type}, but {what} is {shortcut.type}"
    cause = Branches(scope.where(core.span), core, body, shortcut)
    scope.fail("E0306", message, core.span, also=also, help=help, cause=cause)


@runs(s.Fork)
def fork(scope: Scope, core: s.Fork, piped: list[Tensor], stage: s.Stage, sole: bool) -> list[Tensor]:
    results: list[Tensor] = []
    with _labelled(scope, stage, sole, None):
        for arm in core.arms:
            results += run_chain(scope, arm, piped)
    return results


@runs(s.Rearrange)
def rearrange(
    scope: Scope, core: s.Rearrange, piped: list[Tensor], stage: s.Stage, sole: bool
) -> list[Tensor]:
    if len(piped) != 1:
        scope.fail("E0411", f"`=>` rearranges one tensor, but got {len(piped)}", core.span)
    return [arrange.rearrange(scope, core.left, core.right, piped[0], stage.label, sole)]


@runs(s.Scan)
def scan(scope: Scope, core: s.Scan, piped: list[Tensor], stage: s.Stage, sole: bool) -> list[Tensor]:
    return scans.run_scan(scope, core, piped, stage.label, sole)
