"""Gradients held against finite differences in f64.

`EagerTape` runs the operators of a formula at once, so that the `gradient` facet of an operator gives
numbers; `check_gradient` compares them with central differences, element by element.

Rule for kinks: where the central difference disagrees and the two one-sided differences disagree with each
other, the sample lies at a kink, and the gradient must lie between the two slopes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netdsl.ops.contract.base import Example, Op
from netdsl.ops.contract.value import Value
from netdsl.types import DType, TensorType, tensor
from ops.drawing import sample

RTOL, ATOL = 1e-5, 1e-7
STEP = 1e-5
KINK = 1e-3
"""One-sided slopes that differ by more than this, relative to their size, belong to a kink."""


@dataclass(frozen=True)
class EagerTape:
    """Runs each operator when it is emitted; a value's reference is its array."""

    def emit(self, op: Op, inputs: Sequence[Value | None], types: Sequence[TensorType]) -> Sequence[Any]:
        fixed = op.bind({})
        extra = {"rng": np.random.default_rng(0)} if op.is_random else {}
        with np.errstate(all="ignore"):
            result = fixed.forward(np, *(None if i is None else i.ref for i in inputs), **extra)
        arrays = result if isinstance(result, tuple) else (result,)
        for array, type_ in zip(arrays, types, strict=True):
            assert str(array.dtype) == type_.dtype.numpy_name, f"{op} gives {array.dtype}, not {type_}"
            assert tuple(array.shape) == tuple(d.value for d in type_.shape), f"{op}: {array.shape}, {type_}"
        return arrays


def value(array: Any, tape: EagerTape) -> Value:
    dtype = next(d for d in DType if d.numpy_name == str(array.dtype))
    return Value(tape, array, tensor(dtype, *array.shape))


def as_tuple(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)


def forward(op: Op, arrays: Sequence[Any]) -> tuple[Any, ...]:
    extra = {"rng": np.random.default_rng(0)} if op.is_random else {}
    with np.errstate(all="ignore"):
        return as_tuple(op.forward(np, *arrays, **extra))


def is_float(array: Any) -> bool:
    return array is not None and array.dtype == np.float64


def draw_doubles(item: Example, seed: int) -> list[Any]:
    return [sample(d, DType.F64, f"{item.op}{n}{seed}") for n, d in enumerate(item.inputs)]


def weights_for(outputs: Sequence[Any]) -> list[Any]:
    """A random number for each element of the float outputs: the gradient is of their weighted sum.

    What is infinite, such as the logarithm of a masked chance, does not count.
    """
    rng = np.random.default_rng(7)
    return [_weights(rng, o) if is_float(o) else None for o in outputs]


def _weights(rng: np.random.Generator, output: Any) -> Any:
    weights = rng.uniform(0.5, 1.5, output.shape) * rng.choice([-1, 1], output.shape)
    return np.where(np.isfinite(output), weights, 0.0)


def analytic(op: Op, arrays: Sequence[Any]) -> list[Any]:
    """What the operator's `gradient` gives for each input, None where nothing flows into it."""
    tape = EagerTape()
    outputs = forward(op, arrays)
    y = [value(o, tape) for o in outputs]
    dy = [None if w is None else value(np.asarray(w), tape) for w in weights_for(outputs)]
    xs = [None if a is None else value(a, tape) for a in arrays]
    left_out = 0 if op.inputs[0].startswith("*") else len(op.inputs) - len(xs)
    xs += [None] * left_out
    one = len(outputs) == 1
    found = as_tuple(op.gradient(dy[0] if one else tuple(dy), y[0] if one else tuple(y), *xs))
    assert len(found) == len(xs), f"{op.name} gives {len(found)} gradients for {len(xs)} inputs"
    assert not any(found[len(arrays) :]), f"{op.name} gives a gradient for an input that is left out"
    return [None if f is None else f.ref for f in found[: len(arrays)]]


def check_gradient(op: Op, arrays: Sequence[Any], given: Sequence[Any]) -> None:
    """Raise `AssertionError` where `given` is not the gradient at `arrays`."""
    outputs = forward(op, arrays)
    weights = weights_for(outputs)

    def loss(inputs: Sequence[Any]) -> float:
        results = forward(op, inputs)
        pairs = [(w, r) for w, r in zip(weights, results, strict=True) if w is not None]
        return float(sum(np.sum(w * np.where(w == 0, 0.0, r)) for w, r in pairs))

    for slot, array in enumerate(arrays):
        if not is_float(array):
            assert given[slot] is None, f"{op.name} gives a gradient for input {slot}, which holds no floats"
            continue
        gradient = np.zeros(array.shape) if given[slot] is None else given[slot]
        assert gradient.shape == array.shape and gradient.dtype == array.dtype, f"{op.name}: input {slot}"
        for index in np.ndindex(array.shape):
            _check_element(op, slot, index, float(gradient[index]), _slopes(loss, arrays, slot, index))


def _slopes(loss: Callable[[Sequence[Any]], float], arrays: Sequence[Any], slot: int, index: Any) -> Any:
    """The backward, central and forward difference for one element."""
    at = [loss(_moved(arrays, slot, index, move)) for move in (-STEP, 0.0, STEP)]
    return (at[1] - at[0]) / STEP, (at[2] - at[0]) / (2 * STEP), (at[2] - at[1]) / STEP


def _moved(arrays: Sequence[Any], slot: int, index: Any, move: float) -> list[Any]:
    moved = [a if n != slot else a.copy() for n, a in enumerate(arrays)]
    moved[slot][index] += move
    return moved


def _check_element(op: Op, slot: int, index: Any, ours: float, slopes: tuple[float, float, float]) -> None:
    before, central, after = slopes
    limit = ATOL + RTOL * abs(central)
    if abs(ours - central) <= limit:
        return
    low, high = min(before, after), max(before, after)
    at_kink = high - low > KINK * (1 + abs(central)) and low - limit <= ours <= high + limit
    assert at_kink, (
        f"{op}: input {slot} at {index}: {ours} against {central} ({before} before, {after} after)"
    )
