"""A rule that takes operators apart: those that are differentiated in parts (`Op.in_parts`)."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl.graph import GraphTape, Node
from netdsl.ops.contract.value import Value


def take_apart(tape: GraphTape, node: Node, inputs: Sequence[Value | None]) -> Sequence[Value] | None:
    """The outputs from simpler operators; None for an operator that has no parts."""
    parts = node.op.in_parts(*inputs)
    if parts is None:
        return None
    return parts if isinstance(parts, tuple) else (parts,)
