"""Gradients in every element type, and the shape rules of the operators that only gradients use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from netdsl.dims import symbol
from netdsl.ops.contract.base import INTERNAL, BadExample, Op, OpError
from netdsl.ops.contract.samples import Draw
from netdsl.ops.contract.value import Value
from netdsl.types import DType, TensorType, tensor
from ops.drawing import sample
from ops.gradients.finite_differences import EagerTape, as_tuple, forward, value
from ops.gradients.test_gradients import DIFFERENTIABLE, EVERY

LIMITS = {DType.F32: 1e-5, DType.F16: 1e-2, DType.BF16: 5e-2}
"""How far a gradient may be from that in f64, relative to the largest one."""
BAD = [
    pytest.param(item, id=f"{name}-{n}")
    for name, cls in sorted(INTERNAL.items())
    for n, item in enumerate(cls.bad_examples())
]


def gradients(op: Op, arrays: Sequence[Any], dtype: DType) -> list[Any]:
    """The gradients of a weighted sum of the outputs, with weights from the 16-bit floats."""
    tape, rng = EagerTape(), np.random.default_rng(7)
    outputs = forward(op, arrays)
    floats = [str(o.dtype) == dtype.numpy_name for o in outputs]
    weights = [rng.integers(64, 128, o.shape) / 64 * rng.choice([-1, 1], o.shape) for o in outputs]
    dy = [
        value(np.asarray(w, dtype.numpy_name), tape) if is_float else None
        for w, is_float in zip(weights, floats, strict=True)
    ]
    if not any(floats):
        return []
    y = [value(o, tape) for o in outputs]
    xs = [None if a is None else value(a, tape) for a in arrays]
    xs += [None] * (0 if op.inputs[0].startswith("*") else len(op.inputs) - len(xs))
    found = op.gradient(dy[0], y[0], *xs) if len(outputs) == 1 else op.gradient(tuple(dy), tuple(y), *xs)
    return [None if f is None else f.ref for f in as_tuple(found)]


def widened(array: Any, dtype: DType) -> Any:
    return array.astype(np.float64) if array is not None and str(array.dtype) == dtype.numpy_name else array


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_is_close_to_that_in_f64(name: str, dtype: DType) -> None:
    """Of the type of its input, and as far off as rounding may put it."""
    pytest.importorskip("ml_dtypes", reason="bf16 arrays need ml_dtypes")
    for item in EVERY[name].examples():
        arrays = [sample(d, dtype, f"{item.op}{n}") for n, d in enumerate(item.inputs)]
        try:
            ours = gradients(item.op, arrays, dtype)
        except OpError as wrong:
            assert "cannot represent" in wrong.message  # an attribute out of the range of f16
            continue
        exact = gradients(item.op, [widened(a, dtype) for a in arrays], DType.F64)
        for array, mine, theirs in zip(arrays, ours, exact, strict=False):
            if mine is None or theirs is None:
                continue
            assert mine.dtype == array.dtype and mine.shape == array.shape
            largest = max(1.0, float(np.max(np.abs(theirs), initial=0.0)))
            worst = np.max(np.abs(mine.astype(np.float64) - theirs), initial=0.0) / largest
            assert worst <= LIMITS[dtype], f"{item.op} in {dtype}: {worst}"


class TypeTape:
    """Infers the types of a formula and runs nothing."""

    def emit(self, op: Op, inputs: Sequence[Value | None], types: Sequence[TensorType]) -> Sequence[Any]:
        return types


def freed(draws: Sequence[Draw | None], axis: int, size: int) -> list[TensorType | None]:
    """The types of a sample with a free size in place of this one on one axis of all inputs."""
    return [
        d and tensor(d.dtype, *(symbol("B") if (n, m) == (axis, size) else m for n, m in enumerate(d.shape)))
        for d in draws
    ]


def free_cases(cls: type[Op]) -> list[tuple[Op, list[TensorType | None], Any]]:
    """Samples of an operator that it also takes with a free size on one axis."""
    found = []
    for item in cls.examples():
        axes = {(axis, n) for d in item.inputs if d for axis, n in enumerate(d.shape) if n > 1}
        for axis, size in sorted(axes):
            types = freed(item.inputs, axis, size)
            try:
                found.append((item.op, types, item.op.shape(*types)))
            except OpError:
                continue
    return found


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_formulas_take_free_sizes(name: str) -> None:
    """Each gradient is of the type of its input, whatever the free size will be."""
    for op, types, outputs in free_cases(EVERY[name]):
        tape = TypeTape()
        y = [Value(tape, None, t) for t in as_tuple(outputs)]
        dy = [v if v.dtype.is_float else None for v in y]
        xs = [t and Value(tape, None, t) for t in types]
        xs += [None] * (0 if op.inputs[0].startswith("*") else len(op.inputs) - len(xs))
        if not any(dy):
            continue
        found = op.gradient(dy[0], y[0], *xs) if len(y) == 1 else op.gradient(tuple(dy), tuple(y), *xs)
        for x, gradient in zip(types, as_tuple(found), strict=False):
            assert gradient is None or gradient.type == x, f"{op}: {gradient} for {x}"


def test_most_formulas_are_tried_with_free_sizes() -> None:
    tried = [name for name in DIFFERENTIABLE if free_cases(EVERY[name])]
    assert len(tried) >= 0.9 * len(DIFFERENTIABLE)


@pytest.mark.parametrize("item", BAD)
def test_an_internal_operator_refuses_bad_input(item: BadExample) -> None:
    with pytest.raises(OpError) as caught:
        item.op.shape(*item.inputs)
    assert item.words in f"{caught.value.message} {caught.value.help}"
