"""What a shape rule takes for granted about free sizes, where it cannot know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from netdsl.dims import Apply, Dim, DimLike, SizeOverflowError, dim

EQUAL, DIVIDES, AT_LEAST = "equal", "divides", "at least"


@dataclass(frozen=True)
class Condition:
    """`left` equals `right`, divides it, or is at least that large."""

    kind: str
    left: Dim
    right: Dim

    def __str__(self) -> str:
        if self.kind == DIVIDES:
            return f"{self.left} divides {self.right}"
        if self.kind == AT_LEAST and self.left.is_fixed:
            return f"{self.right} <= {self.left}"
        return f"{self.left} {'=' if self.kind == EQUAL else '>='} {self.right}"

    def solved(self) -> Condition:
        """The same condition in a form that is easier to read: `H >= 9` for `H - 4 >= 5`."""
        if self.kind != AT_LEAST or not self.right.is_fixed:
            return self
        left, least = _solved(self.left, self.right.value)
        below = Dim(tuple((monomial, -c) for monomial, c in left.terms if c < 0))
        return Condition(AT_LEAST, left + below, below + least)

    @property
    def is_certain(self) -> bool:
        """Whether it holds for all sizes; that a size is 1 or more is taken for granted."""
        if self.kind != AT_LEAST:
            return False
        is_small = self.right.compare(1) in (-1, 0) and self.left.compare(-1) == 1
        return is_small or self.left.compare(self.right) in (0, 1)

    @property
    def symbols(self) -> frozenset[str]:
        """The free sizes that it depends on."""
        return self.left.symbols | self.right.symbols

    def implies(self, other: Condition) -> bool:
        """Whether another condition follows from this one: `H >= 3` from `H >= 5`."""
        if self.kind != AT_LEAST or other.kind != AT_LEAST or self.left != other.left:
            return False
        return self.right.compare(other.right) == 1

    def holds(self, sizes: Mapping[str, int]) -> bool:
        """Whether the condition is true of these sizes; true where it has others too."""
        if not self.symbols <= sizes.keys():
            return True
        try:
            left, right = self.left.evaluate(sizes), self.right.evaluate(sizes)
        except (ZeroDivisionError, SizeOverflowError):
            return False
        if self.kind == DIVIDES:
            return left != 0 and right % left == 0
        return left == right if self.kind == EQUAL else left >= right


_collected: ContextVar[list[Condition] | None] = ContextVar("collected", default=None)


@contextmanager
def assuming() -> Iterator[list[Condition]]:
    """Collect the conditions that shape rules inside take for granted."""
    conditions: list[Condition] = []
    token = _collected.set(conditions)
    try:
        yield conditions
    finally:
        _collected.reset(token)


def assume(kind: str, left: DimLike, right: DimLike) -> None:
    """Note a condition that may or may not hold; one that is certain, or about fixed sizes, is none."""
    conditions = _collected.get()
    if conditions is not None:
        condition = Condition(kind, dim(left), dim(right)).solved()
        if condition.symbols and not condition.is_certain:
            conditions.append(condition)


def _solved(left: Dim, least: int) -> tuple[Dim, int]:
    """`left >= least` with fewer operations on the left: `(H - 1)//2 >= 3` is `H >= 7`."""
    constant = sum(c for monomial, c in left.terms if not monomial)
    left, least = left - constant, least - constant
    if len(left.terms) != 1 or left.terms[0][1] < 1:
        return left, least
    ((monomial, factor),) = left.terms
    least = -(-least // factor)
    left = Dim(((monomial, 1),))
    atom = monomial[0]
    if len(monomial) > 1 or not isinstance(atom, Apply) or atom.function != "//":
        return left, least
    inner, divisor = atom.args
    if not divisor.is_fixed or divisor.value < 1:
        return left, least
    return _solved(inner, least * divisor.value)
