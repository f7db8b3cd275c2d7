"""Whatever an operator raises is an error with the line, the operator and the shapes."""

from __future__ import annotations

import numpy as np
import pytest

import netruntime as nr
from netdsl.ops.contract.base import OpError
from netdsl.ops.elementwise.activations import Relu

X = np.ones((2, 3, 6, 6), np.float32)


@pytest.mark.parametrize(
    ("signature", "body", "arrays"),
    [
        ("x: f32[2, 3, 6, 6], y: f32[4, 3, K, 2]", "conv(x, y)", (X, np.ones((4, 3, 0, 2), "f4"))),
        ("x: f32[B, 3, 5, D]", "rotary(x, rotated=4)", (np.ones((1, 3, 5, 2), np.float32),)),
        ("x: f32[2, 3, 9, 8]", "max_pool(x, 3, pad=\"same\", dilation=9223372036854775807)",
         (np.ones((2, 3, 9, 8), np.float32),)),
        ("x: f32[B]", "causal_mask(0, 4611686018427387904)", (np.ones(1, np.float32),)),
    ],
)  # fmt: skip
def test_sizes_that_an_operator_cannot_take(
    signature: str, body: str, arrays: tuple[np.ndarray, ...]
) -> None:
    try:
        net = nr.load(f"net 1.0\nmodel M({signature}) {{\n  return {body}\n}}\n")
    except nr.NetError:
        return  # `check` knows already
    with pytest.raises(nr.NetError) as caught:
        net(**dict(zip(net.inputs, arrays, strict=True)))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code in ("E0820", "E0853") and diagnostic.span is not None


@pytest.mark.parametrize(
    "body", ["causal_mask(0, 4611686018427387904)", "zeros([4611686018427387904], dtype=u8) -> max"]
)
def test_sizes_of_values_within_an_operator(body: str) -> None:
    """In elements of 8 bytes they take 2^65 bytes: CuPy would allocate none, and write to it all the same."""
    net = nr.load(f"net 1.0\nmodel M(x: f32[B]) {{\n  return {body}\n}}\n")
    with pytest.raises(nr.DataInputError, match=r"E0820.* cannot give .*4611686018427387904\]") as caught:
        net.plan({"B": 1})
    assert caught.value.diagnostics[0].span is not None


@pytest.mark.parametrize(
    "error",
    [
        *(OpError("a"), ValueError("a"), IndexError("a"), KeyError("a")),
        *(OverflowError("a"), ZeroDivisionError("a"), FloatingPointError("a")),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_every_kind_of_error(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise error

    net = nr.load("net 1.0\nmodel M(x: f32[B, 4]) {\n  return x -> relu\n}\n", engine="numpy")
    monkeypatch.setattr(Relu, "forward", fail)
    with pytest.raises(nr.DataInputError) as caught:
        net(x=np.ones((2, 4), np.float32))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E0820" and diagnostic.span is not None and diagnostic.span.line == 3
    assert "`relu` cannot run on f32[2, 4]: " in diagnostic.message


def test_memory_that_runs_out_names_the_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError("64 GiB")

    net = nr.load("net 1.0\nmodel M(x: f32[B, 4]) {\n  return x -> relu\n}\n", engine="numpy")
    monkeypatch.setattr(Relu, "forward", fail)
    with pytest.raises(nr.DataInputError, match=r"E0822.*ran out of memory: 64 GiB"):
        net(x=np.ones((2, 4), np.float32))
