"""Sizes of axes as exact integer expressions over named symbols.

A `Dim` is a polynomial with integer coefficients over atoms: symbols such as `B` or `H`, and the
few functions that shape rules need (floor division, minimum, maximum). It is kept in one canonical
form, so that two equal sizes compare and print equal. A `Dim` also remembers the span that
set it (`origin`); comparisons ignore the origin.

Symbols stand for sizes and are never negative.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from functools import cached_property
from typing import Union

from netdsl.immutable import immutable
from netdsl.source import Span
from netdsl.work import spend

MAX_SIZE = 2**63 - 1
"""The largest size, and the largest static integer, that any stage accepts."""


MAX_DEGREE = 32
"""The largest number of symbols multiplied in one term of a size."""

MAX_TERMS = 100
"""The largest number of terms of a size, including those inside `//`, `min` and `max`."""


class SizeOverflowError(ValueError):
    """A size exceeds the signed 64-bit range, or its expression is too long."""


class FreeSizeError(ValueError):
    """A fixed size is needed, but a symbol is still free."""

    def __init__(self, dim: Dim) -> None:
        super().__init__(f"`{dim}` is not a fixed size")
        self.dim = dim


@immutable
class Symbol:
    """A size that is known only when data arrives, such as the batch."""

    name: str

    def __str__(self) -> str:
        return self.name


@immutable
class Apply:
    """`//`, `min` or `max` of dims that no rule could simplify further."""

    function: str
    args: tuple[Dim, ...]

    @cached_property
    def weight(self) -> int:
        """The number of its terms."""
        return sum(_weight(monomial) for arg in self.args for monomial, _ in arg.terms)

    def __str__(self) -> str:
        if self.function == "//":
            return f"{_tight(self.args[0])}//{_tight(self.args[1])}"
        return f"{self.function}({', '.join(map(str, self.args))})"


Atom = Symbol | Apply
Monomial = tuple[Atom, ...]
Term = tuple[Monomial, int]
DimLike = Union["Dim", int]


@immutable(eq=False)
class Dim:
    """An axis size. Create one with `dim(3)` or `symbol("B")`; arithmetic keeps the canonical form."""

    terms: tuple[tuple[Monomial, int], ...]
    origin: Span | None = field(default=None, repr=False)

    # -- inspection -------------------------------------------------------------------------------

    @cached_property
    def weight(self) -> int:
        """How much there is to read: its terms with all their factors, those inside functions too."""
        return 1 if self.is_fixed else sum(_weight(monomial) + len(monomial) for monomial, _ in self.terms)

    @property
    def is_fixed(self) -> bool:
        return not self.terms or (len(self.terms) == 1 and not self.terms[0][0])

    @property
    def value(self) -> int:
        """The fixed size. Raises `FreeSizeError` if a symbol is free."""
        if not self.is_fixed:
            raise FreeSizeError(self)
        return self.terms[0][1] if self.terms else 0

    def __int__(self) -> int:
        return self.value

    def __index__(self) -> int:
        return self.value

    @property
    def symbols(self) -> frozenset[str]:
        names: set[str] = set()
        for monomial, _ in self.terms:
            for atom in monomial:
                if isinstance(atom, Symbol):
                    names.add(atom.name)
                else:
                    names.update(*(arg.symbols for arg in atom.args))
        return frozenset(names)

    def at(self, origin: Span | None) -> Dim:
        """The same size, set at `origin`."""
        return Dim(self.terms, origin)

    def evaluate(self, sizes: Mapping[str, int]) -> int:
        """The size under `sizes`. Raises `KeyError` for an unbound symbol."""
        total = 0
        for monomial, coefficient in self.terms:
            product = coefficient
            for atom in monomial:
                product *= _evaluate_atom(atom, sizes)
            total += product
        return _in_range(total)

    def substitute(self, sizes: Mapping[str, DimLike]) -> Dim:
        """This size with some symbols replaced."""
        total: Dim = dim(0)
        for monomial, coefficient in self.terms:
            product = dim(coefficient)
            for atom in monomial:
                product = product * _substitute_atom(atom, sizes)
            total = total + product
        return total.at(self.origin)

    # -- arithmetic -------------------------------------------------------------------------------

    def __add__(self, other: DimLike) -> Dim:
        if self.is_fixed and dim(other).is_fixed:
            return dim(self.value + dim(other).value)
        return _collect((*self.terms, *dim(other).terms))

    def __neg__(self) -> Dim:
        return self * -1

    def __sub__(self, other: DimLike) -> Dim:
        return self + -dim(other)

    def __mul__(self, other: DimLike) -> Dim:
        other = dim(other)
        if self.is_fixed or other.is_fixed:
            free, factor = (other, self) if self.is_fixed else (self, other)
            return free._times(factor.value)
        spend((len(self.terms) * other.weight + len(other.terms) * self.weight) / 2)
        return _collect((_sorted(left + right), a * b) for left, a in self.terms for right, b in other.terms)

    def _times(self, factor: int) -> Dim:
        """This size times a number, which keeps the order of its terms."""
        if factor == 1 or not self.terms:
            return Dim(self.terms)
        spend(len(self.terms) / 2)
        return Dim(tuple((m, _in_range(c * factor)) for m, c in self.terms) if factor else ())

    def __floordiv__(self, other: DimLike) -> Dim:
        return _floor_divide(self, dim(other))

    def __mod__(self, other: DimLike) -> Dim:
        return self - (self // other) * other

    def __radd__(self, other: int) -> Dim:
        return self + other

    def __rsub__(self, other: int) -> Dim:
        return dim(other) - self

    def __rmul__(self, other: int) -> Dim:
        return self * other

    def __rfloordiv__(self, other: int) -> Dim:
        return dim(other) // self

    def exact_divide(self, other: DimLike) -> Dim | None:
        """`self / other` if that is provably an integer, else None."""
        quotient = self // other
        return quotient if quotient * other == self else None

    # -- comparison -------------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int):
            return self.is_fixed and self.value == other
        return isinstance(other, Dim) and self.terms == other.terms

    def __hash__(self) -> int:
        return hash(self.value) if self.is_fixed else hash(self.terms)

    def compare(self, other: DimLike) -> int | None:
        """-1, 0 or 1 if the order holds for all symbol values, else None."""
        difference = self - other
        if difference.is_fixed:
            return (difference.value > 0) - (difference.value < 0)
        constant = sum(c for monomial, c in difference.terms if not monomial)
        free = [c for monomial, c in difference.terms if monomial]
        if not all(_never_negative(atom) for monomial, _ in difference.terms for atom in monomial):
            return None
        if constant > 0 and all(c > 0 for c in free):
            return 1
        if constant < 0 and all(c < 0 for c in free):
            return -1
        return None

    def __str__(self) -> str:
        if not self.terms:
            return "0"
        ordered = [t for t in self.terms if t[0]] + [t for t in self.terms if not t[0]]
        text = "".join(_signed(monomial, coefficient) for monomial, coefficient in ordered)
        return text[3:] if text.startswith(" + ") else "-" + text[3:]


def dim(value: DimLike, origin: Span | None = None) -> Dim:
    """A `Dim` from an integer or a `Dim`, with `origin` if one is given."""
    if isinstance(value, Dim):
        return value.at(origin) if origin else value
    return Dim((((), _in_range(value)),) if value else (), origin)


def symbol(name: str, origin: Span | None = None) -> Dim:
    """A free size named `name`."""
    return Dim((((Symbol(name),), 1),), origin)


def product(sizes: Iterable[DimLike]) -> Dim:
    """The product of sizes; 1 for none."""
    number, free = 1, dim(1)
    for size in map(dim, sizes):
        if size.is_fixed:
            number = _in_range(number * size.value)
        else:
            free = free * size
    return free * number


def minimum(a: DimLike, b: DimLike) -> Dim:
    return _extremum("min", dim(a), dim(b), keep=-1)


def maximum(a: DimLike, b: DimLike) -> Dim:
    return _extremum("max", dim(a), dim(b), keep=1)


def _extremum(function: str, a: Dim, b: Dim, keep: int) -> Dim:
    order = a.compare(b)
    if order is None:
        first, second = sorted((a, b), key=str)
        return Dim((((Apply(function, (first, second)),), 1),))
    return a if order in (keep, 0) else b


def _never_negative(atom: Atom) -> bool:
    """Whether an atom is 0 or more for all sizes; False if that is not obvious."""
    if isinstance(atom, Symbol):
        return True
    signs = [arg == 0 or arg.compare(-1) == 1 for arg in atom.args]
    return any(signs) if atom.function == "max" else all(signs)


def _floor_divide(a: Dim, b: Dim) -> Dim:
    if b == 0:
        raise ZeroDivisionError("division of a size by zero")
    if a.is_fixed and b.is_fixed:
        return dim(a.value // b.value)
    if len(b.terms) != 1:
        return dim(1) if a == b else Dim((((Apply("//", (a, b)),), 1),))
    whole: list[Term] = []
    rest: list[Term] = []
    for monomial, coefficient in a.terms:
        quotient = _divide_term(monomial, coefficient, *b.terms[0])
        (rest if quotient is None else whole).append(quotient or (monomial, coefficient))
    if b.is_fixed and b.value > 0 and rest:
        whole, rest = _split_constant(whole, rest, b.value)
    remainder = _collect(rest)
    if remainder == 0:
        return _collect(whole)
    if remainder.is_fixed and b.is_fixed:
        return _collect(whole) + remainder.value // b.value
    inner = _single_quotient(remainder)
    if inner is not None and b.is_fixed and b.value > 0:
        return _collect(whole) + inner[0] // (inner[1] * b)
    return _collect([*whole, ((Apply("//", (remainder, b)),), 1)])


def _single_quotient(value: Dim) -> tuple[Dim, Dim] | None:
    """`(x + c*n, n)` if a size is `x // n + c` for a fixed positive `n`, since such quotients nest into one:
    `((H + 1)//2 + 1)//2` is `(H + 3)//4`."""
    free = [(monomial, coefficient) for monomial, coefficient in value.terms if monomial]
    constant = sum(coefficient for monomial, coefficient in value.terms if not monomial)
    if len(free) != 1 or free[0][1] != 1 or len(free[0][0]) != 1:
        return None
    atom = free[0][0][0]
    if isinstance(atom, Symbol) or atom.function != "//":
        return None
    x, n = atom.args
    return (x + n * constant, n) if n.is_fixed and n.value > 0 else None


def _split_constant(whole: list[Term], rest: list[Term], divisor: int) -> tuple[list[Term], list[Term]]:
    """Reduce every coefficient left in the numerator to `[0, divisor)`, so that the form is unique."""
    kept: list[Term] = []
    for monomial, coefficient in rest:
        quotient, remainder = divmod(coefficient, divisor)
        if quotient:
            whole = [*whole, (monomial, quotient)]
        if remainder:
            kept.append((monomial, remainder))
    return whole, kept


def _divide_term(monomial: Monomial, coefficient: int, divisor: Monomial, by: int) -> Term | None:
    if coefficient % by:
        return None
    left = list(monomial)
    for atom in divisor:
        if atom not in left:
            return None
        left.remove(atom)
    return tuple(left), coefficient // by


def _collect(terms: Iterable[Term]) -> Dim:
    sums: dict[Monomial, int] = {}
    for monomial, coefficient in terms:
        sums[monomial] = sums.get(monomial, 0) + coefficient
    kept = [(m, _in_range(c)) for m, c in sums.items() if c]
    if any(len(m) > MAX_DEGREE for m, _ in kept) or sum(_weight(m) for m, _ in kept) > MAX_TERMS:
        raise SizeOverflowError("the expression of a size is too long")
    spend(sum(_weight(m) + len(m) for m, _ in kept) / 2)
    return Dim(tuple(sorted(kept, key=lambda term: _monomial_text(term[0]))))


def _weight(monomial: Monomial) -> int:
    """The number of terms of a monomial, including those inside its functions."""
    return 1 + sum(atom.weight for atom in monomial if isinstance(atom, Apply))


def _sorted(monomial: Monomial) -> Monomial:
    return tuple(sorted(monomial, key=str)) if len(monomial) > 1 else monomial


def _evaluate_atom(atom: Atom, sizes: Mapping[str, int]) -> int:
    if isinstance(atom, Symbol):
        return sizes[atom.name]
    args = [arg.evaluate(sizes) for arg in atom.args]
    return args[0] // args[1] if atom.function == "//" else {"min": min, "max": max}[atom.function](args)


def _substitute_atom(atom: Atom, sizes: Mapping[str, DimLike]) -> Dim:
    if isinstance(atom, Symbol):
        return dim(sizes[atom.name]) if atom.name in sizes else Dim((((atom,), 1),))
    a, b = (arg.substitute(sizes) for arg in atom.args)
    return a // b if atom.function == "//" else {"min": minimum, "max": maximum}[atom.function](a, b)


def _in_range(value: int) -> int:
    if not -MAX_SIZE <= value <= MAX_SIZE:
        raise SizeOverflowError(f"a size of {_short(value)} does not fit in 64 bits")
    return value


def _short(value: int) -> str:
    return str(value) if abs(value) < 10**24 else f"about 2**{value.bit_length() - 1}"


def _monomial_text(monomial: Monomial) -> str:
    return "*".join(map(str, monomial))


def _signed(monomial: Monomial, coefficient: int) -> str:
    sign = " + " if coefficient > 0 else " - "
    size = abs(coefficient)
    if not monomial:
        return sign + str(size)
    return sign + _monomial_text(monomial) + (f"*{size}" if size != 1 else "")


def _tight(value: Dim) -> str:
    simple = len(value.terms) <= 1 and (value.is_fixed or value.terms[0][1] == 1)
    return str(value) if simple else f"({value})"
