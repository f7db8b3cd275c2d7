"""What a run shows: lines where there is no terminal, a live display where there is one."""

from __future__ import annotations

import io
import math
import sys
from types import ModuleType

import numpy as np
import pytest
from rich.console import Console

from netruntime.train.events import EpochEvent, StepEvent
from netruntime.train.progress import (
    TrainingProgress,
    confusion_table,
    confusion_text,
    half_blocks,
    shade_text,
)
from netruntime.train.progress.cell import STYLE
from netruntime.train.progress.figures import History, Pace, duration, figure, sparkline


def step_event(step: int, phase: str = "", seconds: float = 0.0, loss: float = 0.5) -> StepEvent:
    metrics = {"accuracy": np.float64(0.875), "table": np.eye(2)}
    return StepEvent(step, (step - 1) // 10, phase, loss, metrics, 1e-3, 1.25, seconds, 32)


def epoch_event(best: bool = True) -> EpochEvent:
    valid = {"": {"loss": 0.25, "accuracy": 0.96875, "table": np.eye(2)}}
    return EpochEvent(0, 10, {"": {"loss": 0.5}}, valid, best=best, seconds=65.2)


LATEST = "epoch 1/4  loss 0.5000  accuracy 0.8750  lr 0.001  gradient 1.25"


def console(terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=100, color_system=None, highlight=False)


def shown(screen: Console) -> str:
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def test_lines_where_there_is_no_terminal() -> None:
    screen = console(terminal=False)
    with TrainingProgress(screen, every=10) as progress:
        progress.note("reading [data]")
        progress.start(total_steps=40, epochs=4)
        for step in range(1, 11):
            progress.on_step(step_event(step, seconds=step * 2.0))
        progress.on_epoch(epoch_event())
        progress.on_step(step_event(11, seconds=71.0))
    assert shown(screen).splitlines() == [
        "reading [data]",
        f"step 4/40  {LATEST}  16 samples/s  1:12 left",
        f"step 9/40  {LATEST}  16 samples/s  1:02 left",
        "epoch 1/4  loss 0.5000  valid loss 0.2500  valid accuracy 0.9688  1:05  best",
    ]


def test_phases_are_named_and_count_once() -> None:
    screen = console(terminal=False)
    with TrainingProgress(screen, every=0) as progress:
        progress.start(total_steps=4, epochs=1)
        for step in (1, 2):
            for phase in ("D", "G"):
                progress.on_step(step_event(step, phase, step * 1.0))
    assert shown(screen) == (
        "step 1/4  epoch 1/1  D loss 0.5000  D accuracy 0.8750  lr 0.001  gradient 1.25"
        "  G loss 0.5000  G accuracy 0.8750  lr 0.001  gradient 1.25  32 samples/s  0:03 left\n"
    )


def test_quiet_shows_nothing() -> None:
    for terminal in (True, False):
        screen = console(terminal)
        with TrainingProgress(screen, quiet=True, every=0) as progress:
            progress.start(10, 1)
            progress.on_step(step_event(1, seconds=1.0))
            progress.on_step(step_event(2, seconds=2.0))
            progress.on_epoch(epoch_event())
            progress.note("a note")
        assert shown(screen) == ""


def test_a_live_display_in_a_terminal() -> None:
    screen = console(terminal=True)
    with TrainingProgress(screen) as progress:
        progress.start(total_steps=40, epochs=4, done=0)
        for step in range(1, 11):
            progress.on_step(step_event(step, seconds=step * 2.0, loss=1 / step))
        progress.on_epoch(epoch_event())
    text = shown(screen)
    last = text[text.rindex("epoch 1/4") :]
    assert "10/40" in last and "16 samples/s" in last and "1:00 left" in last
    assert "loss 0.1000  accuracy 0.8750  lr 0.001  gradient 1.25" in last
    assert "loss █▆▅▄▃▃▂▂▁▁" in last
    assert "valid accuracy 0.9688  1:05  best" in text
    assert text.endswith("\x1b[2K"), "the cursor returns and the display is erased"


class Page:
    """What a notebook shows: the latest content of each output."""

    def __init__(self) -> None:
        self.outputs: list[dict[str, str]] = []
        self.updates = 0

    def display(self, bundle: dict[str, str], *, raw: bool, display_id: bool) -> Page:
        assert raw and display_id
        self.outputs.append(bundle)
        return self

    def update(self, bundle: dict[str, str], *, raw: bool) -> None:
        assert raw
        self.outputs[-1] = bundle
        self.updates += 1


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Page:
    page = Page()
    module = ModuleType("IPython.display")
    module.display = page.display  # type: ignore[attr-defined]  # the module is made here
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr("netruntime.train.progress.cell.EVERY", 0.0)
    return page


def test_one_output_of_a_notebook_is_updated_in_place(page: Page) -> None:
    screen = Console(force_jupyter=True, width=100)
    with TrainingProgress(screen) as progress:
        progress.start(total_steps=40, epochs=4)
        for step in range(1, 11):
            progress.on_step(step_event(step, seconds=step * 2.0, loss=1 / step))
        during = page.outputs[-1]["text/plain"]
        progress.on_epoch(epoch_event())
    assert "epoch 1/4" in during and "10/40" in during and "loss █▆▅▄▃▃▂▂▁▁" in during
    assert len(page.outputs) == 1 and page.updates > 10
    line = "epoch 1/4  loss 0.5000  valid loss 0.2500  valid accuracy 0.9688  1:05  best"
    assert page.outputs[0]["text/plain"] == line, "only the lines of epochs stay"
    assert page.outputs[0]["text/html"] == f'<pre style="{STYLE}">{line}</pre>'


def test_a_quiet_run_shows_nothing_in_a_notebook(page: Page) -> None:
    with TrainingProgress(Console(force_jupyter=True), quiet=True) as progress:
        progress.start(40, 4)
        progress.on_epoch(epoch_event())
    assert page.outputs == []


def test_plain_lines_in_a_terminal() -> None:
    screen = console(terminal=True)
    with TrainingProgress(screen, plain=True) as progress:
        progress.start(40, 4)
        progress.on_epoch(epoch_event(best=False))
    assert shown(screen) == "epoch 1/4  loss 0.5000  valid loss 0.2500  valid accuracy 0.9688  1:05\n"


def test_the_display_ends_where_the_run_fails() -> None:
    screen = console(terminal=True)
    with pytest.raises(KeyboardInterrupt), TrainingProgress(screen) as progress:
        progress.start(40, 4)
        raise KeyboardInterrupt
    assert shown(screen).endswith("\x1b[2K")


def test_the_pace_of_a_resumed_run_counts_from_where_it_stood() -> None:
    pace = Pace(total=100, done=50)
    pace.add(step_event(60, seconds=5.0))
    assert pace.seconds_left == 20.0
    pace.add(step_event(110, seconds=30.0))
    assert pace.seconds_left == 0.0


def test_a_long_history_keeps_its_shape_in_little_room() -> None:
    history = History(size=16)
    for n in range(1000):
        history.add(float(n))
        history.add(math.nan)
    assert 8 <= len(history.means) < 16
    steps = np.diff(history.means)
    assert history.means[0] == pytest.approx(np.arange(64).mean()) and np.allclose(steps, 64)


def test_sparklines() -> None:
    assert sparkline([], 10) == ""
    assert sparkline([1.0], 10) == "▁"
    assert sparkline([8, 4, 2, 1, -1], 5) == "█▅▃▃▁"
    assert sparkline([100, 10, 1], 3) == "█▄▁" or sparkline([100, 10, 1], 3) == "█▅▁"
    assert len(sparkline(list(range(1, 1000)), 40)) == 40


def test_figures() -> None:
    assert [figure(v) for v in (0.0, 0.5, 12.34567, 1e-5, 123456.0, math.nan)] == [
        "0.0000",
        "0.5000",
        "12.3457",
        "1e-05",
        "1.23e+05",
        "nan",
    ]
    assert [duration(s) for s in (0.4, 59.6, 3723)] == ["0:00", "1:00", "1:02:03"]


MATRIX = np.array([[10, 0, 2], [0, 7, 0], [1, 0, 0]])


def test_a_confusion_matrix_as_text() -> None:
    assert confusion_text(MATRIX, ["cat", "dog", "bird"]) == (
        "true \\ predicted  cat  dog  bird\n"
        "             cat   10    ·     2\n"
        "             dog    ·    7     ·\n"
        "            bird    1    ·     ·"
    )


def test_a_confusion_matrix_in_colours() -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=80, color_system="truecolor")
    screen.print(confusion_table(MATRIX))
    text = shown(screen)
    assert "\x1b[1;37;48;2;20;162;60m 10" in text  # ten of twelve
    assert "\x1b[1;37;48;2;88;30;40m  2" in text


