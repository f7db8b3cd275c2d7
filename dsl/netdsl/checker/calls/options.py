"""The options of losses and metrics: what they may be is declared in `netdsl.recipes`."""

from __future__ import annotations

from collections.abc import Mapping

from netdsl.checker.context.scope import Scope
from netdsl.checker.context.values import BlockValue, Static, simplify
from netdsl.modules import LOSSES_FILE, METRICS_FILE
from netdsl.recipes import LOSSES, METRICS, Argument, RecipeError
from netdsl.recipes.limits import Limit
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


def _limits(value: BlockValue) -> Mapping[str, Limit]:
    name, file = value.block.name.text, value.module.source.name
    if file == f"std/{LOSSES_FILE}":
        return LOSSES.get(name, {})
    if file == f"std/{METRICS_FILE}" and name in METRICS:
        return METRICS[name].limits
    return {}
