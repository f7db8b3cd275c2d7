"""What is written at the end of a run, beside its weights: the curves and the card."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from netruntime.data.augment import Normalise
from netruntime.readers.options import DEFAULT_OPTIONS
from netruntime.train.checkpoint.writing import write_text, writing
from netruntime.train.records.card import card_text
from netruntime.train.records.curves import write_curves
from netruntime.train.records.facts import facts_of
from netruntime.train.records.jsonl import read_log

if TYPE_CHECKING:
    from netruntime.train.run import Run

CURVES, CARD = "curves.svg", "card.md"
RUN_OPTIONS = ("scale", "resize", "tokenizer")
EVAL_OPTIONS = (*RUN_OPTIONS, "max_length", "cut", "window", "stride", "allow_nonfinite")
"""The fields of `DataOptions` that the commands have options for."""


def write_records(run: Run, log: Path, weights: Path, command: str) -> tuple[Path, ...]:
    """Write `curves.svg`, `curves.png` where Pillow is there, and `card.md` beside the log.

    Args:
        run: The run, which has ended or was stopped.
        log: Its log.
        weights: The weights that the card is about.
        command: The command line of the run.

    Returns:
        What was written. Without Pillow a warning tells that there is no PNG.

    Raises:
        TrainingError: E1052, E1055 where the system refuses.
        DataInputError: where the data cannot be read any more.
    """
    title = ", ".join(run.checked.models)
    written = write_curves(log, log.with_name(CURVES), title)
    card = log.with_name(CARD)
    with writing(card, 0):
        facts = facts_of(run, read_log(log), weights, command, use_of(run, weights))
    write_text(card, card_text(facts))
    return (*written, card)


def use_of(run: Run, weights: Path) -> tuple[str, ...]:
    """Command lines that measure and run the weights of a run, on data read as the run read its own."""
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
    look = [*inputs, *_options(run, RUN_OPTIONS), *_normalised(run)]
    lines = (["eval", *common, *measure], ["run", *common, *look])
    return tuple(shlex.join(["netrun", *line]) for line in lines)


def _normalised(run: Run) -> list[str]:
    """How `netrun run` normalises pictures as the training did."""
    steps = run.loop.augment.steps if run.loop.augment is not None else ()
    for step in steps:
        if isinstance(step, Normalise):
            return ["--mean", ",".join(map(repr, step.mean)), "--std", ",".join(map(repr, step.std))]
    return []


def _options(run: Run, names: Sequence[str]) -> list[str]:
    """Those options of reading data that the run was given, as words of a command line."""
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