def test_many_classes_are_told_by_what_is_mixed_up() -> None:
    matrix = np.eye(100, dtype=int) * 5
    assert confusion_text(matrix) == "no classes are confused"
    matrix[3, 8], matrix[98, 99] = 4, 9
    assert confusion_text(matrix) == "98 mistaken for 99: 9\n3 mistaken for 8: 4"
    assert confusion_table(matrix) == confusion_text(matrix)


def test_matrices_and_labels_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"must be square, but has shape \[2, 3\]"):
        confusion_text(MATRIX[:2])
    with pytest.raises(ValueError, match="there are 2 labels for 3 classes"):
        confusion_table(MATRIX, ["a", "b"])


def test_images_in_blocks() -> None:
    image = np.array([[0, 16], [8, 0], [16, 16]])
    assert shade_text(image) == "  ██\n▒▒  \n████"
    screen = Console(file=io.StringIO(), force_terminal=True, width=80, color_system="truecolor")
    screen.print(half_blocks(image))
    assert shown(screen) == (
        "\x1b[38;2;0;0;0;48;2;128;128;128m▀\x1b[0m\x1b[38;2;255;255;255;48;2;0;0;0m▀\x1b[0m\n"
        "\x1b[38;2;255;255;255;48;2;0;0;0m▀\x1b[0m\x1b[38;2;255;255;255;48;2;0;0;0m▀\x1b[0m\n"
    )
    assert shade_text(np.ones((1, 2))) == "    "
    with pytest.raises(ValueError, match=r"\[1, 2, 2\]"):
        half_blocks(np.zeros((1, 2, 2)))


