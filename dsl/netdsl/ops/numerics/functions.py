"""Numerical functions that several operators share: the error function, stable sigmoids, products."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod

from netdsl.ops.contract.base import Array, Module
from netdsl.ops.numerics.blocking import block_sizes, on_cpu


def widen(xp: Module, x: Array) -> Array:
    """`x` in f32 if its elements are 16-bit floats, else `x` itself."""
    return x.astype(xp.float32) if x.dtype.itemsize == 2 else x


def where(xp: Module, condition: Array, a: Array, b: Array) -> Array:
    """`xp.where` for `a` and `b` of one element type, which the result has too: CuPy's is f32 for bf16."""
    return xp.asarray(xp.where(condition, a, b).astype(a.dtype, copy=False))


def by_blocks(xp: Module, function: Callable[..., Array], *xs: Array) -> Array:
    """`function(*xs)` for an elementwise function, in blocks that fit the cache of a CPU.

    The arrays are of one shape, and the result has the element type of the first.
    """
    block = block_sizes(xp).elements
    if xs[0].size <= block:
        return xp.asarray(function(*xs))
    flat = [x.reshape(-1) for x in xs]
    out = xp.empty_like(flat[0])
    for start in range(0, out.size, block):
        out[start : start + block] = function(*(x[start : start + block] for x in flat))
    return out.reshape(xs[0].shape)


