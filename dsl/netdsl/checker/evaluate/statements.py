"""Running the statements of a body, one by one; errors are collected statement by statement."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from netdsl import syntax as s
from netdsl.checker.context import reports
from netdsl.checker.context.causes import Edited
from netdsl.checker.context.checker import TooManyErrors
from netdsl.checker.context.ids import needs_vectors
from netdsl.checker.context.limits import check_limits
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import (
    POISON,
    BlockValue,
    Evaluated,
    LayerValue,
    PoisonedError,
    Tensor,
    describe,
    is_bundle,
)
from netdsl.checker.evaluate import bindings, inits, python_words, statics
from netdsl.checker.evaluate.assertions import check_assertion, doubt
from netdsl.checker.sizes.shapes import TypePattern, axis_names, match, sizes_of, type_pattern
from netdsl.diagnostics import Label, NetError, suggest
from netdsl.dims import Dim, symbol
from netdsl.model import OpStep, Parameter, State
from netdsl.modules import too_much_work
from netdsl.source import Span
from netdsl.types import TensorType
from netdsl.work import TooMuchWork

IMPLICIT_INPUT = "x"
"""What the one input of a block without an input list is called."""


def input_names(block: s.Block) -> list[str]:
    """The tensor inputs of a block; a short block without a list has one."""
    if block.inputs is None:
        return [IMPLICIT_INPUT] if block.chain is not None else []
    return [p.name.text for p in block.inputs]


def is_function(block: s.Block) -> bool:
    """Whether a block is called as operators are: its name begins with a small letter."""
    return block.name.text[0].islower()


def run_body(scope: Scope) -> None:
    """Run the statements, or the chain of a short block; errors are collected statement by statement."""
    block = scope.block
    assert block is not None
    if block.chain is not None:
        with scope.recover(block.chain):
            piped = [scope.tensor(name) for name in input_names(block)[:1]]
            stage = _plain(block.chain)
            scope.result = list(scope.run(stage.core, piped, stage, False))
        return
    for n, statement in enumerate(block.body):
        run_statement(scope, statement)
        if isinstance(statement, s.Return):
            _ends_here(scope, block.body[n + 1 :], statement)
            break
    if scope.result is None and not any(isinstance(x, (s.Return, s.Broken)) for x in block.body):
        with scope.recover():
            _fail_without_return(scope, block)


def _fail_without_return(scope: Scope, block: s.Block) -> NoReturn:
    """Raise E0208; where the outputs have values, the help names them."""
    outputs = [output.name.text for output in block.outputs or () if output.name is not None]
    cause, help = None, "end it with `return ...`"
    if outputs and block.body and all(name in scope.names for name in outputs):
        last = block.body[-1].span
        line = last.source.text[last.source.text.rfind("\n", 0, last.start) + 1 : last.start]
        text = f"return {', '.join(outputs)}"
        help = f"end it with `{text}`"
        if not line.strip():
            cause = Edited([(help, [(last.source.span(last.end, last.end), f"\n{line}{text}")])])
    scope.fail("E0208", f"`{block.name}` returns nothing", block.name.span, help=help, cause=cause)


def _ends_here(scope: Scope, after: tuple[s.Statement, ...], last: s.Return) -> None:
    if after:
        with scope.recover():
            also = [Label(last.span, "the body ends here")]
            help = "move it above the `return`, or remove it"
            scope.fail("E0213", "nothing after `return` is run", after[0].span, also=also, help=help)
    inner = scope.copy()
    for statement in after:
        inner.read(statement)
        for name in s.bound_names(statement):
            inner.bind(name.text, POISON, name.span)


def _plain(chain: s.Chain) -> s.Stage:
    return s.Stage(chain.span, None, s.Group(chain.span, chain), None, None)


def run_statement(scope: Scope, statement: s.Statement) -> None:
    """Run a statement and report its errors."""
    with scope.recover(statement):
        try:
            _STATEMENTS[type(statement)](scope, statement)
        except TooMuchWork:
            at = reports.visible(scope, statement.span)
            scope.checker.report(too_much_work(at).diagnostics)
            raise TooManyErrors from None
        except (NetError, PoisonedError):
            for name in s.bound_names(statement):
                scope.bind(name.text, POISON, name.span)
            raise


def _bind(scope: Scope, statement: s.Bind) -> None:
    python_words.check_parameter(scope, statement)
    python_words.check_input(scope, statement)
    value = scope.evaluate(statement.value)
    if len(statement.names) == 1:
        name = statement.names[0]
        scope.bind_new(name, value, cause=bindings.another_name(scope, name))
        if isinstance(statement.value, (s.Pipeline, s.Call, s.Operation, s.Index, s.Negative)):
            scope.rename_last(value, name)
        return
    if not isinstance(value, tuple) or len(value) != len(statement.names):
        count = len(value) if isinstance(value, tuple) else 1
        given = f"{len(statement.names)} names"
        message = f"{given} for {count} value{'s' if count != 1 else ''}"
        help = "`_` takes a value that is not needed" if count > len(statement.names) else None
        names = statement.names[0].span.to(statement.names[-1].span)
        also = [Label(_last_call(statement.value), f"this returns {count} value{'s' if count != 1 else ''}")]
        cause = Edited(bindings.as_many(statement, names, count))
        scope.fail("E0209", message, names, also=also, help=help, cause=cause)
    for name, part in zip(statement.names, value, strict=True):
        if name.text != "_":
            scope.bind_new(name, part, cause=bindings.another_name(scope, name))


def _last_call(value: s.Expr) -> Span:
    """What gives the result of a pipeline: its last stage."""
    return value.stages[-1].span if isinstance(value, s.Pipeline) else value.span


def _let(scope: Scope, statement: s.Let) -> None:
    value = scope.evaluate(statement.value)
    scope.bind_new(statement.name, value, "static" if not isinstance(value, Tensor) else "value")


def _layer(scope: Scope, statement: s.Layer) -> None:
    value = scope.evaluate(statement.value)
    if not isinstance(value, BlockValue):
        help = "write `layer embed = Embedding(1000, 64)`"
        scope.fail(
            "E0402",
            f"a layer must be a block, but this is {describe(value)}",
            statement.value.span,
            help=help,
        )
    scope.labels.claim(statement.name.text, statement.name.span)
    scope.bind_new(statement.name, LayerValue(statement.name.text, value, statement.span))


def _declaration(scope: Scope, statement: s.Declaration) -> None:
    if statement.when is not None:
        condition = scope.evaluate(statement.when)
        if not statics.truth(scope, condition, statement.when.span):
            scope.bind(statement.name.text, None, statement.name.span)
            return
    if statement.kind == "const":
        _const(scope, statement)
        return
    if statement.kind == "state":
        _state(scope, statement)
        return
    type_ = _parameter_type(scope, statement)
    init = inits.read(scope, statement.value, statement.kind)
    if init.kind == "identity" and type_.rank < 2:
        at = (statement.value or statement).span
        scope.fail("E0410", f"`identity` needs two axes, but `{statement.name}` is {type_}", at)
    tensor = add_parameter(scope, statement, Parameter(statement.kind, init), type_)
    scope.bind_new(statement.name, tensor, statement.kind)


def _parameter_type(scope: Scope, statement: s.Declaration) -> TensorType:
    pattern = type_pattern(scope, statement.type)
    sizes = sizes_of(scope, pattern.sizes)
    for axis, size in enumerate(sizes):
        if not size.is_fixed:
            at = pattern.sizes[axis].span if len(sizes) == len(pattern.sizes) else statement.type.span
            name = statement.name.text
            raise NetError(needs_vectors(scope) or reports.needs_fixed_axis(scope, size, name, at))
    type_ = TensorType(pattern.dtype or scope.float_type, tuple(sizes))
    check_limits(scope, type_, statement.span)
    return type_


def add_parameter(scope: Scope, statement: s.Declaration, op: Parameter, type_: TensorType) -> Tensor:
    """Mint a parameter under the name of its declaration."""
    scope.labels.claim(statement.name.text, statement.name.span)
    return scope.add_source(OpStep(op, (), (type_,), statement.name.text, statement.span))


def _const(scope: Scope, statement: s.Declaration) -> None:
    if statement.value is None:
        help = f"write `const {statement.name}: {statement.type.span.text} = ...`"
        scope.fail("E0211", f"the const `{statement.name}` needs a value", statement.name.span, help=help)
    value = scope.evaluate(statement.value)
    if not isinstance(value, Tensor):
        help = "a number by itself is a `let`; a tensor of numbers is `constant(3.0, [4])`"
        scope.fail(
            "E0402",
            f"a const must be a tensor, but this is {describe(value)}",
            statement.value.span,
            help=help,
        )
    what = f"const `{statement.name}`"
    value = match(scope, type_pattern(scope, statement.type), value, what, statement.value.span)
    scope.bind_new(statement.name, value)
    scope.rename_last(value, statement.name)


def as_cell(block: s.Block) -> list[tuple[str, list[tuple[Span, str]]]]:
    """The change that makes a cell of what is defined as a block: its help, and the replacement."""
    if block.kind != "block":
        return []
    start = block.span.start
    word = block.span.source.span(start, start + len("block"))
    return [(f"define it with `cell` instead of `block`, on line {word.line}", [(word, "cell")])]


def _state(scope: Scope, statement: s.Declaration) -> None:
    """A state is read as an operator without inputs, until the scan around the cell hands it in."""
    if scope.block is None or scope.block.kind != "cell":
        help = "use `cell` instead of `block`"
        cause = Edited(as_cell(scope.block)) if scope.block is not None else None
        scope.fail("E0210", "a `state` belongs in a cell", statement.name.span, help=help, cause=cause)
    pattern = type_pattern(scope, statement.type)
    grown = [axis for axis, e in enumerate(pattern.sizes) if isinstance(e, s.Star)]
    if len(grown) > 1:
        scope.fail("E0305", "a state can grow along one axis", pattern.sizes[grown[1]].span)
    type_ = TensorType(pattern.dtype or scope.float_type, tuple(_state_sizes(scope, pattern)))
    init = inits.read(scope, statement.value, "state")
    if init.kind not in ("zeros", "ones", "constant"):
        help = "start it with `zeros`, `ones` or a number, or hand it in: `scan Cell(..)(h=first)`"
        at = statement.value.span if statement.value else statement.span
        scope.fail("E0410", f"a state cannot start as `{init}`", at, help=help)
    name = statement.name.text
    scope.labels.claim(name, statement.name.span)
    state = State(name, init, grown[0] if grown else None)
    step = OpStep(state, (), (type_,), name, statement.span)
    tensor = scope.add_source(step, axis_names(pattern.sizes, type_.rank))
    scope.bind_new(statement.name, tensor, "state")


def _state_sizes(scope: Scope, pattern: TypePattern) -> list[Dim]:
    """The sizes of a state; `*past` is a size that grows, known only while running."""
    sizes: list[Dim] = []
    for element in pattern.sizes:
        if isinstance(element, s.Star):
            name = element.value
            if not isinstance(name, s.Name):
                scope.fail("E0305", "`*` here takes a name", element.span)
            if name.text not in scope.names:
                scope.bind(name.text, symbol(f"*{name.text}", name.span), name.span, "size")
            element = name
        sizes += sizes_of(scope, [element])
    return sizes


def _next(scope: Scope, statement: s.Next) -> None:
    name = statement.name
    state = scope.names.get(name.text)
    if state is not None and state.value is POISON:
        raise PoisonedError
    if state is None or state.kind not in ("state", "buffer") or not isinstance(state.value, Tensor):
        known = [n for n, b in scope.names.items() if b.kind in ("state", "buffer")]
        help = suggest(name.text, known) or f"declare it: `state {name}: [B, ...] = zeros`"
        scope.fail("E0215", f"`{name}` is not a state of this cell", name.span, help=help)
    value = scope.evaluate(statement.value)
    if state.kind == "buffer":
        _next_buffer(scope, statement, state.value, value)
        return
    if not isinstance(value, Tensor):
        scope.fail("E0402", f"a state must be a tensor, but this is {describe(value)}", statement.value.span)
    new = s.Ident(name.span, name.text + "'")
    scope.bind_new(new, value)
    scope.next_values[name.text] = value
    scope.next_places[name.text] = statement.value.span
    scope.rename_last(value, s.Ident(name.span, f"next_{name.text}"))


def _next_buffer(scope: Scope, statement: s.Next, buffer: Tensor, value: Evaluated) -> None:
    """A buffer's value after a run. Raises E0223 if it is not of the buffer's type."""
    name, at = statement.name, statement.value.span
    if not isinstance(value, Tensor) or value.type != buffer.type:
        given = value.type if isinstance(value, Tensor) else describe(value)
        also = [Label(buffer.span, f"`{name}` is {buffer.type}")]
        help = "a buffer keeps its shape and element type"
        message = f"the buffer `{name}` is {buffer.type}, but its next value is {given}"
        scope.fail("E0223", message, at, also=also, help=help)
    scope.bind_new(s.Ident(name.span, name.text + "'"), value)
    scope.updates[name.text] = value
    scope.rename_last(value, s.Ident(name.span, f"next_{name.text}"))


def _return(scope: Scope, statement: s.Return) -> None:
    result: list[Evaluated] = []
    for expr in statement.values:
        value = scope.evaluate(expr)
        if not isinstance(value, Tensor) and not is_bundle(value):
            scope.fail("E0402", f"a block must return tensors, but this is {describe(value)}", expr.span)
        result += list(value) if is_bundle(value) else [value]
    scope.result = result
    scope.result_place = statement.values[0].span.to(statement.values[-1].span)


def _assert(scope: Scope, statement: s.Assert) -> None:
    try:
        check_assertion(scope, statement)
    except NetError as failed:
        scope.report(failed.diagnostics)
        doubt(scope, statement.condition)
        raise PoisonedError from None


def _expect(scope: Scope, statement: s.Expect) -> None:
    scope.fail(
        "E0212", "`expect` belongs in a test", statement.span, help="a block checks itself with `assert`"
    )


def _broken(scope: Scope, statement: s.Broken) -> None:
    """A statement that cannot be read: what it would bind is unknown."""
    raise PoisonedError


_STATEMENTS: dict[type[s.Statement], Callable[..., None]] = {
    s.Bind: _bind,
    s.Let: _let,
    s.Layer: _layer,
    s.Declaration: _declaration,
    s.Next: _next,
    s.Return: _return,
    s.Assert: _assert,
    s.Expect: _expect,
    s.Broken: _broken,
}
