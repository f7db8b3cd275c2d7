"""Pooling: the maximum, the mean or the norm of every window, one axis after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import isfinite, prod
from typing import ClassVar

from netdsl.dims import DimLike, symbol
from netdsl.immutable import immutable
from netdsl.ops.contract.base import (
    Array,
    BadExample,
    Example,
    Ints,
    Module,
    Op,
    OpError,
    bad,
    example,
    op_named,
    operator,
)
from netdsl.ops.contract.rules import check_value, need_float, need_number, need_rank, need_type, spread
from netdsl.ops.contract.samples import draw, draw_ints
from netdsl.ops.contract.time import AxisMap, InputTypes, mixing_map
from netdsl.ops.contract.value import Value
from netdsl.ops.elementwise.rounding import Abs, Sign
from netdsl.ops.elementwise.stop_gradient import StopGradient
from netdsl.ops.numerics import functions as numerics
from netdsl.ops.numerics.windows import LAYOUT, Windows, windows
from netdsl.types import DType, TensorType, tensor


def reduce_windows(
    xp: Module, combine: Callable[..., Array], x: Array, placement: Windows, fill: float
) -> Array:
    """`combine` over all elements of each window, axis by axis: `a + b` steps for a window `[a, b]`."""
    counts = placement.fixed_counts(x.shape[2:])
    x = placement.padded(xp, x, fill)
    for axis, count in enumerate(counts):
        step, gap = placement.stride[axis], placement.dilation[axis]
        before = (slice(None),) * (2 + axis)
        places = range(0, int(placement.size[axis]) * gap, gap)
        pieces = [x[(*before, slice(place, place + count * step, step))] for place in places]
        x = pieces[0] if len(pieces) == 1 else combine(pieces[0], pieces[1])
        for piece in pieces[2:]:
            combine(x, piece, out=x)
    return x


def lowest(xp: Module, x: Array) -> float:
    """A value that is never above any element of `x`."""
    return int(xp.iinfo(x.dtype).min) if x.dtype.kind in "iu" else float("-inf")


def power(xp: Module, x: Array, p: float) -> Array:
    """`|x| ** p`."""
    return x * x if p == 2 else xp.abs(x) if p == 1 else xp.abs(x) ** p


def root(xp: Module, x: Array, p: float) -> Array:
    """`x ** (1 / p)`."""
    return xp.sqrt(x) if p == 2 else x if p == 1 else x ** (1 / p)


def norm_slope(dy: Value, y: Value, p: float) -> Value:
    """`dy * y ** (1 - p)`, in f32 at least; 0 where the norm is 0, a kink with opposite slopes."""
    kind = DType.F32 if dy.dtype.itemsize == 2 else dy.dtype
    flow, norm = dy.cast(kind), y.cast(kind)
    if p == 1:
        return flow
    none = norm.equals(0)
    return none.select(0, flow * none.select(1, norm) ** (1 - p))


def power_slope(x: Value, p: float) -> Value:
    """`sign(x) * |x| ** (p - 1)`, in f32 at least; 0 where `x` is 0."""
    wide = x.cast(DType.F32 if x.dtype.itemsize == 2 else x.dtype)
    if p == 2:
        return wide
    if p == 1:
        return wide.apply(Sign()).apply(StopGradient())
    none = wide.equals(0)
    other = none.select(1, wide)
    return none.select(0, other * other.apply(Abs()) ** (p - 2))


def check_power(p: float, dtype: DType) -> None:
    """Raise `OpError` if `p` cannot be the order of a norm of elements of `dtype`, in f32 at least."""
    if not p > 0:
        raise OpError(f"needs `p` above 0, but got {p}", attribute="p")
    if not isfinite(p):
        raise OpError(f"needs a finite `p`, but got {p}", attribute="p", help="use a pool of maxima")
    check_value(p, DType.F32 if dtype.itemsize == 2 else dtype, "p")


@immutable
class Pool(Op):
    """Base of the pools: the positions of the windows."""

    category = "pool"

    size: Ints
    stride: Ints | None = None
    pad: Ints | str = (0,)
    dilation: Ints = (1,)
    ceil_mode: bool = False

    takes_integers: ClassVar[bool] = False

    def shape(self, x: TensorType) -> TensorType:
        (need_number if self.takes_integers else need_float)(x)
        need_rank(x, 3, layout=LAYOUT)
        return x.with_shape((*x.shape[:2], *self.windows(x.shape[2:]).counts(x.shape[2:])))

    def windows(self, space: Sequence[DimLike]) -> Windows:
        """The windows over these spatial axes. Raises `OpError` for invalid attributes."""
        size = spread(self.size, len(space), "size")
        stride = size if self.stride is None else self.stride
        placement = windows(size, stride, self.pad, self.dilation, self.ceil_mode)
        for axis, pair in enumerate(() if isinstance(placement.pad, str) else placement.pad):
            if max(pair) >= int(placement.reach(axis)):  # such a window would contain only padding
                raise OpError(
                    f"needs `pad` below the {placement.reach(axis)} elements that a window spans, "
                    f"but got {max(pair)}",
                    attribute="pad",
                )
        return placement

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return mixing_map(xs, y, *range(2, y.rank))

    def slides_along(self, xs: InputTypes, axis: int) -> bool:
        return self.windows(need_type(xs[0]).shape[2:]).slides_along(axis)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        x = draw(2, 3, 9, 8)
        yield example(cls((2,)), x)
        yield example(cls((3,), (2,)), x)
        yield example(cls((3, 2), (2, 1), (1, 0)), x)
        yield example(cls((3,), (2,), (0, 1, 2, 1)), x)
        yield example(cls((3,), (2,), "same"), x)
        yield example(cls((3,), (2,), "same_lower"), x)
        yield example(cls((3,), (2,), "same", (2,)), x)
        yield example(cls((2,), (2,), "valid"), x)
        yield example(cls((1,), (2,)), x)
        yield example(cls((3,), (2,), ceil_mode=True), x)
        yield example(cls((2, 3), (2, 3), (1,), ceil_mode=True), x)
        yield example(cls((2,), (3,), (1,), ceil_mode=True), x)
        yield example(cls((2,), (1,), dilation=(2, 3)), x)
        yield example(cls((3,), (2,), (1,)), draw(2, 3, 7))
        yield example(cls((2, 1, 3), (1, 2, 2), (1, 0, 1)), draw(2, 2, 4, 3, 5))
        yield example(cls((2,)), draw(0, 3, 4, 4))
        yield example(cls((2,)), draw(2, 0, 4, 4))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        x = tensor("f32", 2, 3, 5, 5)
        words = "needs numbers" if cls.takes_integers else "floating-point"
        yield bad(words, cls((2,)), tensor("bool", 2, 3, 5, 5))
        yield bad("at least 1 spatial axis, but `x` is f32[2, 3]", cls((2,)), tensor("f32", 2, 3))
        yield bad("3 values for `size`", cls((2, 2, 2)), x)
        yield bad("`size` of at least 1, but got 0", cls((2, 0)), x)
        yield bad("`size` of at least 1, but got 0", cls((2, 0)), tensor("f32", 2, 3, symbol("H"), 5))
        yield bad("3 values for `stride`", cls((2,), (1, 1, 1)), x)
        yield bad("`stride` of at least 1, but got 0", cls((2,), (0,)), x)
        yield bad("`dilation` of at least 1, but got 0", cls((2,), dilation=(0,)), x)
        yield bad("use 1 value, 2 (one per axis), or 4", cls((2,), pad=(1, 1, 1)), x)
        yield bad('pad mode "full"', cls((2,), pad="full"), x)
        yield bad("`pad` below the 2 elements that a window spans, but got 2", cls((2,), pad=(0, 0, 0, 2)), x)
        yield bad("spans 6 elements, but axis 2 of `x` has 5", cls((6, 1)), x)
        yield bad(
            "spans 6 elements, but axis 3 of `x` has 3 (5 with padding)",
            cls((6,), pad=(1,)),
            tensor("f32", 2, 3, 4, 3),
        )
        yield bad(
            "spans 3 elements, but axis 2 of `x` has 0",
            cls((3,), (1,), ceil_mode=True),
            tensor("f32", 2, 3, 0, 5),
        )


@operator("max_pool", "x")
@immutable
class MaxPool(Pool):
    """The largest element of each window, per channel.

    Args:
        size: Elements in a window; one value, or one per spatial axis.
        stride: Elements from one window to the next; as `size` by default. If smaller, windows overlap.
        pad: How far windows may extend past the ends: one value, one per spatial axis, or all
            before and then all after; or `"same"`, `"same_lower"`, `"valid"` as in `conv`.
        dilation: Elements from one position to the next inside a window.
        ceil_mode: Whether a last window may extend past the end, if it starts before it.

    Inputs: `x` `[B, C, *space]`, any numbers. Padding is never the largest; NaN is.

    Source: Riesenhuber and Poggio 1999; ONNX `MaxPool`.
    """

    takes_integers: ClassVar[bool] = True

    def forward(self, xp: Module, x: Array) -> Array:
        return reduce_windows(xp, xp.maximum, x, self.windows(x.shape[2:]), lowest(xp, x))

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy.apply(op_named("max_pool_gradient", self), x)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield from super().examples()
        for dtype in ("u8", "i8", "i32", "i64"):
            low = 0 if dtype == "u8" else -100
            yield example(cls((3,), (2,), (1,)), draw_ints(1, 2, 5, 5, low=low, high=100, dtype=dtype))


@operator("avg_pool", "x")
@immutable
class AvgPool(Pool):
    """The mean of each window, per channel.

    Args:
        size, stride, pad, dilation, ceil_mode: As in `max_pool`.
        count_pad: Whether padding counts as zeros. If not, the mean is over elements of `x` alone.
            Positions that windows reach only by `ceil_mode` never count.

    Inputs: `x` `[B, C, *space]`, floats. The mean of a window without elements of `x` is 0.

    Source: LeCun et al. 1989; ONNX `AveragePool`.
    """

    count_pad: bool = False

    def forward(self, xp: Module, x: Array) -> Array:
        placement = self.windows(x.shape[2:])
        total = reduce_windows(xp, xp.add, numerics.widen(xp, x), placement, 0)
        return (total / self.numbers(xp, x.shape[2:], placement, total)).astype(x.dtype, copy=False)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        return dy.apply(op_named("pool_spread", self, x.shape))

    def numbers(self, xp: Module, space: Sequence[int], placement: Windows, total: Array) -> Array | int:
        """How many elements count in each window: a number, or an array that broadcasts to `total`."""
        if not placement.ceil and (self.count_pad or not any(map(any, placement.padding(space)))):
            return prod(map(int, placement.size))
        numbers = xp.ones((), dtype=total.dtype)
        for axis, (length, (begin, end)) in enumerate(zip(space, placement.padding(space), strict=True)):
            count, size = total.shape[2 + axis], int(placement.size[axis])
            starts = xp.arange(count)[:, None] * placement.stride[axis] - begin
            places = starts + xp.arange(size) * placement.dilation[axis]
            first, stop = (-begin, length + end) if self.count_pad else (0, length)
            counted = xp.sum((places >= first) & (places < stop), axis=1)
            numbers = numbers * counted.reshape(count, *[1] * (len(space) - 1 - axis))
        return xp.maximum(numbers, 1).astype(total.dtype)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield from super().examples()
        x = draw(2, 3, 9, 8)
        yield example(cls((3,), (2,), (1,), count_pad=True), x)
        yield example(cls((3,), (2,), "same", count_pad=True), x)
        yield example(cls((2, 3), (2, 3), (1,), ceil_mode=True, count_pad=True), x)
        yield example(cls((3,), (2,), (0, 1, 2, 1), ceil_mode=True, count_pad=True), x)


@operator("lp_pool", "x")
@immutable
class LpPool(Pool):
    """The norm of each window, per channel: `sum(|x| ** p) ** (1 / p)`.

    Args:
        size, stride, pad, dilation, ceil_mode: As in `max_pool`; padding counts as zeros.
        p: The order of the norm, above 0.

    Inputs: `x` `[B, C, *space]`, floats.

    Source: Sermanet et al. 2012; ONNX `LpPool`.
    """

    p: float = 2.0

    def shape(self, x: TensorType) -> TensorType:
        y = super().shape(x)
        check_power(self.p, x.dtype)
        return y

    def forward(self, xp: Module, x: Array) -> Array:
        placement = self.windows(x.shape[2:])
        total = reduce_windows(xp, xp.add, power(xp, numerics.widen(xp, x), self.p), placement, 0)
        return root(xp, total, self.p).astype(x.dtype, copy=False)

    def gradient(self, dy: Value, y: Value, x: Value) -> Value:
        total = op_named("window_sum", self.size, self.stride, self.pad, self.dilation, self.ceil_mode)
        flow = norm_slope(dy, y, self.p).apply(op_named("pool_spread", total, x.shape))
        return (flow * power_slope(x, self.p)).cast(x.dtype)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield from super().examples()
        for p in (1.0, 1.5, 3.0):
            yield example(cls((3,), (2,), (1,), p=p), draw(2, 3, 9, 8))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield from super().bad_examples()
        yield bad("above 0, but got 0.0", cls((2,), p=0.0), tensor("f32", 2, 3, 5, 5))
        yield bad("1e+308 in f32", cls((2,), p=1e308), tensor("f16", 2, 3, 5, 5))
        yield bad("finite `p`", cls((2,), p=float("inf")), tensor("f64", 2, 3, 5, 5))
