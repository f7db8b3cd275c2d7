"""Entries of a file's `config` with which given weights would fit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

from netdsl.diagnostics import NetError
from netdsl.graph import expand
from netruntime.cli.common.sources import open_checked, pick_model
from netruntime.engine.weights import parameters
from netruntime.errors import WeightsError
from netruntime.weight_files.weights import read_weights

MAX_SECONDS = 2.0
MAX_VALUES = 12
Shapes = Mapping[str, tuple[int, ...]]


@contextmanager
def settings_that_fit(
    file: Path, settings: Mapping[str, str], weights: Any, model_name: str | None
) -> Iterator[None]:
    """Add to an error of weights that do not fit which `--set` options make them fit, if some do."""
    try:
        yield
    except WeightsError as failed:
        if weights is None or not {d.code for d in failed.diagnostics} & {"E0721", "E0722", "E0723"}:
            raise
        found: dict[str, str] = {}
        with suppress(NetError, OSError, RecursionError):
            found = _Search(file, settings, weights, model_name).run()
        if not found:
            raise
        options = " ".join(f"--set {name}={value}" for name, value in found.items())
        help = f"the weights fit with {options}"
        first, *rest = failed.diagnostics
        raise WeightsError([replace(first, help=help), *(replace(d, help=None) for d in rest)]) from None


class _Search:
    """Tries sizes of the weights and counts of their layers as values of integer entries, one at a time."""

    def __init__(self, file: Path, settings: Mapping[str, str], weights: Any, model_name: str | None) -> None:
        self.file, self.model_name, self.end = file, model_name, monotonic() + MAX_SECONDS
        self.settings = dict(settings)
        stored = read_weights(weights)
        self.given: Shapes = {name: tuple(stored.describe(name).shape) for name in stored}

    def run(self) -> dict[str, str]:
        """The settings that fit, beside those given; empty if none do."""
        config = open_checked(self.file, self.settings).config
        names = [n for n, v in config.items() if isinstance(v, int) and not isinstance(v, bool)]
        best, score = self.settings, self._score(self.settings)
        for _ in range(2):
            for name in names:
                for value in self._values():
                    trial = {**best, name: str(value)}
                    if monotonic() < self.end and (now := self._score(trial)) > score:
                        best, score = trial, now
        differing = {n: v for n, v in best.items() if str(config.get(n)) != v}
        return differing if score == self._perfect() else {}

    def _values(self) -> list[int]:
        sizes = {size for shape in self.given.values() for size in shape}
        counts = {int(n) + 1 for name in self.given for n in re.findall(r"\.(\d+)\.", name)}
        return sorted(counts)[-3:] + sorted(sizes)[:MAX_VALUES]

    def _perfect(self) -> float:
        return float(len(self.given))

    def _score(self, settings: Mapping[str, str]) -> float:
        """How many weights fit, less those that are missing or left over."""
        try:
            model = pick_model(open_checked(self.file, settings), self.model_name)
            wanted = {p: tuple(int(n) for n in t.shape) for p, (_, t) in parameters(expand(model)).items()}
        except (NetError, ValueError):
            return -1e9
        fits = sum(self.given.get(name) == shape for name, shape in wanted.items())
        if fits == len(wanted) == len(self.given):
            return self._perfect()
        shared = [name for name in wanted if name in self.given]
        partly = sum(_likeness(wanted[name], self.given[name]) for name in shared)
        return fits - len(wanted.keys() ^ self.given.keys()) + partly / 100 - 0.5


def _likeness(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    return sum(x == y for x, y in zip(a, b, strict=False)) / max(len(a), len(b), 1)
