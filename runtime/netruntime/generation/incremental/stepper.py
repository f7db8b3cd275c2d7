"""Running a model along a sequence, chunk after chunk, and keeping what later chunks need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from netdsl.dims import symbol
from netdsl.types import TensorType
from netruntime.engine.binding import bind_inputs
from netruntime.engine.executor import execute
from netruntime.engine.network import Network
from netruntime.engine.plan import Plan, PlanCache, make_plan, runner
from netruntime.generation.incremental.buffer import Buffer
from netruntime.generation.incremental.build import Incremental, make_incremental
from netruntime.generation.incremental.forms import PAST, Time, UnsupportedError


@dataclass(frozen=True)
class Course:
    """What runs along time in a model.

    Args:
        time: The symbol of the number of positions.
        outputs: The outputs that are wanted.
        lengths: Inputs `[B]` that hold the number of positions; they are filled in.
        batch: The symbol of the number of sequences, where it is free.
    """

    time: str
    outputs: tuple[str, ...]
    lengths: frozenset[str] = frozenset()
    batch: str | None = None

    def batch_axis(self, type_: TensorType) -> int | None:
        """The axis of a value that runs over sequences. Raises `UnsupportedError` where it is merged."""
        if self.batch is None:
            return None
        axes = [axis for axis, size in enumerate(type_.shape) if self.batch in size.symbols]
        if any(type_.shape[axis] != symbol(self.batch) for axis in axes) or len(axes) > 1:
            raise UnsupportedError(f"the batch is merged with another axis in {type_}")
        return axes[0] if axes else None


class Stepper(Protocol):
    """A model that is run along sequences. `length` counts the positions so far."""

    length: int

    def feed(self, chunk: Mapping[str, Any]) -> dict[str, Any]:
        """The outputs at the next positions, on the device, for what the inputs hold there."""
        ...

    def take(self, rows: Sequence[int]) -> None:
        """Go on with these rows of the batch, each as often as it is named."""
        ...


def open_stepper(
    network: Network,
    course: Course,
    fixed: Mapping[str, Any],
    *,
    cached: bool = True,
    moves_rows: bool = False,
) -> tuple[Stepper, UnsupportedError | None]:
    """A stepper that keeps what it can; where it cannot, one that runs the whole prefix again, and why.

    Args:
        fixed: The inputs without time.
        cached: False for one that runs the whole prefix again in any case.
        moves_rows: Whether `take` will be called.
    """
    if not cached:
        return FullStepper(network, course, fixed), None
    try:
        made = make_incremental(network.graph, course.time, course.outputs, course.lengths)
        if moves_rows:
            for _, node in made.graph.operators():
                course.batch_axis(node.types[0])
        return CachedStepper(network, course, fixed, made), None
    except UnsupportedError as reason:
        return FullStepper(network, course, fixed), reason


class _Fixed:
    """The inputs without time, and the batch axis of each."""

    def __init__(self, network: Network, course: Course, given: Mapping[str, Any]) -> None:
        self.arrays = dict(given)
        self._axes = {
            name: course.batch_axis(network.inputs[name]) for name in given if name in network.inputs
        }

    def take(self, rows: Sequence[int]) -> None:
        for name, axis in self._axes.items():
            if axis is not None:
                self.arrays[name] = np.take(np.asarray(self.arrays[name]), rows, axis=axis)


class FullStepper:
    """Runs the model on the whole prefix for every chunk."""

    def __init__(self, network: Network, course: Course, fixed: Mapping[str, Any]) -> None:
        self.length = 0
        self._network = network
        self._ports = {name: (network.graph.interface.outputs[name], 0) for name in course.outputs}
        self._course = course
        self._time = Time(course.time)
        self._fixed = _Fixed(network, course, fixed)
        self._seen: dict[str, Any] = {}

    def feed(self, chunk: Mapping[str, Any]) -> dict[str, Any]:
        network = self._network
        types = network.inputs
        count = 0
        for name, array in chunk.items():
            axis = self._time.axes(types[name])[0]
            count = array.shape[axis]
            before = [self._seen[name]] if name in self._seen else []
            self._seen[name] = np.concatenate([*before, np.asarray(array)], axis=axis)
        self.length += count
        inputs = {**self._fixed.arrays, **self._seen, **_lengths(self._course, chunk, self.length)}
        arrays, sizes = bind_inputs(network.model, inputs, network.device)
        plan = make_plan(network.graph, list(self._ports.values()), sizes, network.device)
        results = execute(
            plan, network.graph, arrays, network.device_weights, network.device, seed=network.seed
        )
        named = zip(self._ports, results, strict=True)
        return {name: self._newest(name, result, count) for name, result in named}

    def take(self, rows: Sequence[int]) -> None:
        self._fixed.take(rows)
        for name, array in self._seen.items():
            axis = self._course.batch_axis(self._network.inputs[name])
            if axis is not None:
                self._seen[name] = np.take(array, rows, axis=axis)

    def _newest(self, name: str, result: Any, count: int) -> Any:
        node, output = self._ports[name]
        axes = self._time.axes(self._network.graph.type_of((node, output)))
        if not axes:
            return result
        return result[(slice(None),) * axes[0] + (slice(self.length - count, None),)]


class CachedStepper:
    """Runs the model on new positions alone, and keeps caches and states between chunks."""

    def __init__(self, network: Network, course: Course, fixed: Mapping[str, Any], made: Incremental) -> None:
        self.length = 0
        self.made = made
        self._network = network
        self._course = course
        self._fixed = _Fixed(network, course, fixed)
        self._kept: dict[str, Any] = {}
        self._buffers: dict[str, Buffer] = {}
        wanted = [*made.outputs.values(), *(carry.port for carry in made.carries)]
        self._plans = PlanCache(made.graph, wanted, network.device, ignored=frozenset({PAST}))
        past = Time(PAST)
        self._counts_past = {n for n, node in made.graph.operators() if past.in_attributes(node.op)}

    def feed(self, chunk: Mapping[str, Any]) -> dict[str, Any]:
        network, device = self._network, self._network.device
        count = self._count(chunk)
        given = {**self._fixed.arrays, **chunk, **_lengths(self._course, chunk, count)}
        arrays, sizes = bind_inputs(network.model, given, device)
        sizes[PAST] = self.length
        if not self.length:
            self._start(arrays, sizes)
        with device.active():
            rooms = {name: buffer.grow(count) for name, buffer in self._buffers.items()}
        results = execute(
            self._plan(sizes),
            self.made.graph,
            {**arrays, **self._kept, **rooms},
            network.device_weights,
            device,
            seed=network.seed,
        )
        outputs = len(self.made.outputs)
        carried = zip(self.made.carries, results[outputs:], strict=True)
        self._kept.update((carry.name, array) for carry, array in carried)
        self.length += count
        return dict(zip(self.made.outputs, results, strict=False))

    def take(self, rows: Sequence[int]) -> None:
        device = self._network.device
        self._fixed.take(rows)
        with device.active():
            index = device.xp.asarray(rows)
            for name, type_ in self._kept_types().items():
                axis = self._course.batch_axis(type_)
                if axis is not None:
                    self._kept[name] = device.xp.take(self._kept[name], index, axis=axis)
            for cache in self.made.caches:
                axis = self._course.batch_axis(cache.type)
                if axis is not None:
                    self._buffers[cache.name].take(index, axis)

    def _count(self, chunk: Mapping[str, Any]) -> int:
        name = next(iter(chunk))
        return int(chunk[name].shape[self.made.time.axes(self._network.inputs[name])[0]])

    def _kept_types(self) -> dict[str, TensorType]:
        """The types of the fixed and the carried values by the inputs they come in by."""
        graph = self._network.graph
        fixed = {name: graph.type_of((node, n)) for name, (node, n) in self.made.fixed.items()}
        return fixed | {carry.name: carry.type for carry in self.made.carries}

    def _start(self, arrays: Mapping[str, Any], sizes: Mapping[str, int]) -> None:
        """Compute what does not depend on time, and make room for the caches."""
        network, device = self._network, self._network.device
        starts = {carry.name: carry.start for carry in self.made.carries if carry.start}
        ports = {**self.made.fixed, **starts}
        plan = make_plan(network.graph, list(ports.values()), sizes, device)
        results = execute(plan, network.graph, arrays, network.device_weights, device, seed=network.seed)
        self._kept = dict(zip(ports, results, strict=True))
        with device.active():
            for carry in self.made.carries:
                if carry.start is None:
                    shape = [size.evaluate(sizes) for size in carry.type.shape]
                    self._kept[carry.name] = device.xp.zeros(shape, dtype=carry.type.dtype.numpy_name)
            for cache in self.made.caches:
                shape = [size.evaluate(sizes) for size in cache.type.shape]
                dtype = cache.type.dtype.numpy_name
                self._buffers[cache.name] = Buffer(device.xp, shape, dtype, cache.axis)

    def _plan(self, sizes: Mapping[str, int]) -> Plan:
        """The plan for these sizes. For another number of past positions, only what counts them is new."""
        plan = self._plans.plan(sizes)
        steps = list(plan.steps)
        for n, step in enumerate(steps):
            if step.node in self._counts_past:
                op = self.made.graph.node(step.node).op.bind(sizes)
                steps[n] = replace(step, op=op, run=runner(op, (), self._network.device))
        return replace(plan, steps=tuple(steps))


def _lengths(course: Course, chunk: Mapping[str, Any], length: int) -> dict[str, Any]:
    """The inputs that hold the number of positions, for every sequence of the chunk."""
    rows = next(iter(chunk.values())).shape[0]
    return {name: np.full(rows, length, np.int64) for name in sorted(course.lengths)}
