"""The options of losses and metrics: what they may be is declared in `netdsl.recipes`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from netdsl.checker.context.causes import Edited
from netdsl.checker.context.reports import set_here
from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import BlockValue, Static, simplify
from netdsl.modules import LOSSES_FILE, METRICS_FILE
from netdsl.recipes import LOSSES, METRICS, Argument, RecipeError
from netdsl.recipes.limits import Limit, written
from netdsl.recipes.ranges import limit_of
from netdsl.source import Span


def check_options(scope: Scope, value: BlockValue, values: Mapping[str, tuple[Static, Span]]) -> None:
    """Report the first argument of a loss or a metric that is out of its range (E1080)."""
    block = value.block
    for name, limit in _limits(value).items():
        if name not in values:
            continue
        option, span = values[name]
        option = simplify(option)
        if not isinstance(option, (int, float, str)):  # none, and sizes that are not known yet
            continue
        try:
            Argument(name, None, limit).check(option)
        except RecipeError as wrong:
            param = next(p for p in block.statics if p.name.text == name)
            help = f"the default is `{name}={param.default.span.text}`" if param.default else None
            scope.fail("E1080", f"`{block.name}`: {wrong.message}", span, help=help)


def check_ranges(scope: Scope, value: BlockValue) -> None:
    """Report the first argument of a standard block that makes no sense, such as 0 features (E0404)."""
    if not value.module.is_std or scope.module.is_std:
        return
    block = value.block
    for name, static, at in value.statics or ():
        limit = limit_of(block.name.text, name)
        values = static if isinstance(static, tuple) else (static,)
        for given in map(simplify, values):
            must_be = limit.refusal(given) if limit is not None and _is_plain(given) else None
            if must_be is not None:
                shown = name if static is given or not isinstance(static, tuple) else f"{name}` in `{at.text}"
                message = f"`{shown}` of `{block.name}` must be {must_be}, but is {written(given)}"
                param = next(p for p in block.statics if p.name.text == name)
                help = f"the default is `{name}={param.default.span.text}`" if param.default else None
                first, *also = set_here(scope, at, "")
                root = scope.checker.module
                entry = next((e for e in root.config if e.name.text == at.text), None)
                if entry is not None and entry.value.span.text != str(given):
                    help = f"the file itself has `{entry.span.text}`"
                default = param.default.span.text if param.default else ""
                cause = Edited([(help or "", [(first.span, default)])]) if default and help else None
                if help is None and limit is not None:
                    what = name if block.name.text not in _SIZED else _SIZE
                    help, cause = _without_default(scope, limit, given, first.span, what)
                scope.fail("E0404", message, first.span, also=also, help=help, cause=cause)


def _without_default(
    scope: Scope, limit: Limit, given: object, at: Span, name: str
) -> tuple[str | None, Edited | None]:
    """The number without its sign, where that is meant; else one with which the rest of the file is right."""
    if isinstance(given, (int, float)) and given < 0 and limit.refusal(-given) is None:
        text = written(-given)
        return f"write `{text}`", Edited([(f"write `{text}`", [(at, text)])])
    if limit.refusal(2) is not None:
        return None, None
    reason = _DIVIDES.get(name, "")
    numbers = dict.fromkeys([*_output_sizes(scope), *_SMALL] if name in _WIDTHS else _SMALL)
    offers = [(f"write {limit.text}{reason}, such as `{n}`", [(at, str(n))]) for n in numbers]
    return f"write {limit.text}{reason}", Edited(offers)


def _output_sizes(scope: Scope) -> list[int]:
    """The numbers in the types of the outputs, which a layer may have to produce."""
    types = [output.type for output in (scope.block.outputs or ())] if scope.block is not None else []
    return [int(n) for type_ in types for n in reversed(_NUMBERS.findall(type_.span.text)) if int(n)]


_SIZED, _SIZE = ("Linear", "MLP", "LSTM", "GRU", "RNN"), "size of a layer"
"""Layers whose `size` is the width of their result, not a window."""
_WIDTHS = ("channels", "hidden", "width", _SIZE)
_NUMBERS = re.compile(r"\b\d+\b")
_SMALL = (2, 3, 5, 7, 11, 13, 1)
"""Numbers that are tried: the smallest divisor above 1 of most sizes, and 1."""
_DIVIDES = {"heads": " that divides the width of the input", "groups": " that divides the channels"}


def _is_plain(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _limits(value: BlockValue) -> Mapping[str, Limit]:
    name, file = value.block.name.text, value.module.source.name
    if file == f"std/{LOSSES_FILE}":
        return LOSSES.get(name, {})
    if file == f"std/{METRICS_FILE}" and name in METRICS:
        return METRICS[name].limits
    return {}