def narrow(width: int) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None, highlight=False)


@pytest.mark.parametrize("width", [40, 60])
def test_lines_of_an_epoch_fit_a_terminal(width: int) -> None:
    screen = narrow(width)
    with TrainingProgress(screen, plain=True) as progress:
        progress.start(total_steps=40, epochs=4)
        progress.on_epoch(epoch_event())
    lines = shown(screen).splitlines()
    assert len(lines) > 1 and max(map(len, lines)) <= width
    assert "  ".join(line.strip() for line in lines) == (
        "epoch 1/4  loss 0.5000  valid loss 0.2500  valid accuracy 0.9688  1:05  best"
    )


@pytest.mark.parametrize("width", [40, 60, 80])
def test_the_live_display_fits_and_leaves_nothing(width: int) -> None:
    screen = narrow(width)
    progress = TrainingProgress(screen)
    progress.start(total_steps=11_860, epochs=140)
    for step in range(1, 12):
        progress.on_step(step_event(step, seconds=float(step)))
    with screen.capture() as captured:
        screen.print(progress._display())
    assert max(map(len, captured.get().splitlines())) <= width
    progress.close()
    assert shown(screen).endswith("\x1b[2K"), "the last lines are erased"


def test_a_resumed_run_goes_on_with_its_curve() -> None:
    progress = TrainingProgress(narrow(80), plain=True)
    progress.start(total_steps=40, epochs=4, done=3, losses=[3.0, 2.0, 1.0])
    assert progress._history.means == [3.0, 2.0, 1.0]


def test_an_epoch_prints_the_shapes_of_its_tables() -> None:
    text = repr(epoch_event())
    assert "valid={'': {'loss': 0.25, 'accuracy': 0.9688, 'table': array(2, 2)}}" in text
    assert "\n" not in text
