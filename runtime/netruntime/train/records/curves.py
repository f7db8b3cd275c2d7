"""The curves of a run, drawn from its log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from netruntime.charts import Chart, Series, line_charts
from netruntime.errors import TrainingError, shown
from netruntime.train.checkpoint.writing import writing
from netruntime.train.logs.jsonl import LogLine, read_log
from netruntime.train.step import LOSS

TRAINING, VALIDATION = "training", "validation"
SMOOTH = 40
"""A smoothed line averages over a 40th of the run."""
WIDE = 50.0
"""Values whose largest is more than this many times the smallest get a logarithmic axis."""


def write_curves(log: Path, path: Path, title: str = "") -> tuple[Path, ...]:
    """Draw the curves of a log into `path`, as SVG and, if matplotlib is installed, as PNG.

    Returns the files written. Raises `TrainingError`: E1052 if the log cannot be read, E1055 if the curves
    cannot be written.
    """
    with writing(log, 0):
        lines = read_log(log)
    path = path.with_suffix(".png" if find_spec("matplotlib") else ".svg")
    try:
        return line_charts(curves(lines), path, columns=2, title=title)
    except OSError as reason:
        message = f"cannot write the chart {shown(path)}: {reason.strerror or reason}"
        help = "use a writable folder with free space"
        raise TrainingError.make("E1055", message, help=help) from reason


def curves(lines: Iterable[LogLine]) -> list[Chart]:
    """The charts for the lines of a log: losses, metrics, learning rate, gradient norm; phases apart."""
    lines = list(lines)
    steps = [line for line in lines if line.get("kind") == "step"]
    epochs = [line for line in lines if line.get("kind") == "epoch"]
    phases = list(dict.fromkeys(line["phase"] for line in steps))
    charts = []
    for phase in phases:
        own = [line for line in steps if line["phase"] == phase]
        charts += _phase_charts(phase, own, epochs)
    return charts


def smoothed(values: Sequence[float], width: int) -> list[float]:
    """The running mean over `width` values, fewer at the ends; NaN is ignored."""
    array = np.asarray(values, np.float64)
    known = np.isfinite(array)
    sums = np.concatenate([[0.0], np.cumsum(np.where(known, array, 0.0))])
    counts = np.concatenate([[0], np.cumsum(known)])
    places = np.arange(len(array))
    low = np.maximum(places - width // 2, 0)
    high = np.minimum(places + (width + 1) // 2, len(array))
    valid = counts[high] - counts[low]
    means = (sums[high] - sums[low]) / np.maximum(valid, 1)
    return list(np.where(known & (valid > 0), means, np.nan))


def _phase_charts(phase: str, steps: Sequence[LogLine], epochs: Sequence[LogLine]) -> list[Chart]:
    head = f"{phase}: " if phase else ""
    x = [line["step"] for line in steps]
    loss = _column(line["loss"] for line in steps)
    validation = _epochs(epochs, "valid", phase, LOSS, VALIDATION)
    series = (*_smooth(TRAINING, x, loss), *validation)
    best = _best(epochs)
    charts = [Chart(f"{head}loss", series, "step", log_y=_is_wide(series), marks=best)]
    names = [name for name, value in steps[-1]["metrics"].items() if not isinstance(value, list)]
    for name in names:
        over = _epochs(epochs, "train", phase, name, TRAINING)
        if not over or len(over[0].x) < 2:
            over = _smooth(TRAINING, x, _column(line["metrics"].get(name) for line in steps))
        validation = _epochs(epochs, "valid", phase, name, VALIDATION)
        charts.append(Chart(head + name, (*over, *validation), "step", marks=best))
    lr = Series("", x, _column(line["lr"] for line in steps))
    charts.append(Chart(f"{head}learning rate", (lr,), "step"))
    norms = _smooth("", x, _column(line["grad_norm"] for line in steps))
    charts.append(Chart(f"{head}gradient norm", norms, "step", log_y=_is_wide(norms)))
    return charts


def _best(epochs: Sequence[LogLine]) -> tuple[tuple[float, str], ...]:
    """The mark of the best epoch, where validation data chose it."""
    best = [line for line in epochs if line.get("best") and line.get("valid")]
    return ((best[-1]["step"], f"best: epoch {best[-1]['epoch'] + 1}"),) if best else ()


def _smooth(name: str, x: Sequence[float], y: Sequence[float]) -> tuple[Series, ...]:
    """A faint line through all values, and one through their running means."""
    width = max(len(y) // SMOOTH, 1)
    if width == 1:
        return (Series(name, x, y),)
    return (Series(name, x, y, faint=True), Series(name, x, smoothed(y, width)))


def _epochs(epochs: Sequence[LogLine], part: str, phase: str, name: str, shown: str) -> tuple[Series, ...]:
    points = [(line["step"], line[part][phase].get(name)) for line in epochs if phase in line[part]]
    if not points:
        return ()
    return (Series(shown, [step for step, _ in points], _column(value for _, value in points)),)


def _column(values: Iterable[float | None]) -> list[float]:
    return [float("nan") if value is None else float(value) for value in values]


def _is_wide(series: Sequence[Series]) -> bool:
    """Whether the values, apart from faint lines, are positive and of very different magnitudes."""
    values = np.concatenate([np.asarray(s.y, np.float64) for s in series if not s.faint])
    values = values[np.isfinite(values)]
    return bool(values.size and values.min() > 0 and values.max() > WIDE * values.min())
