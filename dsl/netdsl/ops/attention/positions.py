"""Position encodings for attention: rotary embedding of features, and ALiBi on the scores."""

from __future__ import annotations

from collections.abc import Iterable

from netdsl.immutable import immutable
from netdsl.ops.contract.base import Array, BadExample, Example, Module, Op, OpError, bad, example, operator
from netdsl.ops.contract.rules import need_both_or_neither, need_float, need_int, need_type
from netdsl.ops.contract.samples import draw, draw_ints
from netdsl.ops.contract.time import AxisMap, InputMap, InputTypes, TimeAxis, same_axes
from netdsl.ops.contract.value import Value
from netdsl.ops.numerics import functions as numerics
from netdsl.types import TensorType, tensor


def need_four_axes(x: TensorType, name: str, layout: str) -> None:
    """Raise `OpError` if `x` does not have the four axes that `layout` names."""
    if x.rank != 4:
        raise OpError(f"needs {layout}, but `{name}` is {x}", at=[name])


@operator("rotary", "x", "positions?")
@immutable
class Rotary(Op):
    """Rotates pairs of features by an angle that grows with the position.

    Pair `i` of `R` rotated features is rotated by `position * base ^ (-2 i / R)` radians:
    `(a, b)` becomes `(a cos - b sin, a sin + b cos)`. Angles are computed in f64.

    Args:
        base: The base of the wavelengths; larger ones suit longer sequences.
        interleaved: Whether pairs are neighbours, `(0, 1), (2, 3), ...`; otherwise they come from
            the two halves, `(0, R / 2), (1, R / 2 + 1), ...`.
        rotated: `R`, how many of the first features are rotated, an even number; all by default.

    Inputs: `x` `[B, heads, T, D]`, queries or keys; `positions`, integers `[T]` or `[B, T]`,
    0 to `T - 1` by default.

    Source: Su et al. 2021; ONNX `RotaryEmbedding`.
    """

    category = "attention"
    counts_along = 2

    base: float = 10000.0
    interleaved: bool = False
    rotated: int | None = None

    def shape(self, x: TensorType, positions: TensorType | None = None) -> TensorType:
        need_float(x)
        need_four_axes(x, "x", "[B, heads, T, D]")
        if not self.base > 0:
            raise OpError(f"needs `base` above 0, but got {self.base}", attribute="base")
        self._check_rotated(x)
        if positions is not None:
            need_int(positions, "positions")
            if positions.shape not in ((x.shape[2],), (x.shape[0], x.shape[2])):
                raise OpError(
                    f"needs a position [T] or [B, T] per step of `x`, which is {x}, "
                    f"but `positions` is {positions}",
                    at=[("x", 2), "positions"],
                )
        return x

    def _check_rotated(self, x: TensorType) -> None:
        size = x.shape[3]
        if self.rotated is None:
            if size.exact_divide(2) is None:
                raise OpError(
                    f"rotates pairs of features, but `x` has {size}",
                    at=[("x", 3)],
                    help="set `rotated` to an even number",
                )
        elif self.rotated < 2 or self.rotated % 2 or size.compare(self.rotated) == -1:
            raise OpError(
                f"needs `rotated` to be even, from 2 to the {size} features of `x`, but got {self.rotated}",
                at=[("x", 3)],
                attribute="rotated",
            )

    def forward(self, xp: Module, x: Array, positions: Array | None = None) -> Array:
        size = x.shape[3] if self.rotated is None else self.rotated
        cos, sin = self._turns(xp, x, positions, size)
        y = x.copy()
        even, odd = self._pairs(size)
        a, b = numerics.widen(xp, x[..., even]), numerics.widen(xp, x[..., odd])
        y[..., even] = a * cos - b * sin
        y[..., odd] = a * sin + b * cos
        return y

    def gradient(self, dy: Value, y: Value, x: Value, positions: Value | None) -> tuple[Value, None]:
        return dy.apply(RotaryGradient(self.base, self.interleaved, self.rotated), positions), None

    def _pairs(self, size: int) -> tuple[slice, slice]:
        if self.interleaved:
            return slice(0, size, 2), slice(1, size, 2)
        return slice(0, size // 2), slice(size // 2, size)

    def _turns(self, xp: Module, x: Array, positions: Array | None, size: int) -> tuple[Array, Array]:
        """Cosine and sine of the angles, `[B or 1, 1, T, size / 2]`."""
        if positions is None:
            positions = xp.arange(x.shape[2])
        speeds = self.base ** (xp.arange(0, size, 2, dtype=xp.float64) / -max(size, 1))
        angles = positions.astype(xp.float64)[..., None] * speeds
        angles = (angles if angles.ndim == 3 else angles[None])[:, None]
        wide = xp.float64 if x.dtype.itemsize == 8 else xp.float32
        return xp.cos(angles).astype(wide), xp.sin(angles).astype(wide)

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        positions: InputMap = () if len(xs) < 2 or xs[1] is None else (2,) if xs[1].rank == 1 else (0, 2)
        return AxisMap((same_axes(4), positions)[: len(xs)], frozenset({3}))

    @classmethod
    def examples(cls) -> Iterable[Example]:
        x = draw(2, 3, 5, 8)
        yield example(cls(), x)
        yield example(cls(), x, draw_ints(5, high=2000))
        yield example(cls(), x, draw_ints(2, 5, high=2000, dtype="i32"))
        yield example(cls(base=500.0), x)
        yield example(cls(interleaved=True), x, draw_ints(2, 5))
        yield example(cls(rotated=4), x)
        yield example(cls(interleaved=True, rotated=6), x, draw_ints(5))
        yield example(cls(), draw(1, 1, 1, 2), draw_ints(1))
        yield example(cls(), draw(0, 3, 5, 8), draw_ints(0, 5))
        yield example(cls(), draw(2, 3, 0, 8))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        x = tensor("f32", 2, 3, 5, 8)
        yield bad("floating-point", cls(), tensor("i32", 2, 3, 5, 8))
        yield bad("[B, heads, T, D]", cls(), tensor("f32", 3, 5, 8))
        yield bad("`base` above 0", cls(base=0.0), x)
        yield bad("pairs of features, but `x` has 7", cls(), tensor("f32", 2, 3, 5, 7))
        yield bad("got 3", cls(rotated=3), x)
        yield bad("got 0", cls(rotated=0), x)
        yield bad("from 2 to the 8 features of `x`, but got 10", cls(rotated=10), x)
        yield bad("needs integers", cls(), x, tensor("f32", 5))
        yield bad("`positions` is i64[3, 5]", cls(), x, tensor("i64", 3, 5))
        yield bad("`positions` is i64[2, 4]", cls(), x, tensor("i64", 2, 4))


@operator("rotary_gradient", "dy", "positions?", internal=True)
@immutable
class RotaryGradient(Rotary):
    """Rotates pairs of features back by the angles of `rotary`.

    Args:
        base, interleaved, rotated: As in `rotary`.

    Inputs: `dy` `[B, heads, T, D]`, floats; `positions` as in `rotary`.
    """

    def _turns(self, xp: Module, x: Array, positions: Array | None, size: int) -> tuple[Array, Array]:
        cos, sin = super()._turns(xp, x, positions, size)
        return cos, -sin

    def gradient(self, dy: Value, y: Value, x: Value, positions: Value | None) -> tuple[Value, None]:
        return dy.apply(Rotary(self.base, self.interleaved, self.rotated), positions), None


@operator("alibi", "scores")
@immutable
class Alibi(Op):
    """Lowers attention scores linearly with the distance between query and key.

    Adds `slope * (s - (t + S - T))` to the score of query `t` for key `s`, where the last query
    is at the position of the last key. Head `h` of `2 ^ n` has the slope `2 ^ (-8 (h + 1) / 2 ^ n)`; for a
    different number of heads, those of the next lower power of two are followed by every second slope of the
    next higher one.

    Inputs: `scores` `[B, heads, T, S]`, floats, before the softmax and a causal mask.

    Source: Press et al. 2022, "Train short, test long", and its published code.
    """

    category = "attention"

    def shape(self, scores: TensorType) -> TensorType:
        need_float(scores, "scores")
        need_four_axes(scores, "scores", "[B, heads, T, S]")
        return scores

    def forward(self, xp: Module, scores: Array) -> Array:
        heads, queries, keys = scores.shape[1:]
        wide = numerics.widen(xp, scores)
        slopes = xp.asarray(alibi_slopes(heads), dtype=wide.dtype)
        distance = xp.arange(keys) - (xp.arange(queries)[:, None] + (keys - queries))
        return (wide + slopes[:, None, None] * distance.astype(wide.dtype)).astype(scores.dtype)

    def gradient(self, dy: Value, y: Value, scores: Value) -> Value:
        return dy

    def axis_map(self, xs: InputTypes, y: TensorType) -> AxisMap:
        return AxisMap((same_axes(4),))

    def check_time_axes(self, xs: InputTypes, time: TimeAxis) -> None:
        """A query counts its position back from the last key."""
        scores = need_type(xs[0])
        need_both_or_neither(time, scores.shape[2], scores.shape[3])

    @classmethod
    def examples(cls) -> Iterable[Example]:
        yield example(cls(), draw(2, 8, 3, 3))
        yield example(cls(), draw(2, 12, 3, 5))
        yield example(cls(), draw(1, 1, 5, 3))
        yield example(cls(), draw(2, 6, 1, 4))
        yield example(cls(), draw(0, 4, 3, 3))

    @classmethod
    def bad_examples(cls) -> Iterable[BadExample]:
        yield bad("floating-point", cls(), tensor("i32", 2, 8, 3, 3))
        yield bad("[B, heads, T, S]", cls(), tensor("f32", 8, 3, 3))


def alibi_slopes(heads: int) -> list[float]:
    """The slope of each head."""
    if heads < 1:
        return []
    power = 2 ** (heads.bit_length() - 1)
    return _powers(power) + _powers(2 * power)[::2][: heads - power]


def _powers(heads: int) -> list[float]:
    return [2.0 ** (-8 * (head + 1) / heads) for head in range(heads)]
