"""Polyline charts, one or several on a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netdsl.immutable import immutable
from netruntime.charts.canvas import Canvas, Caption, Polyline, polylines
from netruntime.charts.colours import SERIES
from netruntime.charts.saving import save
from netruntime.charts.ticks import TickedAxis, linear_axis, log_axis
from netruntime.draw.style import shorten, text_width

WIDTH, HEIGHT = 640.0, 300.0
"""The size of one chart, with its title and labels."""
MARGIN = 14.0
TITLE, TEXT = 14.0, 11.0
LEGEND_ROW = 18.0
LONGEST = 1200
"""Series with more points than this are thinned out."""


@immutable
class Series:
    """A line through `y` over `x`; values that are not finite leave gaps.

    `dashed` lines are dashed, `faint` ones thin, pale and not in the legend. Series of one `name` have one
    colour.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    dashed: bool = False
    faint: bool = False


@immutable
class Chart:
    """The contents of a line chart.

    `log_y` makes the vertical axis logarithmic. `marks` are named positions on the horizontal axis.
    """

    title: str
    series: tuple[Series, ...]
    x_label: str = ""
    y_label: str = ""
    log_y: bool = False
    marks: tuple[tuple[float, str], ...] = ()


def line_chart(
    series: Sequence[Series],
    title: str,
    x_label: str,
    y_label: str,
    *,
    log_y: bool = False,
    path: Path,
) -> tuple[Path, ...]:
    """Draw a line chart into `path` and return the files written, as `saving.save` does."""
    return line_charts([Chart(title, tuple(series), x_label, y_label, log_y)], path, columns=1)


def line_charts(charts: Sequence[Chart], path: Path, columns: int = 2, title: str = "") -> tuple[Path, ...]:
    """Draw charts side by side, `columns` to a row; the rest is as in `line_chart`."""
    return save(draw_line_charts(charts, columns, title), path)


def draw_line_charts(charts: Sequence[Chart], columns: int = 2, title: str = "") -> Canvas:
    """Charts side by side on one page. Raises `ValueError` for series whose `x` and `y` differ in length."""
    columns = max(min(columns, len(charts)), 1)
    top = 34.0 if title else 0.0
    rows = max(math.ceil(len(charts) / columns), 1)
    canvas = Canvas(columns * WIDTH, rows * HEIGHT + top, title or (charts[0].title if charts else ""))
    if title:
        canvas.add(Caption(MARGIN, 25, shorten(title, 16, canvas.width - 2 * MARGIN), 16, bold=True))
    for number, chart in enumerate(charts):
        row, column = divmod(number, columns)
        _Plot(canvas, chart, column * WIDTH, row * HEIGHT + top).draw()
    return canvas


