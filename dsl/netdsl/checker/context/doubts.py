"""What an assertion that fails makes doubtful: errors that follow from it are not reported beside it."""

from __future__ import annotations

from collections.abc import Iterable

from netdsl import syntax as s
from netdsl.checker.context.causes import Mismatch, Refused, Unequal
from netdsl.checker.context.reports import Site
from netdsl.dims import Dim
from netdsl.immutable import immutable


@immutable
class Doubt:
    """An assertion that fails: the names in it, in the body that has it, and their numbers."""

    names: frozenset[str]
    numbers: frozenset[float]


def leaf_names(site: Site, expr: s.Node) -> frozenset[str]:
    """The names that an expression is computed from, those behind the `let`s of the body included."""
    lets = {x.name.text: x for x in site.block.body if isinstance(x, s.Let)} if site.block else {}
    leaves: set[str] = set()
    visited: set[str] = set()
    waiting = [name.text for name in s.names_in(expr)]
    while waiting:
        name = waiting.pop()
        if name in visited:
            continue
        visited.add(name)
        let, bound = lets.get(name), site.names.get(name)
        is_let = let is not None and bound is not None and bound.span == let.name.span
        behind = [inner.text for inner in s.names_in(let.value)] if is_let and let is not None else []
        waiting += behind
        leaves.update(() if behind else (name,))
    return frozenset(leaves)


def numbers_of(cause: object) -> frozenset[float]:
    """The sizes and numbers that an error is about."""
    sizes: Iterable[object] = ()
    if isinstance(cause, Mismatch):
        sizes = cause.sizes or ()
    elif isinstance(cause, Unequal):
        sizes = (cause.expected, cause.actual, *(value for value, _ in cause.parts))
    elif isinstance(cause, Refused):
        sizes = _refused(cause)
    values = (int(v) if isinstance(v, Dim) and v.is_fixed else v for v in sizes)
    return frozenset(v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool))


def _refused(cause: Refused) -> list[object]:
    """The argument that an operator refuses, and the sizes of the axes."""
    sizes: list[object] = []
    for slot, axis in cause.wrong.at:
        tensor = cause.tensors.get(slot)
        if tensor is not None and axis is not None and axis < tensor.type.rank:
            sizes.append(tensor.type.shape[axis])
    value = getattr(cause.op, cause.wrong.attribute or "", ())
    return [*sizes, *(value if isinstance(value, tuple) else (value,))]
