"""Finding the nodes of a syntax tree by their places in the text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import TypeVar

from netdsl import syntax as s
from netdsl.source import Span

N = TypeVar("N", bound=s.Node)


def parts(node: object) -> Iterator[s.Node]:
    """The nodes directly in a node or a tuple."""
    if isinstance(node, s.Node):
        for field in fields(node):
            value = getattr(node, field.name)
            if isinstance(value, s.Node):
                yield value
            elif isinstance(value, tuple):
                yield from parts(value)
    elif isinstance(node, tuple):
        for element in node:
            if isinstance(element, s.Node):
                yield element
            else:
                yield from parts(element)


def around(root: s.Node, span: Span) -> list[s.Node]:
    """The nodes that hold a place, from the file down to the smallest."""
    path: list[s.Node] = []
    node: s.Node | None = root
    while node is not None:
        path.append(node)
        node = next((part for part in parts(node) if _holds(part, span)), None)
    return path


def _holds(node: s.Node, span: Span) -> bool:
    own = node.span
    return own.source is span.source and own.start <= span.start and span.end <= own.end


def smallest(root: s.Node, span: Span, *kinds: type[N]) -> N | None:
    """The smallest node of some kinds that holds a place."""
    return next((node for node in reversed(around(root, span)) if isinstance(node, kinds)), None)


def every(root: s.Node, kind: type[N]) -> Iterator[N]:
    """All nodes of a kind below a node, in the order of the text."""
    stack: list[s.Node] = [root]
    while stack:
        node = stack.pop()
        if isinstance(node, kind):
            yield node
        stack += reversed(list(parts(node)))
