"""Runs the trials of a campaign, counts what became of them, and collects the faults."""

from __future__ import annotations

import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from random import Random
from types import ModuleType

SECONDS = 2.0
"""Of processor time, for one trial; a module may set its own."""
TIMED = True
"""Whether a trial over its time is a fault. The short run in the tests measures no time: machines differ."""
QUIET_SECONDS = 0.05
"""How long the loop of `slowness` takes on a quiet machine."""
HANG = 20.0
"""A trial that takes this much processor time is stopped, where the system has such a timer."""


class Slow(AssertionError):
    """A trial took longer than its limit."""


@dataclass(frozen=True)
class Fault:
    """One trial that failed; `where` identifies the fault, so that its repetitions count as one."""

    trial: str
    where: str
    text: str


@dataclass
class Count:
    """What became of the trials of a campaign."""

    name: str
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: dict[str, Fault] = field(default_factory=dict)

    @property
    def trials(self) -> int:
        return self.outcomes.total()

    def __str__(self) -> str:
        listed = ", ".join(f"{n:,} {what}" for what, n in self.outcomes.most_common())
        return f"{self.name:19} {self.trials:9,} trials, {len(self.faults)} faults: {listed}"


def campaigns() -> dict[str, str]:
    """All campaigns by name: the modules in the folders here that make trials."""
    paths = sorted(Path(__file__).parent.glob("*/*.py"), key=lambda path: path.stem)
    made = (path for path in paths if "\ndef trial(" in path.read_text("utf-8"))
    return {path.stem: f"fuzz.{path.parent.name}.{path.stem}" for path in made}


def load(name: str) -> ModuleType:
    """The module of a campaign."""
    return import_module(campaigns()[name])


def run(name: str, seed: int, go_on: Callable[[int], bool], first: int = 0) -> Count:
    """Trial after trial as long as `go_on(number)` says so.

    Each trial has random numbers of its own, made from the campaign, the seed and the trial's number, so
    that any one of them can be repeated.
    """
    module = load(name)
    count, number = Count(name), first
    while go_on(number):
        trial = f"{name}:{seed}:{number}"
        fault = _attempt(module, trial, count)
        if fault is not None:
            count.outcomes["faults"] += 1
            count.faults.setdefault(fault.where, fault)
        number += 1
    return count


def _attempt(module: ModuleType, trial: str, count: Count) -> Fault | None:
    start = time.process_time()
    try:
        with _stopped_if_it_hangs():
            outcome = module.trial(Random(trial))
        seconds = time.process_time() - start
        limit = getattr(module, "SECONDS", SECONDS)
        if TIMED and seconds > limit and seconds > limit * slowness():
            raise Slow(f"took {seconds:.1f} s of processor time")
    except Exception as wrong:
        return Fault(trial, _where(wrong), "".join(traceback.format_exception(wrong)))
    count.outcomes[outcome] += 1
    return None


def slowness() -> float:
    """How much slower than on a quiet machine Python is just now: 1 or more."""
    measured = []
    for _ in range(5):
        start = time.process_time()
        sum(n * n for n in range(1_000_000))
        measured.append(time.process_time() - start)
    return max(1.0, sorted(measured)[2] / QUIET_SECONDS)


def _where(wrong: Exception) -> str:
    """The kind of an exception, and the last line of the packages that it left."""
    frames = traceback.extract_tb(wrong.__traceback__)
    ours = [f for f in frames if "netdsl" in f.filename or "netruntime" in f.filename] or frames
    return f"{type(wrong).__name__} at {Path(ours[-1].filename).name}:{ours[-1].lineno}"


@contextmanager
def showing(text: str) -> Iterator[None]:
    """Adds an input, such as the text of a program, to whatever is raised inside."""
    try:
        yield
    except Exception as wrong:
        wrong.add_note(f"from:\n{text[:5000]}")
        raise


@contextmanager
def _stopped_if_it_hangs() -> Iterator[None]:
    if not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_: object) -> None:
        raise Slow(f"still running after {HANG:.0f} s of processor time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, HANG)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