def row_blocks(xp: Module, rows: int, row_bytes: int) -> Iterator[slice]:
    """Slices of `rows` rows that fit the cache of a CPU with a few temporaries; a GPU takes all at once."""
    step = max(block_sizes(xp).row_bytes // max(row_bytes, 1), 1)
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def by_rows(xp: Module, function: Callable[..., Array], axes: tuple[int, ...], *xs: Array) -> Array:
    """`function(axes, *xs)` for a function that reduces `axes`; if those are the last ones, in cached rows.

    The arrays are of one shape, and the result has it too, with the element type of the first.
    """
    rank = xs[0].ndim
    if not on_cpu(xp) or axes != tuple(range(rank - len(axes), rank)) or xs[0].size == 0:
        return xp.asarray(function(axes, *xs))
    size = prod(xs[0].shape[rank - len(axes) :])
    flat = [x.reshape(-1, size) for x in xs]
    out = xp.empty(flat[0].shape, dtype=xs[0].dtype)
    for rows in row_blocks(xp, len(out), size * widen(xp, out[:0]).itemsize):
        out[rows] = function((1,), *(x[rows] for x in flat))
    return out.reshape(xs[0].shape)


def dots(xp: Module, a: Array, b: Array) -> Array:
    """`sum(a * b)` over the last axis; on NumPy, without an array of products."""
    if on_cpu(xp):
        return xp.vecdot(a, b)
    return xp.sum(a * b, axis=-1)


def matmul(xp: Module, a: Array, b: Array) -> Array:
    """`a @ b` with the sums of 16-bit floats taken in f32.

    cuBLAS does so itself, where CuPy calls it; NumPy has no BLAS routine for 16-bit floats, and is faster in
    f32.
    """
    if a.dtype.itemsize == 2 and (on_cpu(xp) or not _has_short_product(a, b)):
        return xp.asarray(xp.matmul(widen(xp, a), widen(xp, b)).astype(a.dtype))
    return xp.asarray(xp.matmul(a, b))


def _has_short_product(a: Array, b: Array) -> bool:
    """Whether CuPy has cuBLAS multiply these 16-bit floats.

    It adds up the product of one row and one column by itself, in 16 bits, and has no product of stacks of
    matrices in bf16.
    """
    if max(a.ndim, b.ndim) > 2:
        return bool(a.dtype.kind == "f")
    return bool((a.ndim == 2 and a.shape[0] != 1) or (b.ndim == 2 and b.shape[1] != 1))


def tails(xp: Module, x: Array) -> tuple[Array, Array]:
    """`exp(min(x, 0))` and `exp(min(-x, 0))`: their ratio is `exp(x)`, and neither can overflow."""
    zero = x.dtype.type(0)
    return xp.exp(xp.minimum(x, zero)), xp.exp(xp.minimum(-x, zero))


def sigmoid(xp: Module, x: Array) -> Array:
    """`1 / (1 + exp(-x))` without overflow and with full relative precision in both tails."""
    rise, fall = tails(xp, x)
    return rise / (rise + fall)


def softplus(xp: Module, x: Array) -> Array:
    """`log(1 + exp(x))` without overflow."""
    return xp.maximum(x, x.dtype.type(0)) + xp.log1p(xp.exp(-xp.abs(x)))


def erf(xp: Module, x: Array) -> Array:
    """The error function, to a few units in the last place of f32 or f64."""
    return _erf_double(xp, x) if x.dtype.itemsize == 8 else _erf_single(xp, x)


def polynomial(x: Array, coefficients: Sequence[float]) -> Array:
    """The polynomial with these coefficients, the highest power first, by Horner's rule."""
    value = x * coefficients[0] + coefficients[1]
    for coefficient in coefficients[2:]:
        value *= x
        value += coefficient
    return value


def _choose(condition: Array, a: Array, b: Array) -> Array:
    """`where` for finite values, without branches, which a CPU cannot predict for mixed signs."""
    chosen = condition.astype(a.dtype)
    return a * chosen + b * (1 - chosen)


_SINGLE_NEAR = (
    -5.96761703e-4,
    4.99119423e-3,
    -2.67681349e-2,
    1.12819925e-1,
    -3.76125336e-1,
    1.28379166e-1,
)
_SINGLE_FAR = (
    -1.72853470e-5,
    3.83197126e-4,
    -3.88396438e-3,
    2.42546219e-2,
    -1.06777877e-1,
    -6.34846687e-1,
    -1.28717512e-1,
)


def _erf_single(xp: Module, x: Array) -> Array:
    """N. Juffa's minimax approximations: `x + x P(x²)` near 0, `1 - exp(-t + t P(t))` beyond."""
    x = xp.clip(x, -4.0, 4.0)
    size = xp.abs(x)
    near = x + x * polynomial(size * size, _SINGLE_NEAR)
    far = xp.copysign(1 - xp.exp(size * polynomial(size, _SINGLE_FAR) - size), x)
    return _choose(size > 0.927734375, far, near)


# W. J. Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23, 1969:
# erf(x) = x P(x²) / Q(x²) up to 0.46875, and erfc(x) = exp(-x²) P(x) / Q(x) up to 4.
_NEAR_TOP = (
    1.85777706184603153e-1,
    3.16112374387056560e0,
    1.13864154151050156e2,
    3.77485237685302021e2,
    3.20937758913846947e3,
)
_NEAR_BOTTOM = (
    1.0,
    2.36012909523441209e1,
    2.44024637934444173e2,
    1.28261652607737228e3,
    2.84423683343917062e3,
)
_FAR_TOP = (
    2.15311535474403846e-8,
    5.64188496988670089e-1,
    8.88314979438837594e0,
    6.61191906371416295e1,
    2.98635138197400131e2,
    8.81952221241769090e2,
    1.71204761263407058e3,
    2.05107837782607147e3,
    1.23033935479799725e3,
)
_FAR_BOTTOM = (
    1.0,
    1.57449261107098347e1,
    1.17693950891312499e2,
    5.37181101862009858e2,
    1.62138957456669019e3,
    3.29079923573345963e3,
    4.36261909014324716e3,
    3.43936767414372164e3,
    1.23033935480374942e3,
)


def _erf_double(xp: Module, x: Array) -> Array:
    # Beyond 6, erf is 1 to the last bit; from 4 to 6 the middle range is still good enough for that.
    x = xp.clip(x, -6.0, 6.0)
    size = xp.abs(x)
    square = size * size
    near = x * polynomial(square, _NEAR_TOP) / polynomial(square, _NEAR_BOTTOM)
    ratio = polynomial(size, _FAR_TOP) / polynomial(size, _FAR_BOTTOM)
    far = xp.copysign(1 - xp.exp(-square) * ratio, x)
    return _choose(size > 0.46875, far, near)
