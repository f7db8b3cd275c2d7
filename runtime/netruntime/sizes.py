"""The values of free sizes, from the shapes of arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netdsl.dims import Dim, SizeOverflowError, Symbol, symbol
from netdsl.types import TensorType


class SizeClashError(ValueError):
    """An axis whose size does not fit; prints as `axis 1 is 7, not 6 (`N*2`)`.

    `learned` maps each symbol that the shape has already determined to the axis that determined it.
    """

    def __init__(self, axis: int, reason: str, learned: Mapping[str, int]) -> None:
        super().__init__(f"axis {axis} {reason}")
        self.axis = axis
        self.reason = reason
        self.learned = dict(learned)


def bind_sizes(dims: Sequence[Dim], shape: Sequence[int], sizes: Mapping[str, int]) -> dict[str, int]:
    """Solve `dims == shape` for the symbols in `dims`; returns their values along with those in `sizes`.

    Both have one entry per axis. An axis that is a plain symbol determines it before computed ones do. A
    size with several unknown symbols, or not of the form `a*n + b`, is left unchecked, and its symbols may
    remain without a value. Raises `SizeClashError`.
    """
    known, learned = dict(sizes), dict[str, int]()
    waiting = sorted(range(len(dims)), key=lambda axis: not _is_symbol(dims[axis]))
    while waiting:
        unresolved = [n for n in waiting if not _bind_axis(n, dims[n], shape[n], known, learned)]
        if unresolved == waiting:
            break
        waiting = unresolved
    return known


def batch_axis(types: Mapping[str, TensorType]) -> str | None:
    """The symbol of the number of rows: the first axis of every input, and of no other axis.

    None if there is no such symbol: `x: f32[N, 5], adjacency: f32[N, N]` is one graph, not a batch. Inputs
    without axes do not count.
    """
    shapes = [type_.shape for type_ in types.values() if type_.rank]
    names = {name for shape in shapes for name in shape[0].symbols}
    if len(names) != 1:
        return None
    (name,) = names
    first = all(shape[0] == symbol(name) for shape in shapes)
    again = any(name in size.symbols for shape in shapes for size in shape[1:])
    return name if first and not again else None


def one_example(types: Mapping[str, TensorType]) -> str | None:
    """Why the rows of these inputs make up one example, neither shuffled nor cut; None if they are a batch.

    A batch has one axis, the first of every input, that occurs nowhere else. `adjacency: f32[N, N]` has it
    twice, and `x: f32[N, 5], edges: i32[E, 2]` have two. Inputs without axes do not count.
    """
    rows = {name: type_.shape[0] for name, type_ in types.items() if type_.rank}
    if not rows:
        return None
    (first, size), *others = rows.items()
    other = next(((name, of) for name, of in others if of != size), None)
    again = axis_elsewhere(size, types)
    if again is not None:
        reason = again
    elif other is not None:
        reason = f"the first axis of `{first}` is `{size}`, and that of `{other[0]}` `{other[1]}`"
    else:
        return None
    return f"{reason}: all rows are one batch, in their order"


def axis_elsewhere(size: Dim, types: Mapping[str, TensorType]) -> str | None:
    """Says which input has the size of the rows as another axis than its first; None if none has."""

    def is_same(axis: Dim) -> bool:
        return bool(axis.symbols & size.symbols) or (size.is_fixed and axis == size and size.value > 1)

    for name, type_ in types.items():
        if any(map(is_same, type_.shape[1:])):
            return f"`{size}` is also another axis of `{name}`, {type_}"
    return None


def _bind_axis(axis: int, dim: Dim, size: int, known: dict[str, int], learned: dict[str, int]) -> bool:
    """Bind the symbol of an axis if just one is unknown; return whether the axis is resolved."""
    try:
        expected = dim if dim.is_fixed else dim.substitute(known)
    except (ZeroDivisionError, SizeOverflowError) as wrong:
        raise SizeClashError(axis, f"is {size}, but `{dim}` has no value", learned) from wrong
    if expected.is_fixed:
        if expected.value != size:
            written = "" if dim.is_fixed else f" (`{dim}`)"
            raise SizeClashError(axis, f"is {size}, not {expected.value}{written}", learned)
        return True
    solved = _solve(expected, size)
    if solved is None:
        return False
    name, value, rest = solved
    if rest or value < 0:
        raise SizeClashError(axis, f"is {size}, which is not `{dim}` for any integer {name}", learned)
    known[name] = value
    learned[name] = axis
    return True


def _is_symbol(dim: Dim) -> bool:
    return [coefficient for _, coefficient in dim.terms] == [1] and _symbol_of(dim) is not None


def _symbol_of(dim: Dim) -> str | None:
    """The one symbol of `a*n` or `a*n + b`; None for any other form."""
    names = {monomial for monomial, _ in dim.terms if monomial}
    if len(names) != 1:
        return None
    (atoms,) = names
    return atoms[0].name if len(atoms) == 1 and isinstance(atoms[0], Symbol) else None


def _solve(dim: Dim, size: int) -> tuple[str, int, int] | None:
    """The one symbol of `a*n + b == size`, its value and the remainder; None for any other form."""
    name = _symbol_of(dim)
    if name is None:
        return None
    constant = sum(coefficient for monomial, coefficient in dim.terms if not monomial)
    factor = sum(coefficient for monomial, coefficient in dim.terms if monomial)
    return name, *divmod(size - constant, factor)
