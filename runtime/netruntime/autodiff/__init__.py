"""Reverse-mode differentiation, from graph to graph.

The backward pass is nodes of the same graph, so that planning, shapes, drawing and devices cover it.
"""

from netruntime.autodiff.differentiate import Differentiated, differentiate
from netruntime.autodiff.directions import along

__all__ = ["Differentiated", "along", "differentiate"]
