"""Constructing blocks: their static arguments, checked and with the defaults filled in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from netdsl import syntax as s
from netdsl.arrivals.table import ACTIVATIONS
from netdsl.checker.calls.blocks import root_names
from netdsl.checker.calls.operators import count
from netdsl.checker.calls.options import check_options, check_ranges
from netdsl.checker.calls.tensor_arguments import MASKS
from netdsl.checker.context.causes import Edited
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import (
    BlockValue,
    PoisonedError,
    Static,
    Tensor,
    describe,
    is_bundle,
)
from netdsl.checker.evaluate import inits, statics
from netdsl.checker.evaluate.kinds import check_kind
from netdsl.checker.evaluate.statements import input_names
from netdsl.diagnostics import Label, suggest
from netdsl.edits import replacement
from netdsl.ops.contract.base import REGISTRY
from netdsl.source import Span
from netdsl.work import spend

CONSTRUCTION_STEPS = 50


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


def construct_block(
    scope: Scope, value: BlockValue, arguments: Sequence[s.Argument], span: Span
) -> BlockValue:
    """A block with its static arguments, defaults filled in.

    Raises:
        NetError: E0401 missing, E0403 of a wrong kind, E0406 unknown, E0411 too many, E0412 given twice.
    """
    spend(CONSTRUCTION_STEPS)
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
            cause = Edited(_second_pair(arguments, argument, span, help))
            given[name] = (
                _static_value(scope, block, param, argument.value, help, cause),
                argument.value.span,
            )
        failed |= attempt.failed
    if failed:
        raise PoisonedError
    check_options(scope, value, given)
    statics_ = _fill_defaults(scope, value, given, span)
    made = BlockValue(block, value.module, statics_)
    statics.not_too_long(scope, made, span)
    check_ranges(scope, made)
    return made


def _second_pair(
    arguments: Sequence[s.Argument], tensor: s.Argument, span: Span, help: str
) -> list[tuple[str, list[tuple[Span, str]]]]:
    """The call with a tensor among its static arguments moved into parentheses of its own."""
    rest = ", ".join(a.span.text for a in arguments if a is not tensor)
    name = span.text.partition("(")[0]
    text = f"{name}({rest})({tensor.span.text})" if rest else f"{name}({tensor.span.text})"
    return [(f"write `{text}`", [(span, text)])] if "(" in span.text else [(help, [])]


def _static_param(
    scope: Scope, block: s.Block, argument: s.Argument, positions: Iterator[s.Param]
) -> s.Param:
    """The static parameter that an argument is for: the one of its name, or the next by position."""
    names = [p.name.text for p in block.statics]
    if argument.name is None:
        param = next(positions, None)
        if param is None:
            message = f"`{block.name}` takes {count(len(names), 'static argument')}"
            cause = Edited(_without(argument, _no_room(block, names)))
            scope.fail("E0411", message, argument.span, help=_no_room(block, names), cause=cause)
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


def _without(argument: s.Argument, help: str) -> list[tuple[str, list[tuple[Span, str]]]]:
    """A call without an argument, and without the comma before it."""
    source, end = argument.span.source, argument.span.end
    start = len(source.text[: argument.span.start].rstrip().removesuffix(",").rstrip())
    return [(f"remove `{argument.span.text}`: {help}", [(source.span(start, end), "")])]


def check_static_name(scope: Scope, block: s.Block, argument: s.Argument) -> None:
    """Raise E0406 if a block has no static parameter of an argument's name."""
    names = [p.name.text for p in block.statics]
    word = argument.name.text if argument.name else ""
    if argument.name is None or word in names:
        return
    if word in input_names(block):
        help = f"tensor inputs go in a second pair of parentheses: `{block.name}(..)({word}=...)`"
        scope.fail("E0406", f"`{word}` of `{block.name}` is a tensor input", argument.span, help=help)
    if word in MASKS and "keep" in input_names(block):
        mask = f"keep=not ({argument.value.span.text} -> [B, T] => [B, 1, 1, T])"
        help = (
            "give it in a second pair of parentheses, as `keep`, which has 4 axes and is true where a key"
            f" counts; for a mask as in PyTorch: `{block.name}(..)({mask})`"
        )
        scope.fail("E0406", f"the mask of `{block.name}` is a tensor input", argument.span, help=help)
    listed = ", ".join(f"`{n}`" for n in names) or "no static arguments"
    help = suggest(word, names) or f"`{block.name}` takes {listed}"
    scope.fail("E0406", f"`{block.name}` has no argument `{word}`", argument.name.span, help=help)


def _static_value(
    scope: Scope, block: s.Block, param: s.Param, expr: s.Expr, help: str, cause: Edited | None = None
) -> Static:
    """The value of a static argument or of its default."""
    if _is_init(param):
        return inits.read(scope, expr, "param")
    value = scope.evaluate(expr)
    if isinstance(value, Tensor) or is_bundle(value):
        message = f"`{param.name}` of `{block.name}` must be static, but got {describe(value)}"
        scope.fail("E0403", message, expr.span, help=help, cause=cause)
    if isinstance(value, str) and _takes_function(param):
        message = f"`{param.name}` of `{block.name}` must be a function, but got {describe(value)}"
        ours = ACTIVATIONS.get(value.lower().replace("_", ""), value.lower())
        is_known = ours in REGISTRY
        fixes = (replacement(expr.span, ours),) if is_known else ()
        help = f"write `{param.name}={ours}`" if is_known else "give its name, without quotes"
        scope.fail("E0403", message, expr.span, help=help, fixes=fixes)
    return value


def _takes_function(param: s.Param) -> bool:
    """Whether a static parameter is a function by its default, as in `act=relu`."""
    return isinstance(param.default, s.Name) and param.default.text in REGISTRY


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
