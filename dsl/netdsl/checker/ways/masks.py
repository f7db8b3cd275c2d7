"""Arithmetic with a mask of true and false values, as it is written for masks of 0 and 1."""

from __future__ import annotations

from collections.abc import Iterator

from netdsl import syntax as s
from netdsl.checker.context.causes import NotANumber
from netdsl.checker.ways import tree
from netdsl.checker.ways.change import Change, change
from netdsl.checker.ways.types import inputs_of_the_call
from netdsl.types import DType


def masked(cause: NotANumber) -> Iterator[Change]:
    """`scores + (1 - keep) * -1e9` and its like as `where(keep, scores, -1e9)`; `1 - keep` as `not keep`."""
    if cause.where.module.is_std:
        yield from inputs_of_the_call(cause.where, DType.I32)
        return
    nodes = [n for n in tree.around(cause.where.root.file, cause.where.span) if isinstance(n, s.Operation)]
    for node in nodes:
        if len(node.rest) == 1 and node.rest[0][0] in ("+", "-"):
            yield from _sum(node)
    for node in reversed(nodes):
        if _is_one(node.first) and len(node.rest) == 1 and node.rest[0][0] == "-":
            mask = node.rest[0][1]
            shown = mask.span.text
            yield change((node.span, f"not {shown}"), why="which is true where the mask is false")
            yield change((node.span, f"(not {shown})"), why="which is true where the mask is false")
    for node in reversed(nodes):
        for part in (node.first, *(operand for _, operand in node.rest)):
            if not isinstance(part, s.Number):
                yield change((part.span, f"cast({part.span.text}, f32)"), why="which is 1 where it is true")


def _sum(node: s.Operation) -> Iterator[Change]:
    """A large number added where a mask is set: the other elements are kept."""
    operator, right = node.rest[0]
    for scores, product in ((node.first, right), (right, node.first)):
        parts = _product(product)
        if parts is None:
            continue
        mask, number = parts
        minus = (operator == "-") != number.startswith("-")
        if not minus:
            continue
        large = number if number.startswith("-") else f"-{number}"
        inner = mask.first if isinstance(mask, s.Operation) else None
        if isinstance(mask, s.Operation) and inner is not None and _is_one(inner) and mask.rest[0][0] == "-":
            kept = mask.rest[0][1].span.text
            text = f"where({kept}, {scores.span.text}, {large})"
            yield change((node.span, text), why=f"which keeps the scores where `{kept}` is true")
        text = f"where({mask.span.text}, {scores.span.text}, {large})"
        yield change((node.span, text), why="which keeps the scores where the mask is true")


def _product(node: s.Expr) -> tuple[s.Expr, str] | None:
    """A mask times a number, in either order: the mask and the number as text."""
    if not isinstance(node, s.Operation) or len(node.rest) != 1 or node.rest[0][0] != "*":
        return None
    for mask, number in ((node.first, node.rest[0][1]), (node.rest[0][1], node.first)):
        if _is_number(number) and not _is_number(mask):
            return mask, number.span.text.strip("()")
    return None


def _is_number(node: s.Expr) -> bool:
    return isinstance(node, s.Number) or (isinstance(node, s.Negative) and isinstance(node.value, s.Number))


def _is_one(node: s.Expr) -> bool:
    return isinstance(node, s.Number) and node.value == 1
