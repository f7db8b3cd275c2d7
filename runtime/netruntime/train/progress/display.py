"""The display of a run: live in a terminal or a notebook, or as lines."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from netruntime.train.events import EpochEvent, StepEvent
from netruntime.train.progress.figures import (
    History,
    Pace,
    epoch_line,
    folded,
    measured_text,
    pace_texts,
    sparkline,
    step_line,
)

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.live import Live

    from netruntime.train.progress.cell import CellOutput

BAR, SHORTEST = 32, 6
"""The width of the progress bar, and below which it is left out."""
CURVE = 60
"""The maximum width of the loss curve, in columns."""


class TrainingProgress:
    """The watcher that shows the progress of a run.

    In a terminal: a progress bar of epochs and steps, the latest figures, the speed, the time left and a
    curve of the loss, below one line per epoch; the same in the cell of a notebook. Elsewhere, and with
    `plain`: one line per epoch, and one every few seconds. With `quiet`: nothing.

    Args:
        console: The console to print on; standard output by default.
        plain: Print lines in a terminal too.
        quiet: Print nothing.
        every: Seconds between lines about steps.
    """

    def __init__(
        self,
        console: Console | None = None,
        *,
        plain: bool = False,
        quiet: bool = False,
        every: float = 10.0,
    ) -> None:
        self.console = console or _console()
        self.quiet = quiet
        self.is_live = self.console.is_terminal and not plain and not quiet
        self.every = every
        self.epochs = 0
        self.pace = Pace(0)
        self._latest: dict[str, StepEvent] = {}
        self._history = History()
        self._reported = 0.0
        self._live: Live | None = None
        self._cell = _cell(self.console) if self.console.is_jupyter and not plain and not quiet else None

    def start(self, total_steps: int, epochs: int, done: int = 0, losses: Iterable[float] = ()) -> None:
        """Start the display of `total_steps` updates in `epochs` epochs, of which `done` are complete.

        `losses` are those of the updates that are complete, for the curve.
        """
        self.epochs = epochs
        self.pace = Pace(total_steps, done)
        for loss in losses:
            self._history.add(loss)
        if self.is_live:
            from rich.live import Live

            self._live = Live(
                console=self.console, get_renderable=self._display, refresh_per_second=8, transient=True
            )
            self._live.start()

    def on_step(self, event: StepEvent) -> None:
        """Show an update."""
        if not self._latest or event.phase == next(iter(self._latest)):
            self._history.add(event.loss)
            if self._is_lines and event.seconds - self._reported >= self.every and self._latest:
                self._reported = event.seconds
                self.note(step_line(self._latest, self.pace, self.epochs))
        self._latest[event.phase] = event
        self.pace.add(event)
        if self._cell is not None:
            self._cell.refresh(self._display)

    def on_epoch(self, event: EpochEvent) -> None:
        """Print an epoch permanently."""
        self._reported = event.seconds
        self.note(self._fitted(epoch_line(event, self.epochs)))

    def note(self, text: str) -> None:
        """Print a line permanently."""
        if self._cell is not None:
            self._cell.add(text)
        elif not self.quiet:
            self.console.print(text, markup=False, soft_wrap=True)

    def close(self) -> None:
        """End the display; the lines of the epochs stay."""
        if self._cell is not None:
            self._cell.close()
        if self._live is not None:
            self._live.stop()
            self._live = None

    @property
    def _is_lines(self) -> bool:
        return not self.is_live and self._cell is None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _fitted(self, line: str) -> str:
        """A line of figures, in a terminal on as many lines as it needs: broken between figures."""
        return "\n".join(folded(line, self.console.width)) if self.console.is_terminal else line

    def _display(self) -> Group:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        bar = Table.grid(padding=(0, 2))
        latest = list(self._latest.values())
        epoch = latest[-1].epoch + 1 if latest else 1
        steps = f"{self.pace.step:,}/{self.pace.total:,}"
        where = f"epoch {min(epoch, self.epochs)}/{self.epochs}"
        texts = [steps, *pace_texts(self.pace)]
        taken = len(where) + sum(len(text) + 2 for text in texts) + 2
        width = min(BAR, self.console.width - taken - 1)
        length = ProgressBar(total=max(self.pace.total, 1), completed=self.pace.step, width=max(width, 1))
        bar.add_row(Text(where, "bold"), *([length] if width >= SHORTEST else []), *map(Text, texts))
        figures = [line for event in latest for line in folded(measured_text(event), self.console.width)]
        curve = sparkline(self._history.means, min(CURVE, self.console.width - 8))
        return Group(bar, *map(Text, figures), Text.assemble("loss ", (curve, "cyan")))


def _cell(console: Console) -> CellOutput:
    from netruntime.train.progress.cell import CellOutput

    return CellOutput(console.width)


def _console() -> Console:
    """Standard output, which raises if its reader is gone; by default `rich` ends the process then."""
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return Output(highlight=False)
