"""Runs a model along a sequence, chunk by chunk, keeping what later chunks need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from netdsl.model import Model
from netdsl.ops.contract.time import PAST, TimeAxis, UnsupportedError
from netdsl.ops.numerics.checks import DeferredChecks
from netdsl.types import TensorType
from netruntime.engine.backends import Device
from netruntime.engine.binding import bind_inputs
from netruntime.engine.executor import execute
from netruntime.engine.network import Network
from netruntime.engine.plan import make_plan, runner
from netruntime.engine.reading import read
from netruntime.engine.steps import Plan
from netruntime.errors import GenerationError
from netruntime.files.arrays import to_host
from netruntime.generation.incremental.buffer import Buffer, room_of
from netruntime.generation.incremental.packed import FILLED, ROOM
from netruntime.generation.incremental.programs import Program, SequenceSpec, program_of
from netruntime.memory import lack_text, shortage
from netruntime.native.fused.caches import BLOCK
from netruntime.quantities import bytes_text

MOST_FORESEEN = 4096
"""Positions that packed caches have room for at the start, if as many will certainly come."""


class Stepper(Protocol):
    """Runs a model along sequences. `length` is the number of positions so far."""

    length: int

    def feed(self, chunk: Mapping[str, Any], checks: DeferredChecks | None = None) -> dict[str, Any]:
        """Feed the inputs at the next positions. Returns the outputs there, on the device.

        Args:
            checks: Collects what a GPU has to check, for the caller to read; by default it is read here.
        """
        ...

    def take(self, rows: Sequence[int]) -> None:
        """Reorder the batch to these rows; a row may repeat (beam search)."""
        ...


def open_stepper(
    network: Network,
    spec: SequenceSpec,
    fixed: Mapping[str, Any],
    *,
    cached: bool = True,
    moves_rows: bool = False,
    positions: int = 0,
) -> tuple[Stepper, UnsupportedError | None]:
    """A stepper with caches; if that is not possible, one that recomputes the prefix, and the reason.

    Args:
        fixed: The inputs that do not depend on time.
        cached: Whether to use caches; otherwise the prefix is always recomputed.
        moves_rows: Whether `take` will be called.
        positions: How many positions will certainly be fed, for which there must be memory.
    """
    if not cached:
        return FullStepper(network, spec, fixed), None
    try:
        program = program_of(network, spec)
        if moves_rows:
            for _, node in program.incremental.graph.operators():
                spec.batch_axis(node.types[0])
        return CachedStepper(network, spec, fixed, program, positions), None
    except UnsupportedError as reason:
        return FullStepper(network, spec, fixed), reason


class _Fixed:
    """The inputs that do not depend on time, and the batch axis of each."""

    def __init__(self, network: Network, spec: SequenceSpec, fixed: Mapping[str, Any]) -> None:
        self.arrays = dict(fixed)
        self._axes = {name: spec.batch_axis(network.inputs[name]) for name in fixed if name in network.inputs}

    def take(self, rows: Sequence[int]) -> None:
        for name, axis in self._axes.items():
            if axis is not None:
                self.arrays[name] = np.take(np.asarray(self.arrays[name]), rows, axis=axis)


class _Uploads:
    """Uploads inputs to the device; those that stay the same from one chunk to the next only once."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._known: dict[str, tuple[Any, Any]] = {}

    def bind(
        self, model: Model, inputs: Mapping[str, Any], checks: DeferredChecks
    ) -> tuple[dict[str, Any], dict[str, int]]:
        """`bind_inputs`, without uploading again what is on the device already."""
        if self._device.xp is np:
            return bind_inputs(model, inputs, self._device, checks)
        repeated = {name for name, value in inputs.items() if self._is_known(name, value)}
        ready = {name: self._known[name][1] if name in repeated else value for name, value in inputs.items()}
        arrays, sizes = bind_inputs(model, ready, self._device, checks)
        for name in inputs.keys() - repeated:
            self._known[name] = (to_host(inputs[name]).copy(), arrays[name])
        for name in repeated & {name for name, array in arrays.items() if array.dtype.kind in "iu"}:
            checks.remember(arrays[name], np.asarray(inputs[name]))
        return arrays, sizes

    def _is_known(self, name: str, value: Any) -> bool:
        if name not in self._known or not isinstance(value, np.ndarray):
            return False
        before = self._known[name][0]
        return before.dtype == value.dtype and np.array_equal(before, value)


