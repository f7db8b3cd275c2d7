"""Sums of products in Einstein notation, lowered to batched matrix products."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import NamedTuple

from netdsl.dims import Dim, dim, product
from netdsl.immutable import immutable
from netdsl.ops.contract.base import Array, BadExample, Example, Module, Op, OpError, bad, example, operator
from netdsl.ops.contract.rules import need_number, same_dtype
from netdsl.ops.contract.samples import draw, draw_ints
from netdsl.ops.contract.time import AxisMap, InputTypes
from netdsl.ops.contract.value import Value
from netdsl.ops.create.create import Range
from netdsl.ops.numerics import functions as numerics
from netdsl.types import TensorType, tensor


@operator("einsum", "*xs")
@immutable
class Einsum(Op):
    """A sum of products in Einstein notation, such as `"bhtd,bhsd->bhts"`.

    Each input has one letter per axis. Elements are multiplied where letters agree, and letters that
    are not in the result are summed over. A letter that occurs twice in one input selects the
    diagonal. More than two inputs are combined in the order of the equation, two at a time.

    Args:
        equation: The letters of the inputs, separated by commas, then `->` and those of the result.

    Inputs: any number of tensors, numbers of one element type.

    Source: NumPy's `einsum`; ONNX `Einsum`.
    """

    category = "product"

    equation: str

    def shape(self, *xs: TensorType) -> TensorType:
        terms, result = self._letters(len(xs))
        for index, x in enumerate(xs):
            need_number(x, _name(index))
            same_dtype(xs[0], x, (_name(0), _name(index)))
        sizes = self._sizes(terms, xs)
        return xs[0].with_shape([sizes[letter] for letter in result])

    def _letters(self, count: int) -> tuple[list[str], str]:
        """The letters of each input and of the result. Raises `OpError` for a malformed equation."""
        left, arrow, result = self.equation.replace(" ", "").partition("->")
        terms = left.split(",")
        if not arrow:
            raise self._malformed("has no `->`", "write the letters of the result after `->`")
        strange = set("".join(terms) + result) - set(_ALPHABET)
        if strange:
            raise self._malformed(f"has `{min(strange)}`", "use the letters a to z and A to Z")
        if len(terms) != count:
            raise self._malformed(f"names {len(terms)} inputs, but there are {count}")
        for letter in result:
            if result.count(letter) > 1:
                raise self._malformed(f"has `{letter}` twice in its result")
            if letter not in left:
                raise self._malformed(f"has `{letter}` in its result, but in no input")
        return terms, result

    def _malformed(self, message: str, help: str | None = None) -> OpError:
        return OpError(f'equation "{self.equation}" {message}', attribute="equation", help=help)

    def _sizes(self, terms: Sequence[str], xs: Sequence[TensorType]) -> dict[str, Dim]:
        """The size of each letter. Raises `OpError` if two axes of one letter have different sizes."""
        axes: dict[str, tuple[Dim, int, int]] = {}
        for index, (term, x) in enumerate(zip(terms, xs, strict=True)):
            if len(term) != x.rank:
                raise OpError(
                    f'"{term}" names {len(term)} axes, but `{_name(index)}` is {x}',
                    at=[_name(index)],
                    attribute="equation",
                )
            for axis, letter in enumerate(term):
                size, first, first_axis = axes.setdefault(letter, (x.shape[axis], index, axis))
                if size != x.shape[axis]:
                    raise OpError(
                        f"`{letter}` is {size} in `{_name(first)}`, which is {xs[first]}, "
                        f"and {x.shape[axis]} in `{_name(index)}`, which is {x}",
                        at=[(_name(first), first_axis), (_name(index), axis)],
                    )
        return {letter: size for letter, (size, _, _) in axes.items()}

    def forward(self, xp: Module, *xs: Array) -> Array:
        terms, result = self._letters(len(xs))
        done = _Operand(terms[0], xs[0])
        for index in range(1, len(xs)):
            later = result + "".join(terms[index + 1 :])
            done = _contract(xp, done, _Operand(terms[index], xs[index]), later)
        return _reduce(xp, done, result, ordered=True).array

    def gradient(self, dy: Value, y: Value, *xs: Value) -> tuple[Value, ...]:
        terms, result = self._letters(len(xs))
        return tuple(_gradient(dy, result, terms, xs, index) for index in range(len(xs)))

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        left, _, result = self.equation.replace(" ", "").partition("->")
        return AxisMap(
            tuple(
                tuple(result.index(letter) if letter in result else None for letter in term)
                for term in left.split(",")
            )
        )

    def cost(self, *xs: TensorType) -> Dim:
        terms, result = self._letters(len(xs))
        sizes = self._sizes(terms, xs)
        total, done = dim(0), terms[0]
        for index in range(1, len(xs)):
            later = result + "".join(terms[index + 1 :])
            done = _kept(done, terms[index] + later)
            other = _kept(terms[index], done + later)
            both = _unique(done + other)
            total = total + product(sizes[letter] for letter in both)
            done = _kept(both, later)
        return total

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls("ik,kj->ij"), draw(3, 5), draw(5, 4))
        yield example(cls("bhtd,bhsd->bhts"), draw(2, 3, 4, 5), draw(2, 3, 6, 5))
        yield example(cls("bthd, hdo -> bto"), draw(2, 3, 4, 5), draw(4, 5, 6))
        yield example(cls("bi,bj->bji"), draw(2, 3), draw(2, 4))
        yield example(cls("bi,bi->b"), draw(4, 3), draw(4, 3))
        yield example(cls("abc,cb->a"), draw(2, 3, 4), draw(4, 3))
        yield example(cls("ab,b->ba"), draw(2, 3), draw(3))
        yield example(cls("abx,by->a"), draw(2, 3, 4), draw(3, 5))
        yield example(cls("i,i->"), draw(5), draw(5))
        yield example(cls("abc->ca"), draw(2, 3, 4))
        yield example(cls("ii->i"), draw(4, 4))
        yield example(cls("bii,ij->bj"), draw(2, 3, 3), draw(3, 4))
        yield example(cls("xz,yz,xyw->wz"), draw(2, 3), draw(4, 3), draw(2, 4, 5))
        yield example(cls("Ab,bA,->A"), draw(2, 3), draw(3, 2), draw())
        yield example(cls("ik,kj->ij"), draw_ints(3, 4), draw_ints(4, 2))
        yield example(cls("bik,bkj->bij"), draw(0, 3, 4), draw(0, 4, 5))
        yield example(cls("bik,bkj->bij"), draw(2, 3, 0), draw(2, 0, 5))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        a, b = tensor("f32", 3, 5), tensor("f32", 5, 4)
        yield bad("no `->`", cls("ik,kj"), a, b)
        yield bad("`.`", cls("...k,kj->...j"), a, b)
        yield bad("2 inputs, but there are 1", cls("ik,kj->ij"), a)
        yield bad("`i` twice in its result", cls("ik,kj->ii"), a, b)
        yield bad("`x` in its result, but in no input", cls("ik,kj->ix"), a, b)
        yield bad("needs numbers", cls("ik,kj->ij"), tensor("bool", 3, 5), tensor("bool", 5, 4))
        yield bad("f32 and f64", cls("ik,kj->ij"), a, tensor("f64", 5, 4))
        yield bad('"ikl" names 3 axes, but `xs[0]` is f32[3, 5]', cls("ikl,kj->ij"), a, b)
        yield bad("`k` is 5 in `xs[0]`, which is f32[3, 5], and 4 in `xs[1]`", cls("ik,jk->ij"), a, b)
        yield bad("`i` is 3 in `xs[0]`, which is f32[3, 5], and 5 in `xs[0]`", cls("ii->i"), a)


_ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _name(index: int) -> str:
    return f"xs[{index}]"


def _unique(letters: str) -> str:
    return "".join(dict.fromkeys(letters))


def _kept(letters: str, by: str) -> str:
    """The letters that `by` contains too, each once."""
    return "".join(letter for letter in _unique(letters) if letter in by)


class _Operand(NamedTuple):
    letters: str
    array: Array

    def size(self, letters: str) -> int:
        return prod(self.array.shape[self.letters.index(letter)] for letter in letters)

    def matrices(self, stack: str, rows: str, columns: str) -> Array:
        """A stack of matrices; a transposed view if they are transposed in memory."""
        if self.letters and self.letters[-1] in rows:
            return self._lay_out(stack, columns, rows).swapaxes(1, 2)
        return self._lay_out(stack, rows, columns)

    def _lay_out(self, *groups: str) -> Array:
        """The array with one axis per group of letters."""
        order = [self.letters.index(letter) for letter in "".join(groups)]
        return self.array.transpose(tuple(order)).reshape(tuple(self.size(group) for group in groups))


def _reduce(xp: Module, x: _Operand, keep: str, *, ordered: bool = False) -> _Operand:
    """Take diagonals and sum over the letters outside `keep`."""
    letters = keep if ordered else _kept(x.letters, keep)
    if letters == x.letters:
        return x
    array, diagonal = x.array, _unique(x.letters)
    if diagonal != x.letters:
        array = xp.einsum(f"{x.letters}->{diagonal}", array)
    gone = tuple(axis for axis, letter in enumerate(diagonal) if letter not in letters)
    if gone:
        array = xp.asarray(xp.sum(numerics.widen(xp, array), axis=gone).astype(array.dtype))
    left = _kept(diagonal, letters)
    return _Operand(letters, array.transpose(tuple(left.index(letter) for letter in letters)))


def _contract(xp: Module, a: _Operand, b: _Operand, later: str) -> _Operand:
    """Multiply two operands and sum over the letters that are not in `later`."""
    a = _reduce(xp, a, b.letters + later)
    b = _reduce(xp, b, a.letters + later)
    shared = _kept(a.letters, b.letters)
    stack, summed = _kept(shared, later), "".join(c for c in shared if c not in later)
    rows = "".join(c for c in a.letters if c not in shared)
    columns = "".join(c for c in b.letters if c not in shared)
    left, right = a.matrices(stack, rows, summed), b.matrices(stack, summed, columns)
    value = numerics.matmul(xp, left, right) if summed else left * right
    sizes = [a.size(c) for c in stack + rows] + [b.size(c) for c in columns]
    return _Operand(stack + rows + columns, value.reshape(tuple(sizes)))


def _gradient(dy: Value, result: str, terms: Sequence[str], xs: Sequence[Value], index: int) -> Value:
    """The gradient with respect to one input: `dy` times the other inputs, by the letters they share."""
    others = [n for n in range(len(xs)) if n != index]
    elsewhere = [result, *(terms[n] for n in others)]
    letters = _unique(terms[index])
    remaining = _kept(letters, "".join(elsewhere))
    product = dy.apply(Einsum(f"{','.join(elsewhere)}->{remaining}"), *(xs[n] for n in others))
    sizes = dict(zip(terms[index], xs[index].shape, strict=True))
    product = product.reshape([sizes[letter] if letter in remaining else 1 for letter in letters])
    product = product.expand([sizes[letter] for letter in letters])
    return _on_diagonal(product, letters, terms[index]) if letters != terms[index] else product


def _on_diagonal(x: Value, letters: str, term: str) -> Value:
    """`x` where the axes of each repeated letter in `term` agree, 0 elsewhere."""
    first = [term.index(letter) for letter in letters]
    shape = [x.shape[letters.index(letter)] for letter in term]
    spread = x.reshape([shape[axis] if axis in first else 1 for axis in range(len(term))]).expand(shape)
    for axis, letter in enumerate(term):
        if axis in first:
            continue
        places = x.make(Range(shape[axis]))
        row = places.reshape([size if n == axis else 1 for n, size in enumerate(shape)])
        column = places.reshape([size if n == term.index(letter) else 1 for n, size in enumerate(shape)])
        spread = row.equals(column).select(spread, 0)
    return spread
