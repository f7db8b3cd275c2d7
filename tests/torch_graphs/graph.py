"""Runs a graph in PyTorch: scans as loops, batch normalisation that trains, and chance shared or its own."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import networkx as nx
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from netdsl.graph import Graph, Port
from netdsl.model import Input, Parameter
from netdsl.ops.contract.base import Op
from netdsl.ops.create.random import Normal
from netdsl.ops.elementwise.dropout import Dropout
from netdsl.ops.norm.batch_norm_training import BatchNormTraining
from netdsl.ops.sequence.scan import Program, Scan
from netruntime.engine.backends import open_device
from torch_graphs.layers import LAYERS
from torch_graphs.simple import DTYPES, SIMPLE, ints, unknown

OPERATORS = {**SIMPLE, **LAYERS}
"""What each operator is in PyTorch."""
MOMENTUM = 0.1
"""That of running statistics, ours and PyTorch's."""

Arrays = Mapping[str, Any]
Values = dict[Port, Tensor]


@dataclass
class Ran:
    """What a run gave: the outputs by name, every value by port, and new running statistics by label path."""

    outputs: dict[str, Tensor]
    values: Values
    buffers: dict[str, Tensor] = field(default_factory=dict)


class TorchGraph:
    """A graph of `netdsl.graph.build`, for some sizes, as PyTorch runs it.

    Args:
        graph: The graph; in one built for training, PyTorch keeps the running statistics.
        sizes: Values of the free sizes.
        seed: Draws the random numbers that our runtime draws for this seed; None lets PyTorch draw.
        outputs: Those wanted; all by default.
    """

    def __init__(
        self,
        graph: Graph,
        sizes: Mapping[str, int],
        seed: int | None = 0,
        outputs: Sequence[str] | None = None,
    ) -> None:
        self.graph = graph
        self.seed = seed
        names = graph.interface.outputs
        self.outputs = {name: node for name, node in names.items() if outputs is None or name in outputs}
        self.inputs = {node: graph.inputs_of(node) for node in graph}
        self.ops: dict[int, Op] = {node: graph.node(node).op.bind(sizes) for node in graph}
        ends = set(self.outputs.values())
        self.needed = sorted(ends.union(*(nx.ancestors(graph, node) for node in ends)))

    def run(self, inputs: Arrays, weights: Mapping[str, Tensor]) -> Ran:
        """Everything that the outputs depend on.

        Args:
            inputs: Tensors, or arrays, by input name.
            weights: Tensors by label path; autograd follows those that require it.

        Raises:
            NotImplementedError: for an operator that is in no table.
        """
        ran = Ran({}, {})
        for node in self.needed:
            op = self.ops[node]
            if isinstance(op, Input):
                result: Any = torch.as_tensor(inputs[op.slot])
            elif isinstance(op, Parameter):
                result = weights[self.graph.node(node).label]
            elif isinstance(op, BatchNormTraining):
                result = self._batch_norm(node, ran, weights)
            else:
                args = [None if port is None else ran.values[port] for port in self.inputs[node]]
                result = self._one(op, args, self._rng(node))
            results = result if isinstance(result, tuple) else (result,)
            ran.values.update({(node, n): value for n, value in enumerate(results)})
        ran.outputs.update({name: ran.values[(node, 0)] for name, node in self.outputs.items()})
        return ran

    def _one(self, op: Op, args: Sequence[Tensor | None], rng: np.random.Generator | None) -> Any:
        if isinstance(op, Scan):
            return self._scan(op, args, rng)
        if isinstance(op, (Dropout, Normal)):
            return _random(op, args, rng)
        return OPERATORS.get(op.name, unknown)(op, *args)

    def _rng(self, node: int) -> np.random.Generator | None:
        """Our runtime's generator of a node; see `netruntime.engine.executor`."""
        if self.seed is None or not self.ops[node].is_random:
            return None
        key = (self.seed, zlib.crc32(self.graph.node(node).label.encode()))
        return open_device().generator(*key)

    def _batch_norm(self, node: int, ran: Ran, weights: Mapping[str, Tensor]) -> Tensor:
        layer = self.graph.node(node).chain[-1].label
        labels = [f"{layer}.running_mean", f"{layer}.running_var"]
        mean, var = (weights[label].detach().clone() for label in labels)
        values = [ran.values[port] for port in self.inputs[node] if port is not None]
        eps = self.ops[node].eps  # type: ignore[attr-defined]
        y = F.batch_norm(values[0], mean, var, *values[1:], training=True, momentum=MOMENTUM, eps=eps)
        ran.buffers |= dict(zip(labels, (mean, var), strict=True))
        return y

    # -- scans -------------------------------------------------------------------------------------

    def _scan(
        self, scan: Scan, args: Sequence[Tensor | None], rng: np.random.Generator | None
    ) -> tuple[Tensor, ...]:
        count = scan.sequences
        xs = [x for x in args[:count] if x is not None]
        length = args[count] if len(args) > count else None
        states = list(args[count + 1 : count + 1 + scan.states])
        held = args[count + 1 + scan.states :]
        outputs: list[list[Tensor]] = []
        steps = range(xs[0].shape[1])
        for t in reversed(steps) if scan.reverse else steps:
            results = self._program(scan.program, [*(x[:, t] for x in xs), *states, *held], rng)
            count = len(results) - scan.states
            given, after = results[:count], results[count:]
            if length is not None:
                alive = t < length
                given = [_where(alive, new, torch.zeros_like(new)) for new in given]
                after = [_where(alive, new, old) for new, old in zip(after, states, strict=True)]
            outputs.append(list(given))
            states = list(after)
        if scan.reverse:
            outputs.reverse()
        return (*(torch.stack(list(values), dim=1) for values in zip(*outputs, strict=True)), *states)

    def _program(
        self, program: Program, inputs: Sequence[Any], rng: np.random.Generator | None
    ) -> list[Tensor]:
        values = list(inputs)
        for step in program.steps:
            result = self._one(step.op, [None if i is None else values[i] for i in step.inputs], rng)
            values += result if isinstance(result, tuple) else (result,)
        return [values[i] for i in program.outputs]


def _random(op: Any, args: Sequence[Any], rng: np.random.Generator | None) -> Tensor:
    """What a random operator draws: from our generator, so that both engines see it, or PyTorch's own."""
    device = open_device()
    if isinstance(op, Dropout):
        (x,) = args
        if rng is None:
            return F.dropout(x, op.p)
        ones = np.ones(tuple(x.shape), dtype=str(x.dtype).removeprefix("torch."))
        return x * torch.from_numpy(device.numpy(op.forward(device.xp, device.array(ones), rng=rng)))
    if rng is None:
        return op.mean + op.std * torch.randn(ints(op.sizes), dtype=DTYPES[op.dtype])
    return torch.from_numpy(device.numpy(op.forward(device.xp, rng=rng)))


def _where(alive: Tensor, new: Tensor, old: Any) -> Tensor:
    return torch.where(alive.reshape(-1, *[1] * (new.ndim - 1)), new, old)
