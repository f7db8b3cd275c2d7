"""A rule for frozen batch norms: they normalise by their running statistics, as outside of training."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from netdsl.graph import Graph, GraphTape, Node
from netdsl.model import Parameter
from netdsl.ops.contract.value import Value
from netdsl.ops.norm.batch_norm_training import BatchNormTraining
from netdsl.ops.norm.norm import BatchNorm
from netruntime.engine.passes.rewrite import Rule, rewrite

MEAN, VARIANCE = "running_mean", "running_var"
"""The labels of the running statistics in the standard block."""


def freeze_norms(graph: Graph, frozen: Collection[str]) -> Graph:
    """The graph with the batch norms frozen whose running statistics are among these label paths."""
    return rewrite(graph, [_rule(frozen)]).tape.graph if frozen else graph


def _rule(frozen: Collection[str]) -> Rule:
    def rule(tape: GraphTape, node: Node, inputs: Sequence[Value | None]) -> Sequence[Value] | None:
        block = node.label.rpartition(".")[0]
        labels = [f"{block}.{name}" if block else name for name in (MEAN, VARIANCE)]
        if not isinstance(node.op, BatchNormTraining) or not set(labels) <= set(frozen):
            return None
        mean, variance = (_parameter(tape, label) for label in labels)
        x, *affine = inputs
        if x is None or mean is None or variance is None:  # in the cell of a scan
            return None
        return x.apply(BatchNorm(node.op.eps), mean, variance, *affine), mean, variance

    return rule


def _parameter(tape: GraphTape, label: str) -> Value | None:
    for number, node in tape.graph.operators():
        if isinstance(node.op, Parameter) and node.label == label:
            return tape.value((number, 0))
    return None
