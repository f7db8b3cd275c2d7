"""What the native engine makes of a graph before it is planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netdsl.graph import Graph, Port
from netdsl.immutable import immutable
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


@immutable
class Optimised:
    """A graph after all passes.

    Args:
        source: The graph before.
        wanted: Where the wanted values are in the new graph.
        moved: Where each value of the old graph is in the new one, also of those that nothing reads any more.
    """

    source: Graph
    graph: Graph
    wanted: tuple[Port, ...]
    moved: Mapping[Port, Port]


def optimise(graph: Graph, wanted: Sequence[Port], passes: Sequence[Sequence[Rule]] = PASSES) -> Optimised:
    """The graph with its operators fused, and where its values are in the new one."""
    source = graph
    moved = {(n, k): (n, k) for n, node in graph.operators() for k in range(len(node.types))}
    for rules in passes:
        rewritten = rewrite(graph, rules, [moved[port] for port in wanted], named=False)
        graph = rewritten.tape.graph
        moved = {old: rewritten.moved[port] for old, port in moved.items() if port in rewritten.moved}
    return Optimised(source, graph, tuple(moved[port] for port in wanted), moved)
