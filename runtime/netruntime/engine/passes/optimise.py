"""What the native engine makes of a graph before it is planned."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl.graph import Graph, Port
from netruntime.engine.passes.fold_norms import fold_norm
from netruntime.engine.passes.fuse_cells import fuse_cell
from netruntime.engine.passes.fuse_products import fuse_activation, fuse_residual
from netruntime.engine.passes.hoist import hoist_invariants
from netruntime.engine.passes.relu_gradients import fuse_relu_gradient
from netruntime.engine.passes.rewrite import Rule, rewrite

PASSES = ((hoist_invariants,), (fuse_cell,), (fold_norm,), (fuse_residual,), (fuse_activation,))
"""In this order: a cell is recognised by what is left in its scan, a norm is part of the product that a
residual is added to, and an activation comes last."""

TRAINING_PASSES = ((fuse_relu_gradient,),)
"""Where weights change and gradients read the values in between."""


def optimise(
    graph: Graph, wanted: Sequence[Port], passes: Sequence[Sequence[Rule]] = PASSES
) -> tuple[Graph, list[Port]]:
    """The graph with its operators fused, and where the wanted values are in it."""
    ports = list(wanted)
    for rules in passes:
        rewritten = rewrite(graph, rules, ports, named=False)
        graph = rewritten.tape.graph
        ports = [rewritten.moved[port] for port in ports]
    return graph, ports
