"""Tables of text as wide as the screen: numbers stay complete, texts are cut."""

from __future__ import annotations

from collections.abc import Sequence

import click

from netruntime.cli.common.output import colour_wanted, screen_width, visible

LEAST_TEXT = 12
"""The columns of a text that is cut, at least."""


def print_columns(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    texts: Sequence[int],
    colours: Sequence[str | None] = (),
) -> None:
    """Print a table.

    Args:
        texts: The columns that hold text, which is cut where there is no room; the others are numbers.
        colours: The colour of each row.
    """
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    fixed = sum(width for n, width in enumerate(widths) if n not in texts) + 2 * (len(widths) - 1)
    _share_room(widths, texts, screen_width() - fixed)
    wanted = colour_wanted()
    click.echo(click.style(_line(headings, widths, texts), bold=True), color=wanted)
    for row, colour in zip(rows, colours or [None] * len(rows), strict=True):
        click.echo(click.style(visible(_line(row, widths, texts)), fg=colour), color=wanted)


def _share_room(widths: list[int], texts: Sequence[int], room: int) -> None:
    """Narrow the columns of text to the room, the widest first."""
    while sum(widths[n] for n in texts) > max(room, LEAST_TEXT * len(texts)):
        widest = max(texts, key=lambda n: widths[n])
        widths[widest] -= 1


def _line(cells: Sequence[str], widths: Sequence[int], texts: Sequence[int]) -> str:
    parts = []
    for n, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        cut = cell if len(cell) <= width else cell[: width - 1] + "…"
        parts.append(cut.ljust(width) if n in texts else cut.rjust(width))
    return "  ".join(parts).rstrip()
