"""Calls: constructing blocks with static arguments, and applying blocks, layers and operators to tensors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from netdsl import syntax as s
from netdsl.checker.calls import foreign
from netdsl.checker.calls.application import Application
from netdsl.checker.calls.blocks import instantiate, root_names
from netdsl.checker.calls.operators import apply_op, count
from netdsl.checker.calls.options import check_options, check_ranges
from netdsl.checker.calls.parameters import parameter_types
from netdsl.checker.calls.renamed import with_present_names
from netdsl.checker.calls.tensor_arguments import bind_tensors
from netdsl.checker.context.causes import Edited
from netdsl.checker.context.reports import set_here
from netdsl.checker.context.scope import Scope, evaluates
from netdsl.checker.context.values import (
    BlockValue,
    Evaluated,
    LayerUse,
    LayerValue,
    OpValue,
    PoisonedError,
    Static,
    Tensor,
    describe,
    is_bundle,
    is_number,
)
from netdsl.checker.evaluate import inits, statics
from netdsl.checker.evaluate.statements import input_names, is_function
from netdsl.checker.sizes import arrange
from netdsl.diagnostics import Label, suggest
from netdsl.dims import Dim
from netdsl.model import Body, CallStep, Init
from netdsl.source import Span
from netdsl.types import DType

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
    arrived = foreign.met(scope, expr, piped)
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
        method = foreign.as_function(scope, expr)
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


def construct_function(
    scope: Scope, function: BlockValue, piped: list[Tensor], expr: s.Call
) -> tuple[BlockValue, list[Tensor], list[s.Argument]]:
    """A function with the static ones of a call's arguments, its tensors in order, and those by name."""
    inputs = input_names(function.block)
    tensors = list(piped)
    named: list[s.Argument] = []
    static: list[s.Argument] = []
    for argument in expr.arguments:
        if argument.name is not None:
            (named if argument.name.text in inputs else static).append(argument)
            continue
        value = scope.evaluate(argument.value)
        if isinstance(value, Tensor):
            tensors.append(value)
        elif is_bundle(value):
            tensors += value
        else:
            static.append(argument)
    return construct_block(scope, function, static, expr.span), tensors, named


# -- blocks --------------------------------------------------------------------------------------


def construct_block(
    scope: Scope, value: BlockValue, arguments: Sequence[s.Argument], span: Span
) -> BlockValue:
    """A block with its static arguments, defaults filled in.

    Raises:
        NetError: E0401 missing, E0403 of a wrong kind, E0406 unknown, E0411 too many, E0412 given twice.
    """
    block = value.block
    given: dict[str, tuple[Static, Span]] = {}
    positions = iter(block.statics)
    failed = False
    for argument in arguments:
        with scope.recover() as attempt:
            param = _static_param(scope, block, argument, positions)
            name, text = param.name.text, argument.value.span.text
            if name in given:
                scope.fail("E0412", f"`{name}` of `{block.name}` is given twice", argument.span)
            help = f"tensors go in a second pair of parentheses: `{block.name}(..)({text})`"
            given[name] = (_static_value(scope, block, param, argument.value, help), argument.value.span)
        failed |= attempt.failed
    if failed:
        raise PoisonedError
    check_options(scope, value, given)
    statics_ = _fill_defaults(scope, value, given, span)
    made = BlockValue(block, value.module, statics_)
    statics.not_too_long(scope, made, span)
    check_ranges(scope, made)
    return made


def _static_param(
    scope: Scope, block: s.Block, argument: s.Argument, positions: Iterator[s.Param]
) -> s.Param:
    """The static parameter that an argument is for: the one of its name, or the next by position."""
    names = [p.name.text for p in block.statics]
    if argument.name is None:
        param = next(positions, None)
        if param is None:
            message = f"`{block.name}` takes {count(len(names), 'static argument')}"
            scope.fail("E0411", message, argument.span, help=_no_room(block, names))
    else:
        check_static_name(scope, block, argument)
        param = block.statics[names.index(argument.name.text)]
    if names.count(param.name.text) > 1:
        raise PoisonedError
    return param


