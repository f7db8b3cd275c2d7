"""Walks the operator registry: an operator that lacks a facet, or disagrees with others, fails here."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest

import ops.references  # noqa: F401  (registers the independent implementations)
from netdsl.dims import Dim
from netdsl.ops import REGISTRY
from netdsl.ops.contract.base import INTERNAL, Category, Example, Op, OpError
from netdsl.types import DType, TensorType, tensor
from ops.drawing import sample, strided
from ops.harness import REFERENCES, SELECTED, tolerance

EXEMPT: dict[str, str] = {}
"""Operators that the walk cannot drive, each with the test that covers it instead."""

TAKES_ANYTHING = {"stop_gradient"}
"""Operators that have no input to refuse."""

WALKED = {name: cls for name, cls in sorted(REGISTRY.items()) if name not in EXEMPT and SELECTED in name}
EXAMPLES = [
    pytest.param(e, dtype, id=f"{name}-{n}-{dtype}")
    for name, cls in WALKED.items()
    for n, e in enumerate(cls.examples())
    for dtype in (DType.F32, DType.F64)
]
BAD = [
    pytest.param(b, id=f"{name}-{n}")
    for name, cls in WALKED.items()
    for n, b in enumerate(cls.bad_examples())
]


def as_tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def type_of(array: Any) -> TensorType | None:
    if array is None:
        return None
    dtype = next(d for d in DType if d.numpy_name == str(array.dtype))
    return tensor(dtype, *array.shape)


def draw_all(item: Example, dtype: DType) -> list[Any]:
    return [sample(d, dtype, f"{item.op}{n}") for n, d in enumerate(item.inputs)]


def run(op: Op, xp: Any, arrays: list[Any]) -> tuple[Any, ...]:
    extra = {"rng": xp.random.default_rng(0)} if op.is_random else {}
    return as_tuple(op.forward(xp, *arrays, **extra))


def to_numpy(array: Any) -> Any:
    return array.get() if hasattr(array, "get") else np.asarray(array)


@pytest.mark.parametrize("name", WALKED)
def test_has_every_facet(name: str) -> None:
    cls = REGISTRY[name]
    assert cls.__doc__ and len(cls.__doc__) > 60, f"{name} needs a docstring"
    assert cls.shape is not Op.shape and cls.forward is not Op.forward
    assert list(cls.examples()), f"{name} has no examples"
    assert bool(list(cls.bad_examples())) != (name in TAKES_ANYTHING), f"{name} has no bad examples"
    assert cls.is_random or cls in REFERENCES, f"{name} has no independent implementation"
    assert "Source: " in cls.__doc__, f"the docstring of {name} names no source"
    assert getattr(cls, "category", None) in get_args(Category), f"{name} declares no category for drawings"
    assert differentiates(cls) != bool(cls.no_gradient), f"{name} needs a gradient, or the reason for none"
    steps = cls.axis_map is not Op.axis_map
    assert steps != bool(cls.no_stepping), f"{name} needs an axis map, or the reason for none"


@pytest.mark.parametrize("name", sorted(INTERNAL))
def test_internal_operators_have_their_facets(name: str) -> None:
    cls = INTERNAL[name]
    assert cls.__doc__ and cls.shape is not Op.shape and cls.forward is not Op.forward
    assert getattr(cls, "category", None) in get_args(Category)
    assert differentiates(cls) != bool(cls.no_gradient)
    assert list(cls.examples())


def differentiates(cls: type[Op]) -> bool:
    return cls.gradient is not Op.gradient or cls.in_parts is not Op.in_parts


@pytest.mark.parametrize(("item", "dtype"), EXAMPLES)
def test_inferred_type_is_the_actual_one(item: Example, dtype: DType, xp: Any) -> None:
    arrays = [None if a is None else xp.asarray(a) for a in draw_all(item, dtype)]
    inferred = as_tuple(item.op.shape(*(type_of(a) for a in arrays)))
    assert [type_of(o) for o in run(item.op, xp, arrays)] == list(inferred)
    assert isinstance(item.op.cost(*(type_of(a) for a in arrays)), Dim)


@pytest.mark.parametrize("dtype", [DType.F16, DType.BF16])
@pytest.mark.parametrize(("item", "_"), [p for p in EXAMPLES if p.values[1] is DType.F32])
def test_sixteen_bit_floats_keep_their_type(item: Example, _: DType, dtype: DType) -> None:
    pytest.importorskip("ml_dtypes", reason="bf16 arrays need ml_dtypes")
    arrays = draw_all(item, dtype)
    try:
        inferred = as_tuple(item.op.shape(*(type_of(a) for a in arrays)))
    except OpError as wrong:
        assert "cannot represent" in wrong.message  # an attribute out of the range of f16
        return
    assert [type_of(o) for o in run(item.op, np, arrays)] == list(inferred)


@pytest.mark.parametrize(("item", "dtype"), EXAMPLES)
def test_agrees_with_an_independent_implementation(item: Example, dtype: DType, xp: Any) -> None:
    if item.op.is_random:
        pytest.skip("random: its distribution is tested in test_random.py")
    arrays = draw_all(item, dtype)
    expected = as_tuple(REFERENCES[type(item.op)](item.op, *arrays))
    for layout in (xp.asarray, lambda a: strided(xp.asarray(a), xp)):
        actual = run(item.op, xp, [None if a is None else layout(a) for a in arrays])
        assert len(actual) == len(expected)
        for ours, theirs in zip(actual, expected, strict=True):
            limits = tolerance(type(item.op), np.dtype(dtype.numpy_name))
            np.testing.assert_allclose(to_numpy(ours), theirs, **limits)


@pytest.mark.parametrize("item", BAD)
def test_refuses_bad_input(item: Any) -> None:
    with pytest.raises(OpError) as caught:
        item.op.shape(*item.inputs)
    assert item.words in f"{caught.value.message} {caught.value.help}"


@pytest.mark.parametrize(("item", "dtype"), [p for p in EXAMPLES if p.values[1] is DType.F32])
def test_inputs_are_left_alone(item: Example, dtype: DType) -> None:
    arrays = draw_all(item, dtype)
    before = [None if a is None else a.copy() for a in arrays]
    run(item.op, np, arrays)
    for was, now in zip(before, arrays, strict=True):
        np.testing.assert_array_equal(was, now)
