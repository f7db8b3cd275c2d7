"""The values of free sizes, from the shapes of arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netdsl.dims import Dim, SizeOverflowError, Symbol


class SizeClashError(ValueError):
    """An axis whose size does not fit; prints as `axis 1 is 7, not 6 (`N*2`)`.

    `learned` says for each symbol that the shape settled before by which axis it was settled.
    """

    def __init__(self, axis: int, reason: str, learned: Mapping[str, int]) -> None:
        super().__init__(f"axis {axis} {reason}")
        self.axis = axis
        self.reason = reason
        self.learned = dict(learned)


def bind_sizes(dims: Sequence[Dim], shape: Sequence[int], sizes: Mapping[str, int]) -> dict[str, int]:
    """The values of the symbols in `dims` that make them `shape`, beside those in `sizes`.

    Both have one entry for each axis. An axis that is a symbol by itself settles it before a computed one
    does. A size that several unknown symbols make up, or that is not of the form `a*n + b`, is left
    unchecked, and its symbols may stay without a value. Raises `SizeClashError`.
    """
    known, learned = dict(sizes), dict[str, int]()
    waiting = sorted(range(len(dims)), key=lambda axis: not _is_symbol(dims[axis]))
    while waiting:
        left = [axis for axis in waiting if not _bind_axis(axis, dims[axis], shape[axis], known, learned)]
        if left == waiting:
            break
        waiting = left
    return known


def _bind_axis(axis: int, dim: Dim, size: int, known: dict[str, int], learned: dict[str, int]) -> bool:
    """Whether the axis is settled; learns the symbol's value where just one is unknown."""
    try:
        left = dim if dim.is_fixed else dim.substitute(known)
    except (ZeroDivisionError, SizeOverflowError) as wrong:
        raise SizeClashError(axis, f"is {size}, and `{dim}` has no value", learned) from wrong
    if left.is_fixed:
        if left.value != size:
            written = "" if dim.is_fixed else f" (`{dim}`)"
            raise SizeClashError(axis, f"is {size}, not {left.value}{written}", learned)
        return True
    solved = _solve(left, size)
    if solved is None:
        return False
    name, value, rest = solved
    if rest or value < 0:
        raise SizeClashError(axis, f"is {size}, which is not `{dim}` for any whole {name}", learned)
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
    """The one symbol of `a*n + b == size`, its value and what is left over; None for any other form."""
    name = _symbol_of(dim)
    if name is None:
        return None
    constant = sum(coefficient for monomial, coefficient in dim.terms if not monomial)
    factor = sum(coefficient for monomial, coefficient in dim.terms if monomial)
    return name, *divmod(size - constant, factor)
