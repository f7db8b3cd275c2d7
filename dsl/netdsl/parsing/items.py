"""From the tokens of a top-level item to its node."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl.diagnostics import Diagnostic
from netdsl.parsing.driver import run
from netdsl.parsing.token import Token
from netdsl.parsing.tree import TreeBuilder
from netdsl.source import Source
from netdsl.syntax import Item


def item_of(source: Source, tokens: Sequence[Token]) -> tuple[Item, list[Diagnostic]] | None:
    """The item, and what is wrong in it that the grammar does not see; None if it is not an item."""
    builder = TreeBuilder(source)
    item, wrong = run(tokens, builder.build)
    return (item, builder.findings) if wrong is None else None
