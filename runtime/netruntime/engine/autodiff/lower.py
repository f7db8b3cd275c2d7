"""A graph made ready for differentiation: operators in parts, and scans with less to do at every step."""

from __future__ import annotations

from netdsl.graph import Graph
from netruntime.engine.passes.hoist import hoist_invariants
from netruntime.engine.passes.parts import take_apart
from netruntime.engine.passes.rewrite import Rewritten, rewrite


def lower(graph: Graph) -> Rewritten:
    """Copy a graph into one whose operators all have gradients of their own, as far as they have any."""
    return rewrite(graph, (take_apart, hoist_invariants))
