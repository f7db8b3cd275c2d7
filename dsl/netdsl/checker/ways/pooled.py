"""Changes for a function that does not exist, and whose name says which step of a sequence it leaves."""

from __future__ import annotations

from collections.abc import Iterator

from netdsl import syntax as s
from netdsl.arrivals.words import STEPS
from netdsl.checker.ways import tree
from netdsl.checker.ways.change import Change, change
from netdsl.source import Span


def changes(file: s.File, place: Span) -> Iterator[Change]:
    """`x -> last` and `last(x)` as `x[:, -1]`; `x -> mean_pool` as `x -> mean(over=1)`."""
    for text in STEPS.get(place.text.lower(), ()):
        for span, before in _applied(file, place):
            is_pipeline = before.startswith("(") and not text.startswith("[")
            start = before[1:-1] if is_pipeline else before
            new = f"{start}{text}" if text.startswith("[") else f"{start} -> {text}"
            yield change((span, new), help=f"write `{' '.join(new.split())}`{_WHY.get(text, '')}")


_WHY = {
    "[:, -1]": ", the last step of a sequence `[B, T, D]`",
    "[:, 0]": ", the first step of a sequence `[B, T, D]`",
}


def _applied(file: s.File, place: Span) -> Iterator[tuple[Span, str]]:
    """The part of the text in which the function is applied, and what it is applied to."""
    call = tree.smallest(file, place, s.Call)
    is_called = call is not None and call.function.span == place
    own = call.span if call is not None and is_called else place
    values = [argument.value for argument in call.arguments] if call is not None and is_called else []
    pipeline = tree.smallest(file, own, s.Pipeline)
    at = [n for n, stage in enumerate(pipeline.stages) if stage.span == own] if pipeline is not None else []
    if len(values) == 1:
        yield own, _grouped(values[0], values[0].span.text)
    elif pipeline is not None and at and not values:
        source = own.source
        before = source.text[pipeline.span.start : pipeline.stages[at[0]].span.start].rstrip()
        text = before.removesuffix("->").rstrip()
        applied_to = pipeline.source if at[0] == 0 else pipeline
        yield source.span(pipeline.span.start, own.end), _grouped(applied_to, text)


def _grouped(expr: s.Expr, text: str) -> str:
    return text if isinstance(expr, (s.Name, s.Call)) else f"({text})"
