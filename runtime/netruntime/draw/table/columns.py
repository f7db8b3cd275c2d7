"""A summary as a table of text, as wide as a terminal.

Nothing is cut, and no name, number or shape is broken: where a line is too long the table first leaves out
columns and shortens numbers and labels, and only then continues a shape on a second line, after a comma.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import zip_longest

from netdsl.dims import Dim
from netdsl.immutable import immutable
from netruntime.draw.table.counts import Counts, Row
from netruntime.quantities import bytes_text, number_text

LONGEST_FORMULA = 24
"""Longer formulas of free sizes are left out."""
LEFT_OUT = "…"
HEADINGS = ("label", "kind", "output", "parameters", "multiply-adds", "weights", "activations")
SHORT_HEADINGS = ("label", "kind", "output", "params", "mult-adds")
STYLES = ("", "kind", "output", "", "", "memory", "memory")
NUMBERS = 3
"""The column at which numbers begin, which are aligned to the right."""

Style = Callable[[str, str], str]
"""Called with the name of a style (`name`, `kind`, `output`, `memory` or empty) and a text to paint."""


@immutable
class _Form:
    """How much a table shows."""

    columns: int = len(HEADINGS)
    short: bool = False
    leaf: bool = False
    """Labels without those of the groups around them, short headings, and narrow gaps."""

    @property
    def headings(self) -> tuple[str, ...]:
        return (SHORT_HEADINGS if self.leaf else HEADINGS)[: self.columns]

    @property
    def gap(self) -> str:
        return "  " if self.leaf else "   "


FORMS = (
    _Form(),
    _Form(short=True),
    _Form(columns=5),
    _Form(columns=5, short=True),
    _Form(columns=5, short=True, leaf=True),
    _Form(columns=4, short=True, leaf=True),
)
"""From the widest form to the narrowest."""


def plain(name: str, text: str) -> str:
    """The style of plain text."""
    return text


@immutable
class Table:
    """The cells of a table, from its headings to the totals, and what is between them."""

    cells: list[list[str]]
    gap: str

    @cached_property
    def widths(self) -> list[int]:
        columns = zip(*self.cells, strict=True)
        return [max(len(part) for cell in column for part in cell.split("\n")) for column in columns]

    @property
    def width(self) -> int:
        return 1 + sum(self.widths) + len(self.gap) * (len(self.widths) - 1)

    def lines(self, style: Style = plain) -> Iterator[str]:
        """The table as lines of text."""
        widths = self.widths
        head, *rows, total = self.cells
        yield self._line(head, style, "name")
        yield " " + "─" * (sum(widths) + len(self.gap) * (len(widths) - 1))
        for row in rows:
            for parts in zip_longest(*(cell.split("\n") for cell in row), fillvalue=""):
                yield self._line(parts, style)
        yield ""
        yield self._line(total, style, "name")

    def _line(self, cells: Sequence[str], style: Style, name: str = "") -> str:
        placed = [
            cell.ljust(width) if n < NUMBERS else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(cells, self.widths, strict=True))
        ]
        last = max((n for n, cell in enumerate(cells) if cell), default=0)
        placed = [*placed[:last], placed[last].rstrip()]
        return " " + self.gap.join(style(name or STYLES[n], cell) for n, cell in enumerate(placed))


def fitting_table(name: str, rows: Sequence[Row], totals: Counts, width: int) -> Table:
    """The table in the widest form of at most `width` columns."""
    table = Table([], "")
    for form in FORMS:
        table = Table(_cells(name, rows, totals, form), form.gap)
        if table.width <= width:
            return table
    return _with_short_shapes(table, width)


def _cells(name: str, rows: Sequence[Row], totals: Counts, form: _Form) -> list[list[str]]:
    body = [list(_row(row, form))[: form.columns] for row in rows]
    total = [
        name,
        "total",
        "",
        _number(totals.parameters, form),
        _number(totals.multiply_adds, form),
        _bytes(totals.parameter_bytes),
        _bytes(totals.activation_bytes),
    ]
    return [list(form.headings), *body, total[: form.columns]]


def _row(row: Row, form: _Form) -> Iterator[str]:
    counts = row.counts
    yield "  " * row.level + (row.label if form.leaf else row.path)
    yield row.kind
    yield row.type
    parameters = _counted(row, "parameters", form)
    yield parameters or ("shared" if row.shared else "")
    yield _counted(row, "multiply_adds", form)
    yield "" if counts.parameter_bytes == 0 else _bytes(counts.parameter_bytes)
    yield "" if counts.activation_bytes == 0 else _bytes(counts.activation_bytes)


def _counted(row: Row, name: str, form: _Form) -> str:
    """A count of a row: `3 x 1,024` for equal layers; nothing for none."""
    total: Dim = getattr(row.counts, name)
    if total == 0:
        return ""
    if row.copies > 1 and row.each is not None:
        each = _number(getattr(row.each, name), form)
        return each if each == LEFT_OUT else f"{row.copies} x {each}"
    return _number(total, form)


def _number(value: Dim, form: _Form) -> str:
    return _formula(number_text(value, form.short))


def _bytes(value: Dim) -> str:
    return _formula(bytes_text(value))


def _formula(text: str) -> str:
    return text if len(text) <= LONGEST_FORMULA else LEFT_OUT


def _with_short_shapes(table: Table, width: int) -> Table:
    """The table with long shapes on several lines, each broken after a comma."""
    rest = Table([[*row[:2], "", *row[3:]] for row in table.cells], table.gap).width
    cells = [[*row[:2], _broken(row[2], width - rest), *row[3:]] for row in table.cells]
    return Table(cells, table.gap)


def _broken(text: str, width: int) -> str:
    first, *parts = text.split(", ")
    lines = [first]
    for part in parts:
        if len(lines[-1]) + len(part) + 3 > width:
            lines[-1] += ","
            lines.append(f"  {part}")
        else:
            lines[-1] += f", {part}"
    return "\n".join(lines)
