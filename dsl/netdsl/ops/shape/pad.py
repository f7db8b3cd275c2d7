"""Padding of a tensor with elements around it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netdsl.dims import Dim, dim
from netdsl.immutable import immutable
from netdsl.ops.contract.assuming import AT_LEAST, assume
from netdsl.ops.contract.base import (
    Array,
    BadExample,
    DataError,
    Example,
    Ints,
    LeftContext,
    Module,
    Op,
    OpError,
    Sizes,
    bad,
    example,
    operator,
)
from netdsl.ops.contract.rules import check_value, need_float, need_type, only_left, sizes
from netdsl.ops.contract.samples import draw, draw_bools, draw_ints
from netdsl.ops.contract.time import AxisMap, InputTypes, TimeAxis, mixing_map
from netdsl.ops.contract.value import Value
from netdsl.ops.numerics.functions import widen
from netdsl.types import DType, TensorType, tensor

_MODES = ("constant", "reflect", "edge", "wrap")


@operator("pad", "x")
@immutable
class Pad(Op):
    """`x` with elements added before and after its last axes.

    Args:
        begins: The numbers of elements to add before, one for each of the last axes of `x`: a single
            one pads the last axis, as many as `x` has axes pad all of them.
        ends: The numbers of elements to add after; as `begins` by default.
        mode: What to add: `"constant"` a value, `"edge"` the outermost element again, `"reflect"`
            the elements next to it in reverse, `"wrap"` those from the other end.
        value: The number for `"constant"`, which the element type must be able to represent.

    Inputs: `x`, any type and shape. `"reflect"` can add fewer elements than an axis has, `"wrap"` at
    most as many.

    Source: NumPy's `pad`; ONNX `Pad`.
    """

    category = "plain"

    begins: Ints
    ends: Ints | None = None
    mode: str = "constant"
    value: float = 0.0

    def shape(self, x: TensorType) -> TensorType:
        if self.mode not in _MODES:
            names = ", ".join(f'"{mode}"' for mode in _MODES)
            raise OpError(f'has no mode "{self.mode}"', attribute="mode", help=f"the modes are {names}")
        check_value(self._number(x.dtype), x.dtype)
        grown = list(x.shape)
        for axis, begin, end in self.pads(x.rank):
            self._check_room(x.shape[axis], axis, begin, end)
            grown[axis] = x.shape[axis] + (begin + end)
        return x.with_shape(grown)

    def _number(self, dtype: DType) -> float | int | bool:
        """`value` as the Python type of `dtype`, if the conversion is exact."""
        if dtype is DType.BOOL and self.value in (0, 1):
            return bool(self.value)
        whole = dtype.is_int and float(self.value).is_integer()
        return int(self.value) if whole else self.value

    def pads(self, rank: int) -> Sequence[tuple[int, int, int]]:
        """The axis, the number of elements before and the number after, for each axis to pad."""
        ends = self.begins if self.ends is None else self.ends
        if len(ends) != len(self.begins):
            raise OpError(
                f"got {len(self.begins)} values for `begins` and {len(ends)} for `ends`", attribute="ends"
            )
        if len(ends) > rank:
            raise OpError(f"pads {len(ends)} axes, but `x` has {rank}", at=["x"], attribute="begins")
        if any(n < 0 for n in (*self.begins, *ends)):
            raise OpError(
                f"needs at least 0 elements to add, but got {min(*self.begins, *ends)}",
                attribute="begins",
                help="to remove elements, use `slice`",
            )
        return list(zip(range(rank - len(ends), rank), self.begins, ends, strict=True))

    def _check_room(self, length: Dim, axis: int, begin: int, end: int) -> None:
        """Raise `OpError` if an axis has too few elements to copy from."""
        needed = {"constant": 0, "edge": 1, "reflect": max(begin, end) + 1, "wrap": max(begin, end)}
        if begin + end and length.compare(needed[self.mode]) == -1:
            raise OpError(
                f'cannot add {max(begin, end)} elements in mode "{self.mode}": axis {axis} of `x` has '
                f"{length}, but needs {needed[self.mode]}",
                at=[("x", axis)],
                attribute="mode",
            )
        if begin + end:
            assume(AT_LEAST, length, needed[self.mode])

    def forward(self, xp: Module, x: Array) -> Array:
        pairs = [(0, 0)] * x.ndim
        for axis, begin, end in self.pads(x.ndim):
            pairs[axis] = (begin, end)
            try:
                self._check_room(dim(x.shape[axis]), axis, begin, end)
            except OpError as error:
                raise DataError(error.message) from None
        if self.mode != "constant":
            return xp.pad(x, pairs, mode=self.mode)
        shape = [b + n + e for n, (b, e) in zip(x.shape, pairs, strict=True)]
        y = xp.full(shape, self._fill(x), dtype=x.dtype)
        y[tuple(slice(b, b + n) for n, (b, _) in zip(x.shape, pairs, strict=True))] = x
        return y

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy.apply(PadGradient(x.shape, self.begins, self.ends, self.mode))

    def _fill(self, x: Array) -> float | int:
        return int(self.value) if x.dtype.kind in "iub" else self.value

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return mixing_map(xs, y, *range(y.rank - len(self.begins), y.rank))

    def left_context(self, xs: InputTypes, time: TimeAxis) -> LeftContext | None:
        """The zeros before the sequence, if there are no others."""
        if self.mode != "constant" or self.value != 0:
            return None
        x = need_type(xs[0])
        padded = {axis: (begin, end) for axis, begin, end in self.pads(x.rank) if (begin, end) != (0, 0)}
        return only_left(padded, x, time)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        x = draw(2, 3, 4)
        yield example(cls((1,)), x)
        yield example(cls((1,), (2,)), x)
        yield example(cls((1, 0), (0, 2), value=0.5), x)
        yield example(cls((1, 0, 2), (0, 1, 3), value=-1.5), x)
        yield example(cls((0, 0), (0, 0)), x)
        yield example(cls((2,), (0,), value=float("-inf")), draw(5))
        for mode in _MODES[1:]:
            yield example(cls((2, 1), mode=mode), draw(2, 3, 4, 5))
            yield example(cls((0, 3), (2, 0), mode), draw(2, 3, 4))
            yield example(cls((1, 2, 3), (1, 0, 2), mode), draw(2, 3, 4))
            yield example(cls((1, 1), mode=mode), draw(0, 3, 4))
            yield example(cls((1, 0), mode=mode), draw_ints(3, 4, dtype="i32"))
        yield example(cls((1,), value=7), draw_ints(2, 3, dtype="i64"))
        yield example(cls((1,), value=1), draw_bools(2, 3))
        yield example(cls((1,), value=2), draw(2, 0))
        yield example(cls((1,)), draw(0, 3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        x = tensor("f32", 2, 3, 4)
        yield bad('mode "mirror"', cls((1,), mode="mirror"), x)
        yield bad("0.5 in i32", cls((1,), value=0.5), tensor("i32", 3))
        yield bad("300 in u8", cls((1,), value=300), tensor("u8", 3))
        yield bad("0.5 to bool", cls((1,), value=0.5), tensor("bool", 3))
        yield bad("2 values for `begins` and 1 for `ends`", cls((1, 1), (1,)), x)
        yield bad("pads 4 axes, but `x` has 3", cls((1, 1, 1, 1)), x)
        yield bad("got -1", cls((1, -1)), x)
        yield bad("got -2", cls((1, 1), (0, -2)), x)
        yield bad(
            'cannot add 4 elements in mode "reflect": axis 2 of `x` has 4', cls((4,), mode="reflect"), x
        )
        yield bad(
            'cannot add 5 elements in mode "wrap": axis 2 of `x` has 4', cls((0,), (5,), mode="wrap"), x
        )
        yield bad(
            'cannot add 1 elements in mode "edge": axis 0 of `x` has 0',
            cls((1,), mode="edge"),
            tensor("f32", 0),
        )


@operator("pad_gradient", "dy", internal=True)
@immutable
class PadGradient(Op):
    """For each element of the padded input, the sum of `dy` over its copies.

    Args:
        sizes: The sizes of the padded input.
        begins, ends, mode: As in `pad`.

    Inputs: `dy`, floats, shaped as the result of `pad`.
    """

    category = "plain"

    sizes: Sizes
    begins: Ints
    ends: Ints | None = None
    mode: str = "constant"

    @property
    def _pad(self) -> Pad:
        return Pad(self.begins, self.ends, self.mode)

    def shape(self, dy: TensorType) -> TensorType:
        need_float(dy, "dy")
        x = dy.with_shape(self.sizes)
        expected = self._pad.shape(x)
        if expected != dy:
            raise OpError(f"needs `dy` {expected}, but got {dy}", at=["dy"])
        return x

    def forward(self, xp: Module, dy: Array) -> Array:
        dx = widen(xp, dy)
        for axis, begin, end in self._pad.pads(dy.ndim):
            dx = xp.moveaxis(self._folded(xp, xp.moveaxis(dx, axis, 0), begin, end), 0, axis)
        return dx.astype(dy.dtype, copy=False)

    def _folded(self, xp: Module, x: Array, begin: int, end: int) -> Array:
        """`x` without the padding along its first axis, which is added to the elements it copies."""
        size = len(x) - begin - end
        front, core, behind = x[:begin], x[begin : begin + size], x[begin + size :]
        if self.mode == "constant" or begin + end == 0:
            return core
        core = core.copy(order="K")
        if self.mode == "edge":
            core[:1] += xp.sum(front, axis=0, keepdims=True)
            core[-1:] += xp.sum(behind, axis=0, keepdims=True)
        elif self.mode == "wrap":
            core[size - begin :] += front
            core[:end] += behind
        else:
            core[1 : begin + 1] += front[::-1]
            core[size - 1 - end : size - 1] += behind[::-1]
        return core

    def gradient(self, dy: Value, y: Value, inner: Value) -> Value:
        return dy.apply(self._pad)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        for mode in _MODES:
            yield example(cls(sizes(2, 3, 4), (2, 1), mode=mode), draw(2, 7, 6))
            yield example(cls(sizes(2, 4), (0, 3), (1, 0), mode), draw(3, 7))
        yield example(cls(sizes(0, 3), (1,)), draw(0, 5))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("needs `dy` f32[4]", cls(sizes(2), (1,)), tensor("f32", 5))
        yield bad("floating-point", cls(sizes(2), (1,)), tensor("i32", 4))
