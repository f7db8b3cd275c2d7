"""Reverse-mode differentiation, from graph to graph.

The backward pass is nodes of the same graph, so that planning, shapes, drawing and devices cover it.
"""

from netruntime.engine.autodiff.differentiate import Differentiated, differentiate
from netruntime.engine.autodiff.directions import along

__all__ = ["Differentiated", "along", "differentiate"]