class FullStepper:
    """Runs the model on the full prefix for every chunk."""

    def __init__(self, network: Network, spec: SequenceSpec, fixed: Mapping[str, Any]) -> None:
        self.length = 0
        self._network = network
        self._ports = {name: (network.computation.interface.outputs[name], 0) for name in spec.outputs}
        self._spec = spec
        self._time = TimeAxis(spec.time)
        self._fixed = _Fixed(network, spec, fixed)
        self._uploads = _Uploads(network.device)
        self._seen: dict[str, Any] = {}

    def feed(self, chunk: Mapping[str, Any], checks: DeferredChecks | None = None) -> dict[str, Any]:
        network = self._network
        own = DeferredChecks(network.device.xp) if checks is None else checks
        types = network.inputs
        count = 0
        for name, array in chunk.items():
            axis = self._time.axes(types[name])[0]
            count = array.shape[axis]
            before = [self._seen[name]] if name in self._seen else []
            self._seen[name] = np.concatenate([*before, np.asarray(array)], axis=axis)
        self.length += count
        inputs = {**self._fixed.arrays, **self._seen, **_lengths(self._spec, chunk, self.length)}
        arrays, sizes = self._uploads.bind(network.model, inputs, own)
        plan = make_plan(network.computation, list(self._ports.values()), sizes, network.device)
        results = execute(
            plan,
            arrays,
            network.device_weights,
            network.device,
            seed=network.seed,
            checks=own,
        )
        if checks is None:
            read(network.device, [own])
        named = zip(self._ports, results, strict=True)
        return {name: self._newest(name, result, count) for name, result in named}

    def take(self, rows: Sequence[int]) -> None:
        self._fixed.take(rows)
        for name, array in self._seen.items():
            axis = self._spec.batch_axis(self._network.inputs[name])
            if axis is not None:
                self._seen[name] = np.take(array, rows, axis=axis)

    def _newest(self, name: str, result: Any, count: int) -> Any:
        node, output = self._ports[name]
        axes = self._time.axes(self._network.computation.type_of((node, output)))
        if not axes:
            return result
        return result[(slice(None),) * axes[0] + (slice(self.length - count, None),)]


