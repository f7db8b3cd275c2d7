"""Building the body of a block for given static arguments and input types, statement by statement."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl import syntax as s
from netdsl.checker import inits, statics
from netdsl.checker.scope import MAX_CALL_DEPTH, Binding, CallSite, Scope
from netdsl.checker.shapes import TypePattern, axis_names, declare, match, sizes_of, type_pattern
from netdsl.checker.values import (
    POISON,
    BlockValue,
    LayerUse,
    LayerValue,
    PoisonedError,
    Tensor,
    Value,
    describe,
    is_bundle,
)
from netdsl.diagnostics import Label, NetError, suggest
from netdsl.dims import Dim, symbol
from netdsl.model import Body, OpStep, Parameter, Slot, State
from netdsl.source import Span
from netdsl.types import TensorType

IMPLICIT_INPUT = "x"
"""What the one input of a block without an input list is called."""


def input_names(block: s.Block) -> list[str]:
    """The tensor inputs of a block; a short block without a list has one."""
    if block.inputs is None:
        return [IMPLICIT_INPUT] if block.chain is not None else []
    return [p.name.text for p in block.inputs]


def instantiate(
    scope: Scope, value: BlockValue, inputs: Sequence[Tensor | None], call: Span, label: str
) -> Body:
    """The body of a constructed block for the types of its inputs; equal calls share one body.

    Raises:
        PoisonedError: where the body has errors, which have been reported.
    """
    checker = scope.checker
    key = (value.key, tuple(None if i is None else i.type for i in inputs), checker.training)
    if key not in checker.bodies:
        if checker.depth >= MAX_CALL_DEPTH:
            help = "blocks cannot call themselves, directly or through a parameter"
            scope.fail(
                "E0607", f"blocks call each other more than {MAX_CALL_DEPTH} deep here", call, help=help
            )
        checker.bodies[key] = None
        checker.depth += 1
        try:
            checker.bodies[key] = _build(scope, value, inputs, call, label)
        finally:
            checker.depth -= 1
    body = checker.bodies[key]
    if body is None:
        raise PoisonedError
    return body


def _build(
    scope: Scope, value: BlockValue, inputs: Sequence[Tensor | None], call: Span, label: str
) -> Body | None:
    block = value.block
    site = CallSite(block.name.text, call, scope.module.is_std)
    path = f"{scope.path}.{label}" if scope.path and label else scope.path or label
    inner = Scope(scope.checker, value.module, block, path, (*scope.calls, site))
    inner.names.update(root_names(inner))
    for name, static, span in value.statics or ():
        inner.bind(name, static, span, "static")
    floats = [i.type.dtype for i in inputs if i is not None and i.type.dtype.is_float]
    inner.float_type = floats[0] if floats else scope.float_type
    before = _errors(inner)
    slots = bind_inputs(inner, block, inputs, call)
    run_body(inner)
    if _errors(inner) > before:
        return None
    return finish(inner, block.name.text, slots)


def _errors(scope: Scope) -> int:
    return sum(d.severity == "error" for d in scope.checker.found)


def root_names(scope: Scope) -> dict[str, Binding]:
    """The names that every body of a file sees: its configuration, and `training`."""
    module = scope.module
    names: dict[str, Binding] = {"training": Binding(scope.checker.training, module.file.span, "config")}
    values = scope.checker.config.get(module, {})
    for entry in module.config:
        if entry.name.text in values:
            names[entry.name.text] = Binding(values[entry.name.text], entry.name.span, "config")
    return names


# -- inputs --------------------------------------------------------------------------------------


def bind_inputs(scope: Scope, block: s.Block, inputs: Sequence[Tensor | None], call: Span) -> list[Slot]:
    """Bind the inputs in their order, matching each against its declared type."""
    slots: list[Slot] = []
    tensors: list[tuple[s.Param | None, Tensor]] = []
    for name, param, given in zip(input_names(block), _params(block), inputs, strict=True):
        if given is None:
            continue
        scope.types.append(given.type)
        tensor = Tensor(len(scope.types) - 1, given.type, (None,) * given.type.rank, given.span)
        at = param.name.span if param else call
        slots.append(Slot(name, given.type, tensor.value, at))
        scope.bind(name, tensor, at, "input")
        tensors.append((param, tensor))
    for param, tensor in tensors:
        if param is not None and param.type is not None:
            _match_input(scope, block, param, tensor, call)
    given_names = {slot.name for slot in slots}
    for param in _params(block):
        if param is not None and param.name.text not in given_names:
            _default_input(scope, block, param, call)
    return slots


def _match_input(scope: Scope, block: s.Block, param: s.Param, tensor: Tensor, call: Span) -> None:
    assert param.type is not None
    what = f"input `{param.name}` of `{block.name}`"
    with scope.recover():
        pattern = type_pattern(scope, param.type)
        try:
            scope.bind(param.name.text, match(scope, pattern, tensor, what, call), param.name.span, "input")
        except PoisonedError:
            scope.bind(param.name.text, POISON, param.name.span, "input")


def _params(block: s.Block) -> list[s.Param | None]:
    return [None] if block.inputs is None and block.chain is not None else list(block.inputs or ())


def _default_input(scope: Scope, block: s.Block, param: s.Param, call: Span) -> None:
    if param.default is None:
        scope.bind(param.name.text, POISON, param.name.span, "input")
        help = f"give it by name: `{block.name}(..)({param.name}=...)`"
        with scope.recover():
            also = [Label(param.name.span, "declared here")]
            scope.fail(
                "E0408", f"input `{param.name}` of `{block.name}` is missing", call, also=also, help=help
            )
        return
    with scope.recover():
        value = scope.evaluate(param.default)
        if isinstance(value, Tensor) and param.type is not None:
            what = f"input `{param.name}` of `{block.name}`"
            value = match(scope, type_pattern(scope, param.type), value, what, call)
        scope.bind(param.name.text, value, param.name.span, "input")


def declare_model_inputs(scope: Scope, block: s.Block) -> list[Slot]:
    """The inputs of a model that is run from outside: new names in their types are free sizes."""
    slots = []
    for param in block.inputs or ():
        with scope.recover():
            if param.type is None:
                help = f"write `{param.name}: f32[B, ...]`"
                scope.fail("E0304", f"input `{param.name}` of a model needs a type", param.span, help=help)
            pattern: TypePattern = type_pattern(scope, param.type)
            type_ = declare(scope, param.name.text, pattern)
            scope.types.append(type_)
            names = tuple(e.text if isinstance(e, s.Name) else None for e in pattern.sizes)
            tensor = Tensor(len(scope.types) - 1, type_, names, param.name.span)
            scope.bind(param.name.text, tensor, param.name.span, "input")
            slots.append(Slot(param.name.text, type_, tensor.value, param.name.span))
            continue
        scope.bind(param.name.text, POISON, param.name.span, "input")
    return slots


# -- statements ----------------------------------------------------------------------------------


def run_body(scope: Scope) -> None:
    """Run the statements, or the chain of a short block; errors are collected statement by statement."""
    block = scope.block
    assert block is not None
    if block.chain is not None:
        with scope.recover():
            inputs = [scope.names[name].value for name in input_names(block)[:1]]
            if any(i is POISON for i in inputs):
                raise PoisonedError
            piped = [i for i in inputs if isinstance(i, Tensor)]
            stage = _plain(block.chain)
            scope.result = list(scope.run(stage.core, piped, stage, False))
        return
    for statement in block.body:
        run_statement(scope, statement)
        if isinstance(statement, s.Return):
            break
    if scope.result is None and not any(isinstance(x, s.Return) for x in block.body):
        with scope.recover():
            scope.fail(
                "E0208", f"`{block.name}` returns nothing", block.name.span, help="end it with `return ...`"
            )


def _plain(chain: s.Chain) -> s.Stage:
    return s.Stage(chain.span, None, s.Group(chain.span, chain), None, None)


def run_statement(scope: Scope, statement: s.Statement) -> None:
    with scope.recover():
        try:
            _STATEMENTS[type(statement)](scope, statement)  # type: ignore[operator]  # keyed by its own type
        except (NetError, PoisonedError):
            for name in _named(statement):
                scope.names.setdefault(name.text, _poisoned(name))
            raise


def _poisoned(name: s.Ident) -> Binding:
    return Binding(POISON, name.span)


def _named(statement: s.Statement) -> list[s.Ident]:
    if isinstance(statement, s.Bind):
        return list(statement.names)
    if isinstance(statement, (s.Let, s.Layer, s.Declaration)):
        return [statement.name]
    if isinstance(statement, s.Next):
        return [s.Ident(statement.name.span, statement.name.text + "'")]
    return []


def _bind(scope: Scope, statement: s.Bind) -> None:
    value = scope.evaluate(statement.value)
    if len(statement.names) == 1:
        name = statement.names[0]
        scope.bind_new(name, value)
        if isinstance(statement.value, (s.Pipeline, s.Call, s.Operation, s.Index, s.Negative)):
            scope.rename_last(value, name)
        return
    if not isinstance(value, tuple) or len(value) != len(statement.names):
        count = len(value) if isinstance(value, tuple) else 1
        message = f"{len(statement.names)} names are given for {count} value{'s' if count != 1 else ''}"
        scope.fail("E0209", message, statement.span)
    for name, part in zip(statement.names, value, strict=True):
        if name.text != "_":
            scope.bind_new(name, part)


def _let(scope: Scope, statement: s.Let) -> None:
    value = scope.evaluate(statement.value)
    scope.bind_new(statement.name, value, "static" if not isinstance(value, Tensor) else "value")


def _layer(scope: Scope, statement: s.Layer) -> None:
    value = scope.evaluate(statement.value)
    if not isinstance(value, BlockValue):
        help = "write `layer embed = Embedding(1000, 64)`"
        scope.fail(
            "E0402", f"a layer is a block, and this is {describe(value)}", statement.value.span, help=help
        )
    scope.claim(statement.name.text, statement.name.span)
    scope.layers[statement.name.text] = LayerUse()
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
    tensor = add_parameter(scope, statement, Parameter(statement.kind, init), type_)
    scope.bind_new(statement.name, tensor)


def _parameter_type(scope: Scope, statement: s.Declaration) -> TensorType:
    pattern = type_pattern(scope, statement.type)
    sizes = sizes_of(scope, pattern.sizes)
    for axis, size in enumerate(sizes):
        if not size.is_fixed:
            block = scope.block.name.text if scope.block else "this block"
            message = f"`{block}` needs fixed sizes for `{statement.name}`, and axis {axis} is `{size}`"
            scope.free_size(size, message, statement.type.span, _what_comes_in(scope))
    type_ = TensorType(pattern.dtype or scope.float_type, tuple(sizes))
    scope._check_limits(type_, statement.span)
    return type_


def _what_comes_in(scope: Scope) -> str:
    inputs = [
        (n, b.value) for n, b in scope.names.items() if b.kind == "input" and isinstance(b.value, Tensor)
    ]
    return f"{inputs[0][0]} is {inputs[0][1].type} here" if inputs and scope.module.is_std else ""


def add_parameter(scope: Scope, statement: s.Declaration, op: Parameter, type_: TensorType) -> Tensor:
    """Mint a parameter under the name of its declaration."""
    scope.claim(statement.name.text, statement.name.span)
    scope.append(OpStep(op, (), (type_,), statement.name.text, statement.span), 1)
    return Tensor(len(scope.types) - 1, type_, (None,) * type_.rank, statement.span)


def _const(scope: Scope, statement: s.Declaration) -> None:
    if statement.value is None:
        scope.fail("E0211", f"the const `{statement.name}` needs a value", statement.span)
    value = scope.evaluate(statement.value)
    if not isinstance(value, Tensor):
        help = "a number by itself is a `let`"
        scope.fail(
            "E0402", f"a const is a tensor, and this is {describe(value)}", statement.value.span, help=help
        )
    what = f"const `{statement.name}`"
    value = match(scope, type_pattern(scope, statement.type), value, what, statement.value.span)
    scope.bind_new(statement.name, value)
    scope.rename_last(value, statement.name)


def _state(scope: Scope, statement: s.Declaration) -> None:
    """A state is read as an operator without inputs, until the scan around the cell hands it in."""
    if scope.block is None or scope.block.kind != "cell":
        help = "use `cell` instead of `block`"
        scope.fail("E0210", "a `state` belongs in a cell", statement.span, help=help)
    pattern = type_pattern(scope, statement.type)
    grown = [axis for axis, e in enumerate(pattern.sizes) if isinstance(e, s.Star)]
    if len(grown) > 1:
        scope.fail("E0305", "a state can grow along one axis", pattern.sizes[grown[1]].span)
    type_ = TensorType(pattern.dtype or scope.float_type, tuple(_state_sizes(scope, pattern)))
    init = inits.read(scope, statement.value, "state")
    if init.kind not in ("zeros", "ones", "constant"):
        help = "start it with `zeros`, `ones` or a number, or hand it in: `scan Cell(..)(h=first)`"
        scope.fail("E0410", f"a state cannot start as `{init}`", statement.span, help=help)
    name = statement.name.text
    scope.claim(name, statement.name.span)
    scope.append(
        OpStep(State(name, init, grown[0] if grown else None), (), (type_,), name, statement.span), 1
    )
    tensor = Tensor(len(scope.types) - 1, type_, axis_names(pattern.sizes, type_.rank), statement.span)
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
    if state is None or state.kind != "state" or not isinstance(state.value, Tensor):
        known = [n for n, b in scope.names.items() if b.kind == "state"]
        scope.fail(
            "E0215", f"`{name}` is not a state of this cell", name.span, help=suggest(name.text, known)
        )
    value = scope.evaluate(statement.value)
    if not isinstance(value, Tensor):
        scope.fail("E0402", f"a state holds a tensor, and this is {describe(value)}", statement.value.span)
    new = s.Ident(name.span, name.text + "'")
    scope.bind_new(new, value)
    scope.next_values[name.text] = value
    scope.rename_last(value, s.Ident(name.span, f"next_{name.text}"))


def _return(scope: Scope, statement: s.Return) -> None:
    result: list[Value] = []
    for expr in statement.values:
        value = scope.evaluate(expr)
        result += list(value) if is_bundle(value) else [value]
    for value in result:
        if not isinstance(value, Tensor):
            scope.fail("E0402", f"a block returns tensors, and this is {describe(value)}", statement.span)
    scope.result = result


def _assert(scope: Scope, statement: s.Assert) -> None:
    check_assertion(scope, statement)


def check_assertion(scope: Scope, statement: s.Assert) -> None:
    """Raise E0409 where an assertion does not hold."""
    value = scope.evaluate(statement.condition)
    if not statics.truth(scope, value, statement.condition.span):
        message = statement.message or f"`{statement.condition.span.text}` does not hold"
        also = []
        if isinstance(statement.condition, s.Operation):
            sides = [statement.condition.first, *(e for _, e in statement.condition.rest)]
            worth = [
                f"`{e.span.text}` is {describe(scope.evaluate(e))}"
                for e in sides
                if not isinstance(e, s.Number)
            ]
            also = [Label(statement.condition.span, " and ".join(worth))] if worth else []
        scope.fail("E0409", message, statement.span, also=also)


def _expect(scope: Scope, statement: s.Expect) -> None:
    scope.fail(
        "E0212", "`expect` belongs in a test", statement.span, help="a block checks itself with `assert`"
    )


_STATEMENTS = {
    s.Bind: _bind,
    s.Let: _let,
    s.Layer: _layer,
    s.Declaration: _declaration,
    s.Next: _next,
    s.Return: _return,
    s.Assert: _assert,
    s.Expect: _expect,
}


# -- outputs -------------------------------------------------------------------------------------


def finish(scope: Scope, name: str, slots: Sequence[Slot]) -> Body | None:
    """The finished body, its outputs checked against the declared ones; None where that fails."""
    block = scope.block
    assert block is not None
    outputs: list[Slot] | None = None
    with scope.recover():
        outputs = check_outputs(scope, block)
    if outputs is None:
        return None
    return Body(
        name,
        block.kind,
        tuple(slots),
        tuple(outputs),
        tuple(scope.steps),
        scope.size,
        block.name.span,
        block.doc,
    )


def check_outputs(scope: Scope, block: s.Block) -> list[Slot]:
    if scope.result is None:
        raise PoisonedError
    results = [value for value in scope.result if isinstance(value, Tensor)]
    declared = block.outputs
    if declared is None:
        return [Slot(_output_name(n, len(results)), r.type, r.value, r.span) for n, r in enumerate(results)]
    if len(declared) != len(results):
        message = f"`{block.name}` declares {len(declared)} outputs, and returns {len(results)}"
        scope.fail("E0209", message, block.name.span)
    slots = []
    for n, (output, result) in enumerate(zip(declared, results, strict=True)):
        what = f"output `{output.name}` of `{block.name}`" if output.name else f"the output of `{block.name}`"
        match(scope, type_pattern(scope, output.type), result, what, result.span)
        label = output.name.text if output.name else _output_name(n, len(results))
        slots.append(Slot(label, result.type, result.value, output.span))
    return slots


def _output_name(index: int, count: int) -> str:
    return "output" if count == 1 else f"output{index}"
