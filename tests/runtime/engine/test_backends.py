"""Which kernel runs: the backend's, its parent's, or the operator's own meaning."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netruntime as nr
from netdsl.ops.elementwise.activations import Relu
from netdsl.ops.elementwise.smooth_activations import Tanh
from netdsl.types import DType
from netruntime.engine.backends import CPU, Backend, open_device
from netruntime.engine.backends.registry import reference


def fast_relu(xp: Any, op: Relu, x: Any) -> Any:
    return xp.maximum(x, 0)


def test_a_backend_asks_its_parent_and_then_the_operator() -> None:
    parent = Backend("parent")
    child = Backend("child", parent)
    assert child.resolve(Relu, [DType.F32]) is reference
    parent.kernel(Relu)(fast_relu)
    assert child.resolve(Relu, [DType.F32]) is fast_relu
    assert child.resolve(Tanh, [DType.F32]) is reference

    @child.kernel(Relu)
    def own(xp: Any, op: Relu, x: Any) -> Any:
        return x

    assert child.resolve(Relu, [DType.F32]) is own
    assert parent.resolve(Relu, [DType.F32]) is fast_relu


def test_a_kernel_runs_only_for_the_types_it_declares() -> None:
    backend = Backend("b")
    backend.kernel(Relu, dtypes=[DType.F32])(fast_relu)
    assert backend.resolve(Relu, [DType.F32]) is fast_relu
    assert backend.resolve(Relu, [DType.F64]) is reference


def test_a_plan_uses_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, ...]] = []

    def counted(xp: Any, op: Relu, x: Any) -> Any:
        calls.append(x.shape)
        return op.forward(xp, x)

    monkeypatch.setitem(CPU.kernels, Relu, (frozenset(DType), counted))
    net = nr.load("net 1.0\nmodel M(x: f32[B]) { return x -> relu }")
    np.testing.assert_array_equal(net(x=np.array([-1, 2], np.float32)), [0, 2])
    assert calls == [(2,)]


def test_generators_are_reproducible(device: str) -> None:
    first, second = (open_device(device).generator(1, 2).random(4) for _ in range(2))
    assert (first == second).all()
    assert (first != open_device(device).generator(1, 3).random(4)).any()
