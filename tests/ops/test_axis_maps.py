"""Every operator's axis map is true: along a mapped axis, an output sees only the same position of the input.

Stepping with caches relies on the maps. One position of one input is changed; along the axis of the output
that it is mapped to, all other positions must stay as they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from netdsl.dims import symbol
from netdsl.ops import REGISTRY
from netdsl.ops.attention.softmax import Softmax
from netdsl.ops.contract.base import DataError, Example, Op
from netdsl.ops.contract.time import AxisMap, TimeAxis, UnsupportedError, elementwise_map, mixing_map
from netdsl.ops.norm.norm import LayerNorm
from netdsl.types import DType, TensorType
from ops.drawing import sample
from ops.harness import SELECTED
from ops.test_conformance import as_tuple, run, type_of

MAPPED = {name: cls for name, cls in sorted(REGISTRY.items()) if not cls.no_stepping and SELECTED in name}


def outputs_and_map(item: Example, arrays: list[Any]) -> tuple[Any, AxisMap]:
    types = [type_of(a) for a in arrays]
    y = as_tuple(item.op.shape(*types))[0]
    return run(item.op, np, arrays)[0], item.op.axis_map(types, y)


def comparable(arrays: list[Any], y: Any, axes: AxisMap) -> Iterator[tuple[int, int, int]]:
    """Each slot, axis of its input and axis of the output whose positions the map calls independent."""
    for slot, map_ in enumerate(axes.inputs):
        for axis, along in enumerate(map_):
            if along is None or along in axes.mixed:
                continue
            if arrays[slot].shape[axis] == y.shape[along] > 1:
                yield slot, axis, along


def draw_all(item: Example, n: int) -> list[Any]:
    return [sample(d, DType.F64, f"{n}.{slot}") for slot, d in enumerate(item.inputs)]


def changed_elsewhere(item: Example, n: int) -> Iterator[str]:
    """The dependences in a sample that its axis map denies."""
    arrays = draw_all(item, n)
    before, axes = outputs_and_map(item, arrays)
    assert [len(map_) for map_ in axes.inputs] == [0 if a is None else a.ndim for a in arrays]
    for slot, axis, along in comparable(arrays, before, axes):
        middle = before.shape[along] // 2
        changed = [None if a is None else a.copy() for a in arrays]
        at = (slice(None),) * axis + (middle,)
        changed[slot][at] = sample(item.inputs[slot], DType.F64, "other")[at]
        try:
            after = run(item.op, np, changed)[0]
        except DataError:
            continue
        pair = [np.delete(y, middle, axis=along) for y in (after, before)]
        if not np.allclose(*pair, rtol=1e-9, atol=1e-12, equal_nan=True):
            yield f"{item.op}: axis {axis} of input {slot} touches other positions of axis {along}"


@pytest.mark.parametrize("name", MAPPED)
def test_positions_along_mapped_axes_are_independent(name: str) -> None:
    for n, item in enumerate(MAPPED[name].examples()):
        assert list(changed_elsewhere(item, n)) == []


@pytest.mark.parametrize("name", [name for name, cls in MAPPED.items() if cls.inputs])
def test_the_samples_put_every_map_to_the_test(name: str) -> None:
    compared = []
    for n, item in enumerate(MAPPED[name].examples()):
        arrays = draw_all(item, n)
        compared += comparable(arrays, *outputs_and_map(item, arrays))
    assert compared, f"{name}: no sample has two positions along an axis that its map calls independent"


@pytest.mark.parametrize(
    ("op", "wrong"),
    [
        (Softmax, lambda self, xs, y: elementwise_map(xs, y)),
        (LayerNorm, lambda self, xs, y: mixing_map(xs, y)),
    ],
    ids=["a softmax that mixes nothing", "a layer norm of independent features"],
)
def test_a_wrong_map_is_noticed(op: type[Op], wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(op, "axis_map", wrong)
    assert any(list(changed_elsewhere(item, n)) for n, item in enumerate(op.examples()))


@pytest.mark.parametrize("name", [name for name, cls in REGISTRY.items() if cls.no_stepping])
def test_without_a_map_there_is_a_reason(name: str) -> None:
    op = next(iter(REGISTRY[name].examples())).op
    with pytest.raises(UnsupportedError, match=op.no_stepping):
        op.axis_map((), None)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [name for name, cls in REGISTRY.items() if cls.inputs and SELECTED in name])
def test_views_are_declared(name: str) -> None:
    shared = []
    for n, item in enumerate(REGISTRY[name].examples()):
        arrays = draw_all(item, n)
        y = run(item.op, np, arrays)[0]
        if arrays and arrays[0] is not None and y.size:
            shared.append(np.shares_memory(arrays[0], y))
    assert REGISTRY[name].is_view == (bool(shared) and all(shared))


def running_sums() -> Iterator[Any]:
    for name, cls in MAPPED.items():
        for n, item in enumerate(cls.examples()):
            if cls.running_sum_axis is not Op.running_sum_axis:
                yield pytest.param(item, n, id=f"{name}-{n}")


@pytest.mark.parametrize(("item", "n"), list(running_sums()))
def test_a_running_sum_goes_on_from_the_sum_of_the_past(item: Example, n: int) -> None:
    (x,) = draw_all(item, n)
    (y,) = run(item.op, np, [x])
    axis = item.op.running_sum_axis(type_of(y))
    if axis is None:
        with pytest.raises(UnsupportedError):
            item.op.check_time_axes([symbolic(type_of(x))], TimeAxis("T"))
        return
    past, new = np.split(x, [x.shape[axis] // 2], axis=axis)
    after = run(item.op, np, [new])[0] + past.sum(axis=axis, keepdims=True, dtype=x.dtype)
    np.testing.assert_allclose(after, np.split(y, [x.shape[axis] // 2], axis=axis)[1], rtol=1e-12)


def symbolic(type_: TensorType) -> TensorType:
    return type_.with_shape([symbol("T")] * type_.rank)
