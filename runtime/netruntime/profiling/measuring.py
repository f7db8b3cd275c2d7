"""The profile of a run: how long each operator takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any

from netdsl.immutable import immutable
from netruntime.arguments import check_count, check_instance
from netruntime.engine.network import Network
from netruntime.engine.steps import Plan
from netruntime.profiling.clock import Clock, Event
from netruntime.profiling.parts import Part, part_of, sources_of

MAX_REPEATS = 1_000_000


@immutable
class Profile:
    """Where the time of a run goes.

    Args:
        name: The model.
        parts: Its operators, in the order in which they run.
        seconds: The shortest run from call to result, without the clock of the parts.
        repeats: How many runs were measured.
        engine: What ran: `native`, `numpy` or `cupy`, joined by ` and `.
        timeline: The kernels of the fastest measured run: for each, the number of its part, its name, when
            it began after the start of the run, and how long it took, in seconds.
    """

    name: str
    parts: tuple[Part, ...]
    seconds: float
    repeats: int
    engine: str
    timeline: tuple[tuple[int, str, float, float], ...] = field(repr=False)

    @property
    def kernel_seconds(self) -> float:
        """The time of all parts."""
        return sum(part.seconds for part in self.parts)

    @property
    def other_seconds(self) -> float:
        """The time of a run outside of its operators: inputs, results and, in training, the update."""
        return max(0.0, self.seconds - self.kernel_seconds)


def profile(network: Network, inputs: Mapping[str, Any], repeats: int = 20) -> Profile:
    """Measure the operators of a network as it runs on these inputs.

    The first run, which plans and packs the weights, does not count.

    Args:
        inputs: Arrays by input name.
        repeats: How many runs to measure; the least time of each operator counts.

    Raises:
        DataInputError, WeightsError: as when the network is called.
    """
    check_instance(network, "network", (Network,), "a network that `load` returned")
    check_count(repeats, "repeats", 1, MAX_REPEATS)
    return measured(
        network.name,
        plain=lambda: network.run(inputs),
        watched=lambda: network.run(inputs, seed=network.seed),
        repeats=repeats,
    )


def measured(
    name: str,
    *,
    watched: Callable[[], object],
    plain: Callable[[], object] | None = None,
    repeats: int,
) -> Profile:
    """The profile of a call that runs plans, always the same ones.

    Args:
        watched: Does it through the executor, so that each step is measured.
        plain: Does it as a user does, where that is faster; only its complete time is measured.
    """
    watched()
    if plain is not None:
        plain()
    runs: list[list[Event]] = []
    shortest = float("inf")
    begins: list[int] = []
    for _ in range(repeats):
        clock = Clock()
        begins.append(time.perf_counter_ns())
        with clock.watching():
            complete = _seconds(watched)
        runs.append(clock.events)
        shortest = min(shortest, complete if plain is None else _seconds(plain))
    totals = [sum(event.nanoseconds for event in events) for events in runs]
    best = totals.index(min(totals))
    return _profile(name, runs, best, begins[best], shortest)


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _profile(name: str, runs: Sequence[Sequence[Event]], best: int, begin: int, shortest: float) -> Profile:
    events = runs[best]
    least = [min(run[n].nanoseconds for run in runs if n < len(run)) for n in range(len(events))]
    groups: dict[tuple[int, int], list[int]] = {}
    plans: dict[int, Plan] = {}
    for n, event in enumerate(events):
        plans[id(event.plan)] = event.plan
        groups.setdefault((id(event.plan), event.node), []).append(n)
    sources = {key: sources_of(plan) for key, plan in plans.items()}
    parts: list[Part] = []
    numbers: dict[int, int] = {}
    for number, ((key, node), own) in enumerate(groups.items()):
        kernels = [events[n].kernel for n in own]
        seconds = sum(least[n] for n in own) / 1e9
        parts.append(part_of(plans[key], node, sources[key].get(node, ()), kernels, seconds))
        numbers |= dict.fromkeys(own, number)
    timeline = tuple(
        (numbers[n], event.kernel, (event.start - begin) / 1e9, event.nanoseconds / 1e9)
        for n, event in enumerate(events)
    )
    return Profile(name, tuple(parts), shortest, len(runs), _engine(events), timeline)


def _engine(events: Sequence[Event]) -> str:
    kernels = {event.kernel for event in events}
    others = [name for name in ("numpy", "cupy") if name in kernels]
    native = ["native"] if kernels - set(others) else []
    return " and ".join([*native, *others]) or "numpy"
