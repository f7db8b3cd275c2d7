"""The facts for the card of a run, gathered from the run, its log and its files."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from netdsl.diagnostics import with_article
from netdsl.immutable import immutable
from netruntime.engine.backends import Device
from netruntime.train.checkpoint.writing import file_record
from netruntime.train.fingerprints import data_fingerprint, row_count
from netruntime.train.logs.jsonl import LogLine
from netruntime.train.records.card import CardFacts, DataFacts
from netruntime.train.run import Run


@immutable
class Provenance:
    """The command that started a run, and commands that use its weights.

    Args:
        command: The command or call that started the run.
        use: Commands or calls that use its weights.
        language: Their language: `sh` or `python`.
    """

    command: str
    use: tuple[str, ...] = ()
    language: str = "sh"


def facts_of(run: Run, log: Iterable[LogLine], weights: Path, provenance: Provenance) -> CardFacts:
    """The facts of a run that has ended.

    Args:
        log: The lines of its log, which include those before a resumption.
        weights: The weights to use.

    Raises:
        OSError: the weights cannot be read.
        DataInputError: the data can no longer be read.
    """
    lines = list(log)
    epochs = [line for line in lines if line.get("kind") == "epoch"]
    last = epochs[-1] if epochs else {}
    best = next((line for line in reversed(epochs) if line["best"]), None)
    source = run.checked.phases[0].span.source
    return CardFacts(
        model=", ".join(run.checked.models),
        file=source.name,
        file_sha256=hashlib.sha256(source.text.encode()).hexdigest(),
        weights=str(weights),
        weights_sha256=file_record(weights).sha256,
        parameters=sum(array.size for array in run.trainer.weights.values()),
        arrays=len(run.trainer.weights),
        data=_data(run),
        sections=tuple(dict.fromkeys(phase.span.text for phase in run.checked.phases)),
        settings=asdict(run.settings),
        command=provenance.command,
        device=_device(run.trainer.device.name),
        versions=_versions(run.trainer.device),
        steps=run.trainer.step,
        epochs=len(epochs),
        seconds=total_seconds(lines),
        config=run.checked.config,
        split=_split(run),
        notes=run.notes,
        overrides=run.request.overrides,
        monitor=run.loop.monitor,
        best_epoch=best["epoch"] if best else None,
        train=last.get("train", {}),
        valid=last.get("valid", {}),
        best=(best["valid"] or best["train"]) if best else {},
        classes=next(iter(run.train.classes.values()), ()),
        use=provenance.use,
        language=provenance.language,
    )


def total_seconds(lines: Iterable[LogLine]) -> float:
    """The duration of all parts of a run; after each resumption, seconds start again from 0."""
    total = before = 0.0
    for line in lines:
        seconds = float(line.get("seconds") or 0.0)
        if seconds < before:
            total += before
        before = seconds
    return total + before


def _data(run: Run) -> tuple[DataFacts, ...]:
    data, valid = run.request.data, run.request.valid
    facts = [DataFacts("training", _sources(data), row_count(run.train), data_fingerprint(run.train))]
    if run.valid is not None:
        named = _sources(data if valid is None else valid)
        facts.append(DataFacts("validation", named, len(run.valid), data_fingerprint(run.valid)))
    return tuple(facts)


def _split(run: Run) -> str:
    if run.request.valid is not None or not run.request.holdout:
        return ""
    share, seed = run.request.holdout, run.settings.seed
    return f"A fraction of {share:g} of the rows, drawn with seed {seed}, was held out for validation."


def _sources(spec: Any) -> tuple[str, ...]:
    """The names of the data; data in memory have none."""
    if isinstance(spec, str | os.PathLike):
        return (str(spec),)
    if isinstance(spec, list | tuple) and all(isinstance(part, str | os.PathLike) for part in spec):
        return tuple(map(str, spec))
    return (f"{with_article(type(spec).__name__)} in memory",)


def _device(name: str) -> str:
    return f"{name} ({platform.machine()}, {os.cpu_count()} cores)" if name == "cpu" else name


def _versions(device: Device) -> dict[str, str]:
    versions = {"Python": platform.python_version(), "NumPy": np.__version__}
    with suppress(PackageNotFoundError):  # run from a source tree
        versions = {"netdsl": version("netdsl"), **versions}
    return versions if device.xp is np else {**versions, "CuPy": device.xp.__version__}
