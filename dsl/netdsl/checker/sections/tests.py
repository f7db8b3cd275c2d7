"""Tests in a file: expectations on types are checked at once; those on values become a model to run."""

from __future__ import annotations

from dataclasses import replace

from netdsl import syntax as s
from netdsl.checker.calls.blocks import root_names
from netdsl.checker.context.checker import Checker
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import Evaluated, Tensor, describe, is_number
from netdsl.checker.evaluate import statics
from netdsl.checker.evaluate.assertions import values_in
from netdsl.checker.evaluate.expressions import lift
from netdsl.checker.evaluate.statements import run_statement
from netdsl.checker.evaluate.unknown import DTYPES
from netdsl.checker.sizes.shapes import match, type_pattern
from netdsl.diagnostics import Label
from netdsl.edits import replacement
from netdsl.model import Body, Expectation, Model, ModelTest, Slot
from netdsl.modules import Module
from netdsl.source import Span

DEFAULT_TOLERANCE = 1e-5


def check_test(checker: Checker, module: Module, item: s.Test) -> ModelTest | None:
    """The test as a model whose outputs are what its expectations look at; None if it has errors.

    Statements that hold no expectation run as in a block. Each call of a model starts from its own label
    path, so that two calls get the same seeded weights where their labels agree.
    """
    scope = Scope(checker, module)
    scope.names.update(root_names(scope))
    before = sum(d.severity == "error" for d in checker.diagnostics)
    outputs: list[Slot] = []
    expectations: list[Expectation] = []
    for statement in item.body:
        scope.labels.claims.clear()
        if isinstance(statement, s.Expect):
            with scope.recover():
                _expect(scope, statement, outputs, expectations)
        else:
            run_statement(scope, statement)
    if sum(d.severity == "error" for d in checker.diagnostics) > before:
        return None
    body = Body(item.name.value, "test", (), tuple(outputs), tuple(scope.steps), scope.nodes.size, item.span)
    return ModelTest(item.name.value, Model(item.name.value, body, {}), tuple(expectations), item.span)


def _with_is(scope: Scope, statement: s.Expect) -> s.Expect:
    """`expect Net(x) -> f32[4, 5]`, which is reported, as `expect Net(x) is f32[4, 5]`."""
    value = statement.value
    last = value.stages[-1].core if isinstance(value, s.Pipeline) and len(value.stages) == 1 else None
    type_ = last.call if isinstance(last, s.Apply) and isinstance(last.call, s.Index) else None
    if not isinstance(value, s.Pipeline) or type_ is None or type_.value.span.text not in DTYPES:
        return statement
    with scope.recover():
        before = value.source.span
        edits = (replacement(before.source.span(before.end, type_.span.start), " is "),)
        help = f"write `expect {before.text} is {type_.span.text}`"
        scope.fail("E0402", "an expected type comes after `is`", type_.span, help=help, fixes=edits)
    return replace(statement, value=value.source, type=type_)


def _expect(scope: Scope, statement: s.Expect, outputs: list[Slot], expectations: list[Expectation]) -> None:
    statement = _with_is(scope, statement)
    value = scope.evaluate(statement.value)
    if statement.type is not None:
        if not isinstance(value, Tensor):
            scope.fail("E0402", f"`is` needs a tensor, but this is {describe(value)}", statement.value.span)
        what = f"`{statement.value.span.text}`"
        match(scope, type_pattern(scope, statement.type), value, what, statement.value.span)
        return
    if statement.other is not None:
        _expect_close(scope, statement, value, outputs, expectations)
        return
    if isinstance(value, Tensor):
        if value.type.dtype.value != "bool":
            help = "compare it: `expect y > 0`, `expect a ~ b`"
            message = f"`expect` needs true or false, but got {value.type}"
            scope.fail("E0217", message, statement.value.span, help=help)
        expectations.append(Expectation(statement.span, (_output(value, outputs, statement.span),), None))
    elif not statics.truth(scope, value, statement.value.span):
        values = values_in(scope, statement.value)
        scope.fail("E0218", f"`{statement.value.span.text}` is false", statement.value.span, values)


def _expect_close(
    scope: Scope, statement: s.Expect, value: Evaluated, outputs: list[Slot], expectations: list[Expectation]
) -> None:
    assert statement.other is not None
    if not isinstance(value, Tensor):
        scope.fail("E0402", f"`~` compares tensors, but this is {describe(value)}", statement.value.span)
    other = scope.evaluate(statement.other)
    if not isinstance(other, Tensor):
        other = lift(scope, other, value, statement.other.span, "~")
    if other.type != value.type and other.type.rank:
        at = statement.value.span.to(statement.other.span)
        also = [Label(t.span, f"this is {t.type}") for t in (value, other)]
        message = f"`~` compares tensors of one type, but got {value.type} and {other.type}"
        scope.fail("E0302", message, at, also=also)
    names = (_output(value, outputs, statement.span), _output(other, outputs, statement.span))
    expectations.append(Expectation(statement.span, names, _tolerance(scope, statement)))


def _tolerance(scope: Scope, statement: s.Expect) -> float:
    if statement.modifier is None or statement.tolerance is None:
        return DEFAULT_TOLERANCE
    if statement.modifier.text != "within":
        scope.fail(
            "E0214",
            f"`{statement.modifier}` is not a modifier of `expect`",
            statement.modifier.span,
            help="write `within 1e-5`",
        )
    value = scope.evaluate(statement.tolerance)
    if not is_number(value) or float(value) < 0:
        scope.fail(
            "E0402",
            f"a tolerance must be a number of 0 or more, but this is {describe(value)}",
            statement.tolerance.span,
        )
    return float(value)


def _output(tensor: Tensor, outputs: list[Slot], span: Span) -> str:
    name = f"value{len(outputs)}"
    outputs.append(Slot(name, tensor.type, tensor.value, span))
    return name
