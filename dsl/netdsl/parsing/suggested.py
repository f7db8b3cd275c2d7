"""Text that a message offers, read in place of what the user wrote."""

from __future__ import annotations

from netdsl import syntax as s
from netdsl.diagnostics import NetError
from netdsl.parsing.parser import parse
from netdsl.source import Span, Suggestion


def chain_of(text: str, span: Span) -> s.Chain | None:
    """Stages as text, read in place of the user's."""
    value = _read(f"x -> {text}", span)
    return s.Chain(value.span, value.stages) if isinstance(value, s.Pipeline) else None


def expression_of(text: str, span: Span) -> s.Expr | None:
    """An expression as text, read in place of the user's."""
    return _read(text, span)


def _read(text: str, span: Span) -> s.Expr | None:
    source = Suggestion("<suggestion>", f"block t(x) {{ return {text} }}", span)
    try:
        (statement,) = next(iter(parse(source, is_file=False).file.of("block"))).body
    except NetError:
        return None
    return statement.values[0] if isinstance(statement, s.Return) else None
