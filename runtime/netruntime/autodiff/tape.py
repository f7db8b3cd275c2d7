"""Tapes: where the values of formulas become nodes of a graph, or steps of a scan's program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from netdsl.graph import Graph, Node, Port
from netdsl.ops.contract.base import Op
from netdsl.ops.contract.value import Value
from netdsl.ops.linear.linear import MatMul
from netdsl.ops.sequence.scan import Program, ProgramStep
from netdsl.ops.shape.rearrange import Transpose
from netdsl.source import Span
from netdsl.types import TensorType


def under(node: Node, prefix: str) -> Node:
    """The node with this prefix before all its label paths."""
    chain = tuple(replace(frame, label=f"{prefix}.{frame.label}") for frame in node.chain)
    return replace(node, label=f"{prefix}.{node.label}", chain=chain)


@dataclass
class GraphTape:
    """Adds operators to a graph; a value's reference is its port.

    An operator that is there already, on the same inputs, is used again.
    """

    graph: Graph
    origin: Node | None = None
    """The node that new ones take their label, place and calls from."""
    known: dict[tuple[Op, tuple[Port | None, ...]], int] = field(default_factory=dict)

    def emit(self, op: Op, inputs: Sequence[Value | None], types: Sequence[TensorType]) -> Sequence[Port]:
        if op == Transpose((1, 0)) and inputs[0] is not None:
            turned = self._turned_product(inputs[0])
            if turned is not None:
                return [turned.ref]
        ports = tuple(None if value is None else value.ref for value in inputs)
        node = None if op.is_random else self.known.get((op, ports))
        if node is None:
            assert self.origin is not None
            node = self.graph.add(self.origin.with_op(op, types), ports)
            self.known[(op, ports)] = node
        return [(node, n) for n in range(len(types))]

    def value(self, port: Port) -> Value:
        return Value(self, port, self.graph.type_of(port))

    def _turned_product(self, value: Value) -> Value | None:
        """`(a b)ᵀ` as `bᵀ aᵀ`, whose rows lie in memory in order; None where `value` is no such product.

        It is the gradient of a table of embeddings that serves as the last layer too.
        """
        node = value.ref[0]
        if not isinstance(self.graph.node(node).op, MatMul):
            return None
        a, b = (self.value(port) for port in self.graph.inputs_of(node) if port is not None)
        return b.transpose([1, 0]).apply(MatMul(), a.transpose([1, 0])) if a.rank == b.rank == 2 else None


Key = tuple[Any, ...]
"""A value of a program under construction: an input, or an output of a step."""


@dataclass
class ProgramTape:
    """Collects the steps of a scan's program; a value's reference is a key until `finish` numbers it."""

    span: Span
    label: str = ""
    steps: list[tuple[Op, tuple[Key | None, ...], tuple[TensorType, ...], str, Span]] = field(
        default_factory=list
    )
    known: dict[tuple[Op, tuple[Key | None, ...]], int] = field(default_factory=dict)

    def input(self, *key: Any, type_: TensorType) -> Value:
        return Value(self, ("input", *key), type_)

    def emit(self, op: Op, inputs: Sequence[Value | None], types: Sequence[TensorType]) -> Sequence[Key]:
        keys = tuple(None if value is None else value.ref for value in inputs)
        index = None if op.is_random else self.known.get((op, keys))
        if index is None:
            index = len(self.steps)
            self.steps.append((op, keys, tuple(types), self.label, self.span))
            self.known[(op, keys)] = index
        return [("step", index, n) for n in range(len(types))]

    def used(self, outputs: Sequence[Value]) -> set[Key]:
        """The keys that the outputs depend on."""
        found: set[Key] = set()
        waiting: list[Key] = [value.ref for value in outputs]
        while waiting:
            key = waiting.pop()
            if key not in found:
                found.add(key)
                if key[0] == "step":
                    waiting += [k for k in self.steps[key[1]][1] if k is not None]
        return found

    def finish(self, inputs: Sequence[Value], outputs: Sequence[Value]) -> Program:
        """The program of these inputs and outputs, without the steps that no output needs."""
        used = self.used(outputs)
        needed = {key[1] for key in used if key[0] == "step"}
        numbers: dict[Key, int] = {value.ref: n for n, value in enumerate(inputs)}
        steps = []
        count = len(inputs)
        for index, (op, keys, types, label, span) in enumerate(self.steps):
            if index not in needed:
                continue
            args = tuple(None if key is None else numbers[key] for key in keys)
            steps.append(ProgramStep(op, args, types, label, span))
            numbers |= {("step", index, n): count + n for n in range(len(types))}
            count += len(types)
        named = tuple((".".join(map(str, value.ref[1:])), value.type) for value in inputs)
        return Program(named, tuple(steps), tuple(numbers[value.ref] for value in outputs))
