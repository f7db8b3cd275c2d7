"""Arguments that were renamed within version 1 of the language: the old name still works, with a hint."""

from __future__ import annotations

from dataclasses import replace

from netdsl import syntax as s
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import BlockValue, Evaluated, LayerValue, OpValue
from netdsl.diagnostics import Diagnostic, Label

RENAMED = {
    ("ctc_loss", "chance"): "log_probs",
    ("nll", "chance"): "log_probs",
    ("kl_divergence", "chance"): "log_probs",
}
"""The present name of an argument, by the operator or standard block and the old name."""


def with_present_names(scope: Scope, function: Evaluated, call: s.Call) -> s.Call:
    """A call with old argument names replaced by the present ones; each is reported as a hint E0252."""
    callee = _standard_name(function)
    arguments = tuple(_with_present_name(scope, callee, argument) for argument in call.arguments)
    return call if arguments == tuple(call.arguments) else replace(call, arguments=arguments)


def _with_present_name(scope: Scope, callee: str | None, argument: s.Argument) -> s.Argument:
    new = RENAMED.get((callee or "", argument.name.text)) if argument.name else None
    if argument.name is None or new is None:
        return argument
    message = f"`{argument.name.text}` of `{callee}` is deprecated: it is now called `{new}`"
    label = Label(argument.name.span)
    scope.checker.report(
        [Diagnostic("E0252", message, (label,), f"write `{new}=`", path=scope.path, severity="hint")]
    )
    return replace(argument, name=replace(argument.name, text=new))


def _standard_name(function: Evaluated) -> str | None:
    """The name of an operator or a standard block; a block of the user's own has kept its arguments."""
    if isinstance(function, LayerValue):
        function = function.block
    if isinstance(function, OpValue):
        return function.op.name
    if isinstance(function, BlockValue) and function.module.is_std:
        return function.block.name.text
    return None
