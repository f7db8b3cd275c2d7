"""Heat maps: confusion matrices, attention."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from netruntime.charts.canvas import Canvas, Caption, Rect
from netruntime.charts.saving import save
from netruntime.draw.style import shorten, text_width
from netruntime.files.arrays import Array

MARGIN, TEXT, TITLE = 14.0, 11.0, 14.0
LONGEST_LABEL = 160.0
FAINTEST, STRONGEST = 0.05, 0.9
"""The opacity of 0, and of the largest value."""
FEW = 16
"""With up to this many rows and columns, cells are large enough for their values."""


def heat_map(
    matrix: Array,
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    path: Path,
    *,
    title: str = "",
    row_axis: str = "",
    column_axis: str = "",
) -> tuple[Path, ...]:
    """Draw a heat map into `path` and return the files written, as `saving.save` does.

    See `draw_heat_map` for the arguments.
    """
    drawn = draw_heat_map(
        matrix, row_labels, column_labels, title=title, row_axis=row_axis, column_axis=column_axis
    )
    return save(drawn, path)


def draw_heat_map(
    matrix: Array,
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    *,
    title: str = "",
    row_axis: str = "",
    column_axis: str = "",
) -> Canvas:
    """A matrix `[rows, columns]` as shaded cells, with their values if there is room.

    Values above 0 are blue and those below red, relative to the largest magnitude and by its square root, so
    that few of many are seen; zeros are dots. Cells of values that are
    not finite are empty. `row_axis` and `column_axis` name the axes. Raises `ValueError` for labels that do
    not fit the matrix.
    """
    values = np.asarray(matrix, np.float64)
    if values.shape != (len(row_labels), len(column_labels)) or not values.size:
        counts = [len(row_labels), len(column_labels)]
        raise ValueError(f"the matrix has shape {list(values.shape)}, but its labels {counts}")
    return _HeatMap(values, row_labels, column_labels, title, row_axis, column_axis).canvas


class _HeatMap:
    """A heat map on a canvas that fits it."""

    def __init__(
        self,
        values: Array,
        rows: Sequence[str],
        columns: Sequence[str],
        title: str,
        row_axis: str,
        column_axis: str,
    ) -> None:
        self.values = values
        self.rows, self.columns = _short(rows), _short(columns)
        self.texts = [[_cell_text(value) for value in row] for row in values]
        widest = max((_widest(row) for row in self.texts), default=0.0)
        few = max(values.shape) <= FEW
        self.cell = max(34.0, min(widest + 6, 52.0)) if few else max(14.0, 560 / max(values.shape))
        self.shows_values = widest + 4 <= self.cell
        self.turned = _widest(self.columns) > self.cell - 2
        self.heading = 34.0 if title else MARGIN
        self.left = MARGIN + _widest(self.rows) + 8 + (TEXT + 8 if row_axis else 0)
        names = _widest(self.columns) if self.turned else TEXT
        self.top = self.heading + (TEXT + 8 if column_axis else 0) + names + 8
        self.right = self.left + self.cell * len(columns)
        self.bottom = self.top + self.cell * len(rows)
        width = max(self.right, MARGIN + text_width(title, TITLE, bold=True)) + MARGIN
        self.canvas = Canvas(width, self.bottom + MARGIN, title)
        self.canvas.add(Caption(MARGIN, 22, title, TITLE, bold=True))
        self._cells()
        self._names(row_axis, column_axis)

    def _cells(self) -> None:
        finite = np.abs(self.values[np.isfinite(self.values)])
        largest = float(finite.max()) if finite.size else 0.0
        size = self.cell - 1
        for row, column in np.ndindex(*self.values.shape):
            value = float(self.values[row, column])
            x, y = self.left + column * self.cell, self.top + row * self.cell
            share = abs(value) / largest if largest and np.isfinite(value) else 0.0
            opacity = FAINTEST + (STRONGEST - FAINTEST) * share**0.5
            self.canvas.add(Rect(x, y, size, size, "red" if value < 0 else "blue", opacity))
            if self.shows_values:
                ink = "page" if opacity > 0.5 else "ink" if value else "soft"
                place = (x + size / 2, y + size / 2 + TEXT * 0.35)
                self.canvas.add(Caption(*place, self.texts[row][column], TEXT, ink, "middle"))

    def _names(self, row_axis: str, column_axis: str) -> None:
        for number, name in enumerate(self.rows):
            y = self.top + (number + 0.5) * self.cell + TEXT * 0.35
            self.canvas.add(Caption(self.left - 8, y, name, TEXT, "soft", "end"))
        for number, name in enumerate(self.columns):
            x = self.left + (number + 0.5) * self.cell
            if self.turned:
                self.canvas.add(Caption(x + TEXT * 0.35, self.top - 6, name, TEXT, "soft", turned=True))
            else:
                self.canvas.add(Caption(x, self.top - 8, name, TEXT, "soft", "middle"))
        middle = (self.left + self.right) / 2
        self.canvas.add(Caption(middle, self.heading + TEXT - 2, column_axis, TEXT, anchor="middle"))
        middle = (self.top + self.bottom) / 2
        self.canvas.add(Caption(MARGIN + TEXT, middle, row_axis, TEXT, anchor="middle", turned=True))


def _cell_text(value: float) -> str:
    if not np.isfinite(value):
        return "–"
    if not value:
        return "·"
    return f"{value:,.0f}" if value == round(value) else f"{value:.2f}".replace("0.", ".", 1)


def _short(names: Sequence[str]) -> list[str]:
    return [shorten(str(name), TEXT, LONGEST_LABEL) for name in names]


def _widest(names: Sequence[str]) -> float:
    return max((text_width(name, TEXT) for name in names), default=0.0)
