"""Measures the steps of plans as they run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netdsl.immutable import immutable
from netdsl.model import Output
from netruntime.engine.executor import WATCH
from netruntime.engine.steps import Plan, PlanStep
from netruntime.native.run import NativeRun


@immutable
class Event:
    """A kernel that ran.

    Args:
        plan: The plan that it belongs to.
        node: The node of the plan's graph that it computes.
        kernel: The native kernel; `numpy` or `cupy` for an operator of those.
        start, nanoseconds: When it began, by a clock of the process, and how long it took.
    """

    plan: Plan
    node: int
    kernel: str
    start: int
    nanoseconds: int


@dataclass
class Clock:
    """Collects the events of the steps that run while `watching`."""

    events: list[Event] = field(default_factory=list)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Measure every step that this thread runs inside."""
        token = WATCH.set(self._run)
        try:
            yield
        finally:
            WATCH.reset(token)

    def _run(self, plan: Plan, step: PlanStep, *arguments: Any, **extra: Any) -> Any:
        if isinstance(step.run, NativeRun):
            return self._run_native(plan, step.run, arguments)
        if isinstance(step.op, Output):  # another name of its input
            return step.run(*arguments, **extra)
        start = time.perf_counter_ns()
        result = step.run(*arguments, **extra)
        first = result[0] if isinstance(result, tuple) else result
        kernel = type(first).__module__.partition(".")[0]
        if kernel == "cupy":
            _wait_for_gpu()
        self.events.append(Event(plan, step.node, kernel, start, time.perf_counter_ns() - start))
        return result

    def _run_native(self, plan: Plan, run: NativeRun, arguments: tuple[Any, ...]) -> Any:
        count = len(run.inputs)
        inputs = [np.ascontiguousarray(array) for array in arguments[:count]]
        times = np.zeros(len(run.records), np.int64)
        constants = run.prepare(arguments[count:])
        start = time.perf_counter_ns()
        results = run.call(inputs, constants, times)
        for record, nanoseconds in zip(run.records, times.tolist(), strict=True):
            self.events.append(Event(plan, record.node, record.kernel, start, nanoseconds))
            start += nanoseconds
        return results


def _wait_for_gpu() -> None:
    import cupy

    cupy.cuda.get_current_stream().synchronize()
