"""Command lines that use the weights of a run."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from netruntime.readers.options import DEFAULT_OPTIONS
from netruntime.train.run import Run

RUN_OPTIONS = ("scale", "resize", "tokenizer")
EVAL_OPTIONS = (*RUN_OPTIONS, "max_length", "cut", "window", "stride", "allow_nonfinite")
"""The fields of `DataOptions` that the commands have options for."""


def usage_lines(run: Run, weights: Path) -> tuple[str, ...]:
    """Command lines that evaluate and run the weights of a run, on data read with the same options."""
    request = run.request
    common = [run.checked.phases[0].span.source.name, "--weights", str(weights)]
    for name, value in request.config.items():
        common += ["--set", f"{name}={value}"]
    measure = [part for source in _paths(run) for part in ("--data", source)] + _options(run, EVAL_OPTIONS)
    if request.valid is None and request.holdout:
        measure += ["--holdout", f"{request.holdout:g}", "--seed", str(run.settings.seed)]
    if run.loop.augment is not None:
        measure += ["--augment", str(run.loop.augment)]
    model = next(iter(run.checked.models.values()))
    inputs = [part for name in model.inputs for part in ("--input", f"{name}=FILE")]
    look = [*inputs, *_options(run, RUN_OPTIONS)]
    lines = (["eval", *common, *measure], ["run", *common, *look])
    return tuple(shlex.join(["netrun", *line]) for line in lines)


def _options(run: Run, names: Sequence[str]) -> list[str]:
    """The options about reading data that the run was started with, as command-line arguments."""
    words: list[str] = []
    for name in names:
        value = getattr(run.request.options, name)
        if value != getattr(DEFAULT_OPTIONS, name):
            words.append(f"--{name.replace('_', '-')}")
            words += [] if value is True else [str(value)]
    return words


def _paths(run: Run) -> tuple[str, ...]:
    request = run.request
    spec = request.valid if request.valid is not None else request.data
    parts = spec if isinstance(spec, list | tuple) else [spec]
    return tuple(str(part) for part in parts if isinstance(part, str | Path)) or ("DATA",)