class CachedStepper:
    """Runs the model on new positions only, keeping caches and states between chunks."""

    def __init__(
        self,
        network: Network,
        spec: SequenceSpec,
        fixed: Mapping[str, Any],
        program: Program,
        positions: int = 0,
    ) -> None:
        self.length = 0
        self._positions = positions
        self.incremental = incremental = program.incremental
        self._plans = program.plans
        self._network = network
        self._spec = spec
        self._fixed = _Fixed(network, spec, fixed)
        self._uploads = _Uploads(network.device)
        self._kept: dict[str, Any] = {}
        self._buffers: dict[str, Buffer] = {}
        time = incremental.time
        self._time_axes = {name: time.axes(type_) for name, type_ in network.inputs.items()}
        self._packed = next((cache.name for cache in incremental.caches if cache.per_item), None)

    def feed(self, chunk: Mapping[str, Any], checks: DeferredChecks | None = None) -> dict[str, Any]:
        network, device = self._network, self._network.device
        own = DeferredChecks(device.xp) if checks is None else checks
        name = next(iter(chunk))
        count = int(chunk[name].shape[self._time_axes[name][0]])
        inputs = {**self._fixed.arrays, **chunk, **_lengths(self._spec, chunk, count)}
        arrays, sizes = self._uploads.bind(network.model, inputs, own)
        sizes[PAST] = self.length
        if not self.length:
            self._start(arrays, sizes, own)
        self._check_room(count)
        with device.active():
            rooms = {name: buffer.grow(count) for name, buffer in self._buffers.items()}
        if self._packed is not None:
            sizes[ROOM] = self._buffers[self._packed].room // BLOCK
            rooms[FILLED] = np.array([self.length], np.int64)
        results = execute(
            self._plan(sizes),
            {**arrays, **self._kept, **rooms},
            network.device_weights,
            device,
            seed=network.seed,
            checks=own,
        )
        if checks is None:
            read(device, [own])
        outputs = len(self.incremental.outputs)
        carried = zip(self.incremental.carries, results[outputs:], strict=True)
        self._kept.update((carry.name, array) for carry, array in carried)
        self.length += count
        return dict(zip(self.incremental.outputs, results, strict=False))

    def take(self, rows: Sequence[int]) -> None:
        device = self._network.device
        self._fixed.take(rows)
        with device.active():
            index = device.xp.asarray(rows)
            for name, type_ in self._kept_types().items():
                axis = self._spec.batch_axis(type_)
                if axis is not None:
                    self._kept[name] = device.xp.take(self._kept[name], index, axis=axis)
            for cache in self.incremental.caches:
                axis = self._spec.batch_axis(cache.type)
                if axis is not None:
                    self._buffers[cache.name].take(index, axis)

    def _kept_types(self) -> dict[str, TensorType]:
        """The types of the fixed values and the carried states, by the inputs that hold them."""
        graph = self._network.computation
        fixed = {name: graph.type_of((node, n)) for name, (node, n) in self.incremental.fixed.items()}
        return fixed | {carry.name: carry.type for carry in self.incremental.carries}

    def _start(self, arrays: Mapping[str, Any], sizes: Mapping[str, int], checks: DeferredChecks) -> None:
        """Compute what does not depend on time, and allocate the caches."""
        network, device = self._network, self._network.device
        starts = {carry.name: carry.start for carry in self.incremental.carries if carry.start}
        ports = {**self.incremental.fixed, **starts}
        plan = make_plan(network.computation, list(ports.values()), sizes, device)
        results = execute(plan, arrays, network.device_weights, device, seed=network.seed, checks=checks)
        self._kept = dict(zip(ports, results, strict=True))
        with device.active():
            for carry in self.incremental.carries:
                if carry.start is None:
                    shape = [size.evaluate(sizes) for size in carry.type.shape]
                    self._kept[carry.name] = device.xp.zeros(shape, dtype=carry.type.dtype.numpy_name)
            for cache in self.incremental.caches:
                shape = [size.evaluate({**sizes, ROOM: 1}) for size in cache.type.shape]
                dtype = cache.type.dtype.numpy_name
                room = room_of(min(self._positions, MOST_FORESEEN) if cache.per_item else 0)
                self._buffers[cache.name] = Buffer(
                    device.xp, shape, dtype, cache.axis, per_item=cache.per_item, room=room
                )

    def _check_room(self, count: int) -> None:
        """Raise `GenerationError` E0822 if the caches do not fit in memory with `count` more positions.

        At the start that means all positions that will certainly come.
        """
        length = max(self.length + count, 0 if self.length else self._positions)
        sizes = [(c.label, self._buffers[c.name].bytes_at(length)) for c in self.incremental.caches]
        needed = sum(size for _, size in sizes)
        free = shortage(needed, self._network.device.xp)
        if free is None:
            return
        largest = sorted(((f"`{label}`", size) for label, size in sizes), key=lambda pair: -pair[1])[:3]
        message = (
            f"the caches of {length:,} positions need {bytes_text(needed)} of memory, "
            f"but {lack_text(free, largest)}"
        )
        raise GenerationError.make("E0822", message, help="generate fewer tokens, or fewer prompts at once")

    def _plan(self, sizes: Mapping[str, int]) -> Plan:
        """The plan for these sizes; steps that depend on the number of past positions are bound again."""
        plan = self._plans.plan(sizes)
        steps = list(plan.steps)
        for n, step in enumerate(steps):
            op = plan.graph.node(step.node).op
            if op.depends_on(PAST):
                op = op.bind(sizes)
                steps[n] = replace(step, op=op, run=runner(op, (), self._network.device))
        return replace(plan, steps=tuple(steps))


def _lengths(spec: SequenceSpec, chunk: Mapping[str, Any], length: int) -> dict[str, Any]:
    """The inputs that hold the number of positions, one entry per sequence."""
    rows = next(iter(chunk.values())).shape[0]
    return {name: np.full(rows, length, np.int64) for name in sorted(spec.lengths)}
