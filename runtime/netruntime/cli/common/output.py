"""Output for people and programs: diagnostics in colour, notes, tables, and JSON."""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

import click

from netdsl.diagnostics import Diagnostic, render
from netruntime.errors import DataWarning

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_COLOURS = {"error": "red", "warning": "yellow", "hint": "cyan", "note": "cyan", "fixed": "green"}
_CONTROLS = {code: "\ufffd" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}
_MARKS = re.compile(r"( +\| +)([-^]+)(.*)")
_GUTTER = re.compile(r"( *(?:\d+ \||-->|:::|= (?:help|in):))(.*)")

_GAP = "   "
"""What is between two columns of a table."""

TEXT_WIDTH = 100
"""The maximum width of prose."""

PLAIN_WIDTH = 160
"""The width of tables if the output is not a terminal and COLUMNS is not set."""


def colour_wanted() -> bool | None:
    """False if NO_COLOR is set; None leaves the decision to click, which looks for a terminal."""
    return False if os.environ.get("NO_COLOR") else None


def print_diagnostics(diagnostics: Iterable[Diagnostic]) -> None:
    """Print diagnostics on standard error, separated by empty lines."""
    texts = [paint(visible(render(d)), d.severity) for d in diagnostics]
    click.echo("\n\n".join(texts), err=True, color=colour_wanted())


def note(message: str, severity: str = "note") -> None:
    """Print one line on standard error, apart from the results."""
    head = click.style(severity, fg=_COLOURS[severity], bold=True)
    click.echo(f"{head}: {visible(message)}", err=True, color=colour_wanted())


@contextmanager
def warnings_as_notes() -> Iterator[None]:
    """Print each `DataWarning` issued inside as a line on standard error."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", DataWarning)
        report = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, DataWarning):
                note(str(message), "warning")
            else:
                report(message, category, *place, **more)

        warnings.showwarning = show
        yield


@contextmanager
def forward_warnings(say: Callable[[str], None]) -> Iterator[None]:
    """Pass warnings issued inside to `say`, instead of Python's own report."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        say(str(warning.message))


def visible(text: str) -> str:
    """The text without control characters, which could drive the terminal; newlines and tabs stay."""
    return text.translate(_CONTROLS)


def paint(text: str, severity: str) -> str:
    """A rendered diagnostic in colours."""
    first, *rest = text.split("\n")
    head, colon, message = first.partition("]")
    colour = _COLOURS.get(severity, "red")
    lines = [click.style(head + colon, fg=colour, bold=True) + click.style(message, bold=True)]
    return "\n".join(lines + [_paint_line(line, colour) for line in rest])


def _paint_line(line: str, colour: str) -> str:
    marks = _MARKS.fullmatch(line)
    if marks:
        shade = colour if "^" in marks[2] else "blue"
        return click.style(marks[1], fg="blue") + click.style(marks[2] + marks[3], fg=shade, bold=True)
    gutter = _GUTTER.fullmatch(line)
    return click.style(gutter[1], fg="blue", bold=True) + gutter[2] if gutter else line


def print_json(document: Any) -> None:
    """Print one JSON document, on one line of standard output. `document` holds no NaN or infinity."""
    click.echo(json.dumps(document, allow_nan=False))


def console(stderr: bool = False) -> Console:
    """A rich console that writes plain text outside a terminal: no colours, markup or line folding."""
    from rich.console import Console

    shown = Console(stderr=stderr, highlight=False, no_color=True if colour_wanted() is False else None)
    if not shown.is_terminal:
        shown = Console(stderr=stderr, highlight=False, width=screen_width(), color_system=None)
    return shown


def screen_width() -> int:
    """The columns of the terminal, or those that COLUMNS sets; `PLAIN_WIDTH` where there is neither."""
    return get_terminal_size((PLAIN_WIDTH, 24)).columns


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = ()) -> None:
    """Print a table on standard output; the columns named in `right` are right-aligned.

    One that is wider than the screen, or has wide characters, is laid out by rich.
    """
    cells = [headings, *([visible(cell) for cell in row] for row in rows)]
    if all(cell.isascii() and cell.isprintable() for row in cells for cell in row):
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        if sum(widths) + len(_GAP) * (len(widths) - 1) <= screen_width():
            _print_fitting(cells, widths, [heading in right for heading in headings])
            return
    _print_folded(cells, right)


def _print_fitting(cells: Sequence[Sequence[str]], widths: Sequence[int], is_right: Sequence[bool]) -> None:
    lines = [
        _GAP.join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, is_right, strict=True)
        ).rstrip()
        for row in cells
    ]
    rule = "─" * (sum(widths) + len(_GAP) * (len(widths) - 1))
    head, *rest = lines
    click.echo("\n".join([click.style(head, bold=True), rule, *rest]), color=colour_wanted())


def _print_folded(cells: Sequence[Sequence[str]], right: Sequence[str]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in cells[0]:
        table.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    for row in cells[1:]:
        table.add_row(*map(Text, row))
    print_rich(table)


def print_rich(shown: RenderableType, width: int | None = None) -> None:
    """Print a `rich` renderable on standard output, without trailing spaces and repeated empty lines.

    `width` is the maximum number of columns; by default that of the terminal.
    """
    screen = console()
    with screen.capture() as captured:
        screen.print(shown, width=width and min(width, screen.width))
    text = "\n".join(line.rstrip() for line in captured.get().split("\n"))
    text = re.sub(r"\n{3,}", "\n\n", text).strip("\n")
    click.echo(text, color=screen.color_system is not None)


def json_number(value: float) -> float | None:
    """The number for JSON, in which NaN and infinity become null."""
    return value if value == value and abs(value) != float("inf") else None


def plural(count: int, word: str) -> str:
    """`1 test`, `2 tests`, `61,706 parameters`."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"