def _no_room(block: s.Block, names: list[str]) -> str:
    listed = ", ".join(f"`{n}`" for n in names)
    takes = f"it takes {listed}; " if names else ""
    return f"{takes}tensors go in a second pair of parentheses, or are piped in"


def check_static_name(scope: Scope, block: s.Block, argument: s.Argument) -> None:
    """Raise E0406 if a block has no static parameter of an argument's name."""
    names = [p.name.text for p in block.statics]
    word = argument.name.text if argument.name else ""
    if argument.name is None or word in names:
        return
    if word in input_names(block):
        help = f"tensor inputs go in a second pair of parentheses: `{block.name}(..)({word}=...)`"
        scope.fail("E0406", f"`{word}` of `{block.name}` is a tensor input", argument.span, help=help)
    listed = ", ".join(f"`{n}`" for n in names) or "no static arguments"
    help = suggest(word, names) or f"`{block.name}` takes {listed}"
    scope.fail("E0406", f"`{block.name}` has no argument `{word}`", argument.name.span, help=help)


def _static_value(scope: Scope, block: s.Block, param: s.Param, expr: s.Expr, help: str) -> Static:
    """The value of a static argument or of its default."""
    if _is_init(param):
        return inits.read(scope, expr, "param")
    value = scope.evaluate(expr)
    if isinstance(value, Tensor) or is_bundle(value):
        message = f"`{param.name}` of `{block.name}` must be static, but got {describe(value)}"
        scope.fail("E0403", message, expr.span, help=help)
    if isinstance(value, LayerValue):
        message = f"`{param.name}` of `{block.name}` must be a block, but `{value.name}` is a layer"
        help = f"pass the block itself, and share its weights inside: `layer shared = {param.name}`"
        scope.fail("E0403", message, expr.span, also=[Label(value.span, "declared here")], help=help)
    return value


def _fill_defaults(
    scope: Scope, value: BlockValue, given: Mapping[str, tuple[Static, Span]], span: Span
) -> tuple[tuple[str, Static, Span], ...]:
    inner = Scope(scope.checker, value.module, value.block, scope.path, scope.calls)
    inner.names.update(root_names(inner))
    result = []
    for param in value.block.statics:
        name = param.name.text
        if name in given:
            static, at = given[name]
        elif param.default is not None:
            help = "make the tensor in the body of the block"
            static = _static_value(inner, value.block, param, param.default, help)
            at = param.default.span
        else:
            help = f"write `{value.block.name}({name}=...)`"
            also = [] if value.module.is_std else [Label(param.name.span, "declared here")]
            scope.fail("E0401", f"`{value.block.name}` needs `{name}`", span, also=also, help=help)
        if param.type is not None:
            check_kind(scope, f"`{name}` of `{value.block.name}`", param.type, static, at)
        inner.bind(name, static, at, "static")
        result.append((name, static, at))
    return tuple(result)


def _is_init(param: s.Param) -> bool:
    """Whether a static parameter is an initialiser: `init: init = glorot`."""
    return isinstance(param.type, s.Name) and param.type.text == "init"


def check_kind(scope: Scope, what: str, type_: s.Expr, value: Evaluated, span: Span) -> None:
    """Raise E0403 if a static value is not of the kind that a parameter or a config entry declares."""
    kind = type_.text if isinstance(type_, s.Name) else ""
    tests = {
        "int": isinstance(value, (int, Dim)) and not isinstance(value, bool),
        "float": is_number(value),
        "bool": isinstance(value, bool),
        "str": isinstance(value, str),
        "list": isinstance(value, tuple),
        "dtype": isinstance(value, DType),
        "block": isinstance(value, BlockValue),
        "function": isinstance(value, (OpValue, BlockValue)),
        "init": isinstance(value, Init),
    }
    if kind not in tests:
        help = suggest(kind, tests) or f"static kinds are {', '.join(tests)}"
        scope.fail("E0413", f"`{type_.span.text}` is not a kind of static value", type_.span, help=help)
    if not tests[kind]:
        scope.fail("E0403", f"{what} is declared {kind}, but got {describe(value)}", span)


