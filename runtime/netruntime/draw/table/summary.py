"""The summary of a model: rows and totals, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field
from shutil import get_terminal_size
from typing import Any

from netdsl.immutable import immutable
from netruntime.draw.table.columns import LEFT_OUT, NUMBERS, Style, fitting_table, plain
from netruntime.draw.table.counts import Counts, Row
from netruntime.quantities import bytes_text, number_text

SCREEN = 36
"""The rows that are printed without being asked for."""


@immutable
class Summary:
    """The rows of a model, outermost groups first, and their totals.

    A row of a group includes the rows inside it, so the totals are not the sum of all rows.
    `peak_activation_bytes` is the most that is alive at once in execution order; None while free.
    `folded` are the rows that a person reads first: equal layers in a row are one row, followed by the rows
    of the first of them, and blocks of the standard library are closed. `print(summary)` shows as many levels
    of these as fit a screen, `print(summary.text(100))` all.
    """

    name: str
    rows: tuple[Row, ...]
    totals: Counts
    peak_activation_bytes: int | None
    folded: tuple[Row, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        levels = {row.level for row in self.folded}
        fitting = [level for level in levels if sum(r.level <= level for r in self.folded) <= SCREEN]
        return self.text(get_terminal_size((100, 24)).columns, depth=max(fitting, default=0) + 1)

    __repr__ = __str__

    def text(self, width: int, *, every: bool = False, depth: int | None = None, style: Style = plain) -> str:
        """The summary as a table of text, at most `width` columns wide where its words allow it.

        Args:
            every: Show each of equal layers, and what blocks of the standard library consist of.
            depth: How many levels of groups to show.
            style: Paints the cells.
        """
        rows = [r for r in (self.rows if every else self.folded) if depth is None or r.level < depth]
        table = fitting_table(self.name, rows, self.totals, width)
        return "\n".join([*table.lines(style), "", *self._notes(table.cells, rows)]).rstrip()

    def _notes(self, cells: Sequence[Sequence[str]], rows: Sequence[Row]) -> Iterator[str]:
        if self.totals.buffers != 0:
            buffers = number_text(self.totals.buffers)
            yield f"{buffers} more numbers in buffers ({bytes_text(self.totals.buffer_bytes)}), not trained"
        if self.peak_activation_bytes is not None:
            yield f"at most {bytes_text(self.peak_activation_bytes)} of activations alive at once"
        free = sorted(self.totals.activation_bytes.symbols)
        is_short = len(cells[0]) <= NUMBERS + 1 or any(LEFT_OUT in cell for row in cells for cell in row)
        if free and is_short:
            yield f"for all numbers, set the free sizes: {' '.join(f'--size {name}=..' for name in free)}"
        if len(rows) < len(self.folded):
            yield f"{len(self.folded) - len(rows)} rows inside these are left out: print(summary.text(100))"
        elif len(rows) < len(self.rows):
            yield "equal layers are one row, standard blocks are closed; every row with --all"

    def as_dict(self) -> dict[str, Any]:
        """The summary for programs, as `--json` prints it."""
        rows = [
            {
                "path": row.path,
                "kind": row.kind,
                "type": row.type,
                "level": row.level,
                "shared": row.shared,
                **row.counts.as_dict(),
            }
            for row in self.rows
        ]
        totals = {**self.totals.as_dict(), "peak_activation_bytes": self.peak_activation_bytes}
        return {"name": self.name, "rows": rows, "totals": totals}
