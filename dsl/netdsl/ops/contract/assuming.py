"""What a shape rule takes for granted about free sizes, where it cannot know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from math import gcd

from netdsl.dims import Apply, Dim, DimLike, SizeOverflowError, dim
from netdsl.immutable import immutable

EQUAL, UNEQUAL, DIVIDES, AT_LEAST = "=", "!=", "divides", ">="


@immutable
class Condition:
    """`left` equals `right`, differs from it, divides it, or is at least that large."""

    kind: str
    left: Dim
    right: Dim

    def __str__(self) -> str:
        left, right = self.left, self.right
        if self.kind == AT_LEAST and left.is_fixed:
            return f"{right} <= {left}"
        parts = _remainder(left - right) or _remainder(right - left) if self.kind == UNEQUAL else None
        if parts is not None:
            return f"{parts[1]} does not divide {parts[0]}"
        return f"{left} {self.kind} {right}"

    @property
    def written(self) -> str:
        """The condition as an expression of the language: `B*T % 10 == 0`."""
        if self.kind == DIVIDES:
            right = f"({self.right})" if len(self.right.terms) > 1 else str(self.right)
            left = str(self.left) if self.left.is_fixed else f"({self.left})"
            return f"{right} % {left} == 0"
        if self.kind == AT_LEAST:
            return str(self)
        return f"{self.left} {'==' if self.kind == EQUAL else '!='} {self.right}"

    def solved(self) -> Condition:
        """The same condition in a form that is easier to read: `H >= 9` for `H - 4 >= 5`."""
        if self.kind == DIVIDES:
            return self
        if self.kind != AT_LEAST:
            return self._sorted()
        difference = self.left - self.right
        if all(c < 0 for monomial, c in difference.terms if monomial):
            return self._as_upper_bound(difference)
        if not self.right.is_fixed:
            below = _negative_part(difference)
            return Condition(AT_LEAST, difference + below, below)
        left, least = _solved(self.left, self.right.value)
        below = _negative_part(left)
        return Condition(AT_LEAST, left + below, below + least)

    def _as_upper_bound(self, difference: Dim) -> Condition:
        """`T <= 4` for `9 >= 2*T`."""
        most = sum(c for monomial, c in difference.terms if not monomial)
        free = _negative_part(difference)
        if len(free.terms) == 1 and free.terms[0][0]:
            ((monomial, factor),) = free.terms
            return Condition(AT_LEAST, dim(most // factor), Dim(((monomial, 1),)))
        return self

    def _sorted(self) -> Condition:
        """`T = 3` for `T - 3 = 0`, and `8 divides T` for the remainder of `T` by 8 that is 0."""
        difference = self.left - self.right
        parts = _remainder(difference) or _remainder(-difference)
        if self.kind == EQUAL and parts is not None:
            return Condition(DIVIDES, parts[1], parts[0])
        if len(self.left.terms) == 1 or self.right != 0:
            return self
        below = _negative_part(difference)
        return Condition(self.kind, difference + below, below)

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

    def implies(self, other: AnyCondition) -> bool:
        """Whether another condition follows from this one: `H >= 3` from `H >= 5`."""
        if isinstance(other, Either):
            return other.operator == "or" and any(self.implies(part) for part in other.parts)
        if self == other:
            return True
        if self.kind == other.kind == AT_LEAST:
            return ((other.left - other.right) - (self.left - self.right)).compare(0) in (0, 1)
        if self.kind == other.kind == DIVIDES and self.left.is_fixed and other.left.is_fixed:
            times = other.right.exact_divide(self.right) if self.right != 0 else None
            sure = self.left.value * gcd(*(c for _, c in times.terms)) if times is not None else 0
            return sure != 0 and other.left != 0 and sure % other.left.value == 0
        return False

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
        if self.kind == AT_LEAST:
            return left >= right
        return (left == right) == (self.kind == EQUAL)


@immutable
class Either:
    """Several conditions, of which at least one holds (`or`), or all of them do (`and`)."""

    parts: tuple[AnyCondition, ...]
    operator: str = "or"

    def __str__(self) -> str:
        texts = (f"({part})" if isinstance(part, Either) else str(part) for part in self.parts)
        return f" {self.operator} ".join(texts)

    @property
    def written(self) -> str:
        """The condition as an expression of the language."""
        texts = (f"({p.written})" if isinstance(p, Either) else p.written for p in self.parts)
        return f" {self.operator} ".join(texts)

    @property
    def symbols(self) -> frozenset[str]:
        """The free sizes that it depends on."""
        return frozenset().union(*(part.symbols for part in self.parts))

    def implies(self, other: AnyCondition) -> bool:
        """Whether another condition follows from this one."""
        every = all if self.operator == "or" else any
        return every(part.implies(other) for part in self.parts)

    def holds(self, sizes: Mapping[str, int]) -> bool:
        """Whether the condition is true of these sizes; true where it has others too."""
        every = any if self.operator == "or" else all
        return not self.symbols <= sizes.keys() or every(part.holds(sizes) for part in self.parts)


AnyCondition = Condition | Either


def compared(operator: str, a: Dim, b: Dim) -> Condition | bool:
    """The condition `a operator b`, such as `a < b`; or its value, if that is the same for all sizes."""
    kind, left, right = {
        "==": (EQUAL, a, b),
        "!=": (UNEQUAL, a, b),
        "<": (AT_LEAST, b, a + 1),
        "<=": (AT_LEAST, b, a),
        ">": (AT_LEAST, a, b + 1),
        ">=": (AT_LEAST, a, b),
    }[operator]
    order = left.compare(right)
    if order is not None:
        return {EQUAL: order == 0, UNEQUAL: order != 0, AT_LEAST: order >= 0}[kind]
    is_sure = kind == AT_LEAST and (left + 1).compare(right) == 1
    return is_sure or Condition(kind, left, right).solved()


def negated(condition: AnyCondition) -> AnyCondition:
    """The condition that holds where another does not."""
    if isinstance(condition, Either):
        operator = "and" if condition.operator == "or" else "or"
        return Either(tuple(map(negated, condition.parts)), operator)
    if condition.kind == AT_LEAST:
        return Condition(AT_LEAST, condition.right, condition.left + 1).solved()
    if condition.kind == DIVIDES:
        return Condition(UNEQUAL, condition.right % condition.left, dim(0))
    return Condition(EQUAL if condition.kind == UNEQUAL else UNEQUAL, condition.left, condition.right)


def both(condition: AnyCondition) -> tuple[AnyCondition, ...]:
    """The conditions that hold one by one if this one does."""
    if isinstance(condition, Either) and condition.operator == "and":
        return tuple(part for each in condition.parts for part in both(each))
    return (condition,)


def _negative_part(size: Dim) -> Dim:
    """What a size subtracts."""
    return Dim(tuple((monomial, -c) for monomial, c in size.terms if c < 0))


def _remainder(size: Dim) -> tuple[Dim, Dim] | None:
    """`(a, n)` if a size is `a % n`."""
    for atom in (atom for monomial, _ in size.terms for atom in monomial):
        if isinstance(atom, Apply) and atom.function == "//":
            a, n = atom.args
            if n != 0 and a % n == size:
                return a, n
    return None


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
