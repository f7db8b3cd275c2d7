"""Pictures for the terminal: a confusion matrix, and a small grey image in block characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from netruntime.files.arrays import Array

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text


MANY = 25
"""With more classes than this, a matrix is shown as the most confused pairs."""
PAIRS = 10
SHADES = " ░▒▓█"


def confusion_text(matrix: Array, labels: Sequence[str] | None = None) -> str:
    """A confusion matrix `[classes, classes]` of counts as plain text: rows are true, columns predicted.

    Many classes do not fit on a screen; instead, the most confused pairs are shown.
    """
    names = _names(matrix, labels)
    if len(names) > MANY:
        return mixed_up(matrix, names)
    cells = [[str(int(count)) if count else "·" for count in row] for row in matrix]
    rows = [["true \\ predicted", *names]] + [[n, *row] for n, row in zip(names, cells, strict=True)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in rows)


def confusion_table(matrix: Array, labels: Sequence[str] | None = None) -> Table | str:
    """A confusion matrix for a terminal: hits shaded in green, misses in red, by their share of the row."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    names = _names(matrix, labels)
    if len(names) > MANY:
        return mixed_up(matrix, names)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 0))
    table.add_column("true \\ predicted ", justify="right")
    for name in names:
        table.add_column(Text(f"  {name}"), justify="right")
    for number, (name, row) in enumerate(zip(names, np.asarray(matrix), strict=True)):
        whole = max(float(row.sum()), 1.0)
        cells = [_cell(int(n), float(n) / whole, column == number) for column, n in enumerate(row)]
        table.add_row(Text(f"{name} "), *cells)
    return table


def mixed_up(matrix: Array, names: Sequence[str]) -> str:
    """The most confused pairs of classes, one per line."""
    wrong = np.array(matrix, dtype=np.int64)
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:PAIRS]
    pairs = [divmod(int(place), len(names)) for place in order]
    confused = [f"{names[a]} mistaken for {names[b]}: {wrong[a, b]:,}" for a, b in pairs if wrong[a, b]]
    return "\n".join(confused) or "no classes are confused"


def half_blocks(image: Array) -> Text:
    """A grey image `[H, W]` for a terminal with colours, two rows of pixels per line of text.

    The smallest value is black and the largest is white.
    """
    from rich.style import Style
    from rich.text import Text

    grey = (_scaled(image) * 255).round().astype(int)
    if len(grey) % 2:
        grey = np.vstack([grey, np.zeros_like(grey[:1])])
    text = Text()
    for upper, lower in zip(grey[::2], grey[1::2], strict=True):
        for a, b in zip(upper, lower, strict=True):
            text.append("▀", Style.parse(f"rgb({a},{a},{a}) on rgb({b},{b},{b})"))
        text.append("\n")
    text.rstrip()
    return text


def shade_text(image: Array) -> str:
    """A grey image `[H, W]` as plain text, two characters per pixel; lighter pixels are denser."""
    steps = (_scaled(image) * (len(SHADES) - 1)).round().astype(int)
    return "\n".join("".join(SHADES[step] * 2 for step in row) for row in steps)


def _scaled(image: Array) -> Array:
    """The image scaled to [0, 1]; a uniform image becomes 0."""
    values = np.asarray(image, np.float64)
    if values.ndim != 2:
        raise ValueError(f"the image must be [height, width], but has shape {list(values.shape)}")
    low, high = values.min(), values.max()
    return np.asarray((values - low) / (high - low) if high > low else np.zeros_like(values))


def _cell(count: int, share: float, hit: bool) -> Text:
    from rich.text import Text

    if not count:
        return Text("·", "dim")
    strength = round(70 + 110 * share)
    colour = f"rgb(20,{strength},60)" if hit else f"rgb({strength},30,40)"
    return Text(f" {count}", f"bold white on {colour}")


def _names(matrix: Array, labels: Sequence[str] | None) -> list[str]:
    shape = np.shape(matrix)
    if len(shape) != 2 or shape[0] != shape[1]:
        raise ValueError(f"a confusion matrix must be square, but has shape {list(shape)}")
    names = [str(n) for n in range(shape[0])] if labels is None else list(labels)
    if len(names) != shape[0]:
        raise ValueError(f"there are {len(names)} labels for {shape[0]} classes")
    return names