def apply_block(scope: Scope, value: BlockValue, use: Application) -> list[Tensor]:
    """Call a constructed block; its outputs."""
    at = use.callee_span
    if value.block.kind == "cell":
        help = f"run it over a sequence: `scan {value.block.name}(..)`"
        message = f"`{value.block.name}` is a cell, which runs only inside a `scan`"
        start = use.span.source.span(use.span.start, use.span.start)
        cause = Edited([(f"write `scan {use.span.text}`", [(start, "scan ")])])
        scope.fail("E0216", message, at, help=help, cause=cause)
    inputs = bind_tensors(scope, value.block, use.piped, use.arguments, use.span)
    path = scope.labels.place(use.label, snake(value.block.name.text), use.sole)
    body, moved = instantiate(scope, value, inputs, at, path)
    values = tuple(i.value for i in inputs if i is not None)
    return list(scope.add_call(CallStep(body, values, path, use.span), moved))


def apply_layer(scope: Scope, layer: LayerValue, application: Application) -> list[Tensor]:
    """Apply a shared layer: the same weights at every use. Raises E0309 if their shapes would differ."""
    value, span = layer.block, application.span
    if value.statics is None:
        value = construct_block(scope, value, (), span)
    inputs = bind_tensors(scope, value.block, application.piped, application.arguments, span)
    body, moved = instantiate(scope, value, inputs, application.callee_span, layer.path)
    use = scope.layers[layer.name]
    if use.body is None:
        use.body, use.span, use.inputs = body, span, tuple(inputs)
    else:
        _same_weights(scope, layer, use, body, inputs, span)
    values = tuple(i.value for i in inputs if i is not None)
    if scope.reuses_calls and values in use.results:
        return use.results[values]
    step = CallStep(body, values, layer.path, span, use.count)
    use.count += 1
    use.results[values] = list(scope.add_call(step, moved))
    return use.results[values]


def _same_weights(
    scope: Scope, layer: LayerValue, use: LayerUse, body: Body, inputs: Sequence[Tensor | None], span: Span
) -> None:
    assert use.body is not None
    name = layer.name
    first, now = parameter_types(use.body), parameter_types(body)
    if first == now:
        return
    path = next(p for p in (*first, *now) if first.get(p) != now.get(p))
    message = f"the layer `{name}` would need `{path}` as {now.get(path)} here, but it is {first.get(path)}"
    also = [Label(use.span or span, "its first use is here")]
    for first_input, now_input in zip(use.inputs, inputs, strict=False):
        shapes = [i.type.shape if i is not None else () for i in (first_input, now_input)]
        for a, b in zip(*shapes, strict=False):
            for size in (a, b) if a != b else ():
                also += set_here(scope, size.origin, f"{size} is set here") if size.origin else []
    help = "a shared layer has one set of weights, so every input must have the sizes of the first"
    cause = Edited(_second_layer(layer, span))
    scope.fail("E0309", message, span, also=also, help=help, cause=cause)


def _second_layer(layer: LayerValue, span: Span) -> list[tuple[str, list[tuple[Span, str]]]]:
    """The use with a layer of its own."""
    name, line = f"{layer.name}2", layer.span.text
    end = layer.span.source.span(layer.span.end, layer.span.end)
    indent = " " * (layer.span.column - 1)
    second = re.sub(rf"\b{layer.name}\b", name, line, count=1)
    help = f"give both inputs one size, or give this one a layer of its own: `{second}`, and `{name}` here"
    if not span.text.startswith(layer.name) or not line.startswith("layer "):
        return []
    use = span.source.span(span.start, span.start + len(layer.name))
    return [(help, [(end, f"\n{indent}{second}"), (use, name)])]


def snake(name: str) -> str:
    """`BatchNorm` as a label: `batch_norm`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
