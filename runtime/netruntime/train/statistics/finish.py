"""Computes outputs from the combined statistics of batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netdsl.graph import Graph, Node, Port
from netdsl.model import Input
from netdsl.types import TensorType
from netruntime.engine.backends import DeviceChoice, open_device
from netruntime.engine.executor import execute
from netruntime.engine.plan import PlanCache
from netruntime.files.arrays import Array
from netruntime.native.options import EngineOptions
from netruntime.train.statistics.joint import free_sizes
from netruntime.train.statistics.kinds import Reading
from netruntime.train.statistics.split import Split


class Finish:
    """The graph that computes the outputs of a split from its statistics, on the host."""

    def __init__(self, split: Split) -> None:
        self.split = split
        self.device = open_device(DeviceChoice(options=EngineOptions("numpy")))
        self.graph = Graph()
        self.graph.name = split.graph.name
        self.graph.interface = split.graph.interface
        ports: dict[Port, Port] = {}
        self._types = [split.graph.type_of(statistic.port) for statistic in split.statistics]
        for n, (statistic, type_) in enumerate(zip(split.statistics, self._types, strict=True)):
            origin = split.graph.node(statistic.port[0])
            node = Node(Input(str(n)), str(n), origin.span, (type_,))
            ports[statistic.port] = (self.graph.add(node, ()), 0)
        self.names = tuple(split.outputs)
        wanted = [split.copy_output(name, self.graph, ports) for name in self.names]
        self._plans = PlanCache(self.graph, wanted, self.device, _unused_sizes(split.graph, self.graph))

    def values(self, readings: Sequence[Reading], sizes: Mapping[str, int]) -> dict[str, float]:
        """The outputs by name.

        Args:
            readings: Of each statistic.
            sizes: The free sizes; that of the batch axis is the number of rows of all batches.
        """
        plan = self._plans.plan(sizes)
        inputs = {
            str(n): self._array(reading.value, self._types[n])
            for n, reading in enumerate(readings)
            if str(n) in plan.inputs
        }
        values = execute(plan, inputs, {}, self.device)
        return {name: float(self.device.numpy(value)) for name, value in zip(self.names, values, strict=True)}

    def _array(self, value: Array, type_: TensorType) -> Any:
        with self.device.active():
            return self.device.xp.asarray(value).astype(type_.dtype.numpy_name)


def _unused_sizes(all_of: Graph, graph: Graph) -> frozenset[str]:
    """The free sizes of one graph that no operator of another depends on."""
    nodes = [node for _, node in graph.operators()]
    sizes = free_sizes(all_of) - free_sizes(graph)
    return frozenset(name for name in sizes if not any(node.op.depends_on(name) for node in nodes))
