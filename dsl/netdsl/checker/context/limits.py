"""Limits of a network: the nodes of its graph, the axes and the bytes of a tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

from netdsl.checker.context.reports import Site
from netdsl.dims import SizeOverflowError, product
from netdsl.model import MAX_NODES
from netdsl.source import Span
from netdsl.types import TensorType
from netdsl.work import spend

MAX_RANK = 64
LIMIT_STEPS = 5


def check_limits(site: Site, type_: TensorType, span: Span) -> None:
    """Raise E0606 for a tensor of too many axes, E0603 for one whose bytes overflow."""
    spend(LIMIT_STEPS)
    if type_.rank > MAX_RANK:
        site.fail("E0606", f"a tensor has {type_.rank} axes here, but the limit is {MAX_RANK}", span)
    try:
        size = type_.bytes
        if size.is_fixed and size.value == 0:  # NumPy limits the other axes of an empty array too
            size = product(axis for axis in type_.shape if axis != 0) * type_.dtype.itemsize
        if size.is_fixed:
            size.value  # noqa: B018  (raises where it overflows)
    except SizeOverflowError as wrong:
        site.fail("E0603", f"the tensor {type_} is too large: {wrong}", span, help="use smaller sizes")


@dataclass
class NodeCount:
    """The nodes to which a body expands in the graph."""

    site: Site
    size: int = 0

    def add(self, nodes: int, span: Span) -> None:
        """Count nodes. Raises E0605 if the body has too many."""
        self.size += nodes
        if self.size > MAX_NODES:
            self._too_large(self.size, span)

    @contextmanager
    def repeated(self, count: int, span: Span) -> Iterator[Callable[[], None]]:
        """Check an expansion before it happens: call the function this yields after each pass.

        Raises E0605 if repetitions inside repetitions multiply to too many, or where the first two
        passes show that the rest would add too many.
        """
        checker = self.site.checker
        outer = checker.multiplier
        if outer * count > MAX_NODES:
            self._too_large(outer * count, span)
        checker.multiplier = max(1, outer * count)
        sizes = [self.size]

        def passed() -> None:
            sizes.append(self.size)
            if len(sizes) == 3:  # two passes show how much each of the rest adds, at the least
                each = min(sizes[1] - sizes[0], sizes[2] - sizes[1])
                if self.size + each * (count - 2) > MAX_NODES:
                    self._too_large(self.size + each * (count - 2), span)

        try:
            yield passed
        finally:
            checker.multiplier = outer

    def _too_large(self, nodes: int, span: Span) -> NoReturn:
        message = (
            f"the network expands to {nodes:,} or more operators and calls, but the limit is {MAX_NODES:,}"
        )
        help = "use fewer repetitions; a network this large does not fit in one graph"
        self.site.fail("E0605", message, span, help=help)
