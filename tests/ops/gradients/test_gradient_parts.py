"""Operators in parts mean what they mean whole, and blocks that fit a cache change no number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netdsl.ops.contract.base import Op
from netdsl.ops.contract.value import Value
from netdsl.ops.numerics import blocking
from netdsl.types import DType
from ops.drawing import sample
from ops.gradients.finite_differences import EagerTape, analytic, as_tuple, draw_doubles, forward, value
from ops.gradients.test_gradient_types import TypeTape, free_cases
from ops.gradients.test_gradients import DIFFERENTIABLE, EVERY, has_parts, samples

IN_PARTS = sorted(name for name, cls in EVERY.items() if has_parts(cls) and not cls.is_random)
BLOCKS = ["conv", "norm", "pool", "softmax", "attention"]
IN_BLOCKS = [name for name in DIFFERENTIABLE if any(word in name for word in BLOCKS)]


def parts(op: Op, arrays: list[Any]) -> list[Any]:
    tape = EagerTape()
    return [v.ref for v in as_tuple(op.in_parts(*(a if a is None else value(a, tape) for a in arrays)))]


@pytest.mark.parametrize("name", IN_PARTS)
def test_parts_give_what_the_whole_gives(name: str) -> None:
    for n, item in enumerate(EVERY[name].examples()):
        arrays = draw_doubles(item, n)
        if any(a is not None and a.size == 0 for a in arrays):
            continue
        for part, whole in zip(parts(item.op, arrays), forward(item.op, arrays), strict=True):
            np.testing.assert_allclose(part, whole, rtol=1e-9, atol=1e-11, err_msg=str(item.op))


@pytest.mark.parametrize("name", IN_PARTS)
def test_parts_keep_sixteen_bit_floats(name: str) -> None:
    for n, item in enumerate(EVERY[name].examples()):
        arrays = [sample(d, DType.F16, f"{n}{m}") for m, d in enumerate(item.inputs)]
        for part, whole in zip(parts(item.op, arrays), forward(item.op, arrays), strict=True):
            assert part.dtype == whole.dtype == np.float16 and part.shape == whole.shape
            np.testing.assert_allclose(part, whole, rtol=1e-2, atol=1e-2, err_msg=str(item.op))


@pytest.mark.parametrize("name", IN_PARTS)
def test_parts_take_free_sizes(name: str) -> None:
    tried = free_cases(EVERY[name])
    assert tried
    for op, types, outputs in tried:
        tape = TypeTape()
        found = as_tuple(op.in_parts(*(t and Value(tape, None, t) for t in types)))
        assert [v.type for v in found] == list(as_tuple(outputs)), f"{op} for {types}"


@pytest.mark.parametrize("name", IN_PARTS)
def test_the_whole_agrees_with_itself_in_small_blocks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = [(item, draw_doubles(item, n)) for n, item in enumerate(EVERY[name].examples())]
    at_once = [forward(item.op, arrays) for item, arrays in drawn]
    shrink_blocks(monkeypatch)
    for (item, arrays), expected in zip(drawn, at_once, strict=True):
        for mine, theirs in zip(forward(item.op, arrays), expected, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-10, atol=1e-12, err_msg=str(item.op))


@pytest.mark.parametrize("name", IN_BLOCKS)
def test_gradients_agree_in_small_blocks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = samples(EVERY[name])
    at_once = [(forward(item.op, arrays), analytic(item.op, arrays)) for item, arrays in drawn]
    shrink_blocks(monkeypatch)
    for (item, arrays), (outputs, gradients) in zip(drawn, at_once, strict=True):
        again = [*forward(item.op, arrays), *analytic(item.op, arrays)]
        for mine, theirs in zip(again, [*outputs, *gradients], strict=True):
            assert (mine is None) == (theirs is None)
            if mine is not None:
                np.testing.assert_allclose(mine, theirs, rtol=1e-10, atol=1e-12, err_msg=str(item.op))


def shrink_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a few elements, so that small samples take many of them."""
    small = blocking.BlockSizes(elements=16, row_bytes=48, scores=4, column_bytes=1024, columns=2)
    monkeypatch.setattr(blocking, "CPU_BLOCKS", small)