class _Plot:
    """One chart at a position on the page."""

    def __init__(self, canvas: Canvas, chart: Chart, x: float, y: float) -> None:
        self.canvas = canvas
        self.chart = chart
        self.x, self.y = x, y
        self.points = [_thinned(series) for series in chart.series]
        self.shown = any(np.isfinite(points).all(axis=1).any() for points in self.points)
        names = list(dict.fromkeys(series.name for series in chart.series))
        self.colours = {name: SERIES[n % len(SERIES)] for n, name in enumerate(names)}
        across = self._finite(0)
        whole = all(value == round(value) for value in across)
        self.x_axis = linear_axis(across, 6, tight=True, whole=whole)
        heights = self._finite(1)
        self.y_axis = log_axis(heights) if chart.log_y else linear_axis(heights)

    def draw(self) -> None:
        chart, width = self.chart, WIDTH - 2 * MARGIN
        title = shorten(chart.title, TITLE, width)
        self.canvas.add(Caption(self.x + MARGIN, self.y + 22, title, TITLE, bold=True))
        legend = self._legend()
        widest = max((text_width(text, TEXT) for _, text in self.y_axis.ticks), default=0)
        self.left = self.x + MARGIN + widest + 8 + (TEXT + 8 if chart.y_label else 0)
        self.right = self.x + WIDTH - MARGIN - 6
        self.top = self.y + 36 + legend * LEGEND_ROW
        self.bottom = self.y + HEIGHT - MARGIN - 16 - (TEXT + 6 if chart.x_label else 0)
        self._axes()
        for series, points in zip(chart.series, self.points, strict=True):
            look = _look(series)
            places = [(self._across(x), self._up(y)) for x, y in points]
            lines = polylines(places, self.colours[series.name], dashed=series.dashed, **look)
            self.canvas.add(*lines)
        self._marks()
        if not self.shown:
            middle = ((self.left + self.right) / 2, (self.top + self.bottom) / 2)
            self.canvas.add(Caption(*middle, "nothing to show", TEXT, "soft", "middle"))

    def _finite(self, column: int) -> list[float]:
        columns = [p[np.isfinite(p).all(axis=1), column] for p in self.points if len(p)]
        return [] if not columns else np.concatenate(columns).tolist()

    def _across(self, value: float) -> float:
        return self.left + self.x_axis.place(value) * (self.right - self.left)

    def _up(self, value: float) -> float:
        return self.bottom - self.y_axis.place(value) * (self.bottom - self.top)

    def _axes(self) -> None:
        for value, text in self.y_axis.ticks:
            y = self._up(value)
            self.canvas.add(Polyline(((self.left, y), (self.right, y)), "edge", 1.0, 0.45))
            self.canvas.add(Caption(self.left - 8, y + TEXT * 0.35, text, TEXT, "soft", "end"))
        self.canvas.add(Polyline(((self.left, self.bottom), (self.right, self.bottom)), "line", 1.2))
        for value, text in _spaced(self.x_axis, self.right - self.left):
            x = self._across(value)
            self.canvas.add(Polyline(((x, self.bottom), (x, self.bottom + 4)), "line", 1.2))
            self.canvas.add(Caption(x, self.bottom + 17, text, TEXT, "soft", "middle"))
        if self.chart.x_label:
            middle = (self.left + self.right) / 2
            self.canvas.add(Caption(middle, self.bottom + 35, self.chart.x_label, TEXT, "soft", "middle"))
        if self.chart.y_label:
            middle = (self.top + self.bottom) / 2
            label = shorten(self.chart.y_label, TEXT, self.bottom - self.top)
            self.canvas.add(
                Caption(self.x + MARGIN + TEXT, middle, label, TEXT, "soft", "middle", turned=True)
            )

    def _marks(self) -> None:
        """The named positions, as upright lines with their names above."""
        for value, name in self.chart.marks:
            x = self._across(value)
            self.canvas.add(Polyline(((x, self.top), (x, self.bottom)), "soft", 1.2, 0.8, dashed=True))
            half = text_width(name, TEXT) / 2
            middle = min(max(x, self.left + half), self.right - half)
            self.canvas.add(Caption(middle, self.top - 4, name, TEXT, "soft", "middle"))

    def _legend(self) -> int:
        """Draw the names of the series; return the number of rows they take."""
        bold = [series for series in self.chart.series if not series.faint]
        shown = list({(series.name, series.dashed): series for series in bold}.values())
        if not shown or (len(shown) == 1 and not shown[0].name):
            return 0
        x, row = self.x + MARGIN, 0
        for series in shown:
            name = shorten(series.name, TEXT, WIDTH - 2 * MARGIN - 28)
            width = 28 + text_width(name, TEXT) + 18
            if x + width > self.x + WIDTH - MARGIN and x > self.x + MARGIN:
                x, row = self.x + MARGIN, row + 1
            y = self.y + 40 + row * LEGEND_ROW
            ends = ((x, y - 4), (x + 22, y - 4))
            self.canvas.add(Polyline(ends, self.colours[series.name], 2.0, dashed=series.dashed))
            self.canvas.add(Caption(x + 28, y, name, TEXT))
            x += width
        return row + 1


def _look(series: Series) -> dict[str, float]:
    """The width and opacity of a line: faint dashes need more of both to be seen."""
    if not series.faint:
        return {"width": 2.0}
    return {"width": 1.4, "opacity": 0.7} if series.dashed else {"width": 1.0, "opacity": 0.35}


def _thinned(series: Series) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The points `[n, 2]`; of too many, only the lowest and highest in each of equal parts."""
    x, y = np.asarray(series.x, np.float64), np.asarray(series.y, np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"series {series.name!r} has x of shape {x.shape} and y of shape {y.shape}")
    if len(x) > LONGEST:
        parts = np.array_split(np.arange(len(x)), LONGEST // 2)
        finite = np.where(np.isfinite(y), y, np.nan)
        extremes = sorted({int(n) for part in parts for n in _extremes(part, finite)})
        x, y = x[extremes], y[extremes]
    return np.stack([x, y], axis=1)


def _extremes(part: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> tuple[int, int]:
    values = y[part]
    if np.isnan(values).all():
        return int(part[0]), int(part[0])
    return int(part[np.nanargmin(values)]), int(part[np.nanargmax(values)])


def _spaced(axis: TickedAxis, width: float) -> Sequence[tuple[float, str]]:
    """The ticks, thinned by halves until their texts have room."""
    ticks: Sequence[tuple[float, str]] = axis.ticks
    while len(ticks) > 2 and sum(text_width(text, TEXT) + 12 for _, text in ticks) > width:
        ticks = ticks[::2]
    return ticks
