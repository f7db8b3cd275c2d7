"""The display of a run in a notebook: one output of the cell, updated in place."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from html import escape
from typing import Any

from rich.console import Console, RenderableType

EVERY = 0.25
"""Seconds between updates; each is a message to the browser."""
STYLE = "font-family:monospace;white-space:pre-wrap;line-height:1.35;margin:0"


class CellOutput:
    """Lines that stay, and below them a display of the current state.

    Args:
        width: The columns of the display.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self._lines: list[str] = []
        self._handle: Any = None
        self._shown = -EVERY

    def add(self, line: str) -> None:
        """Add a line that stays."""
        self._lines.append(line)
        self._show("\n".join(self._lines))

    def refresh(self, draw: Callable[[], RenderableType]) -> None:
        """Show the current state, unless it was shown a moment ago."""
        if time.monotonic() - self._shown >= EVERY:
            self._show("\n".join([*self._lines, self._text(draw())]))

    def close(self) -> None:
        """Remove the state; the lines stay."""
        self._show("\n".join(self._lines))

    def _text(self, state: RenderableType) -> str:
        screen = Console(file=io.StringIO(), width=self.width, color_system=None, force_jupyter=False)
        with screen.capture() as captured:
            screen.print(state)
        return captured.get().rstrip()

    def _show(self, text: str) -> None:
        from IPython.display import display

        self._shown = time.monotonic()
        bundle = {"text/plain": text, "text/html": f'<pre style="{STYLE}">{escape(text)}</pre>'}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)
