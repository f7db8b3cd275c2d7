"""A plugin for pytest: what the tests run on the CPU runs on a CUDA device, real or emulated, instead.

    pytest -p emulated.everywhere tests/runtime tests/std tests/zoo

`open_device()` gives `cuda:0`. What a network returns, and what tests compare, is copied to NumPy; all else
stays on the device. Tests that ask for what only NumPy gives are left out: see `LEFT_OUT`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from emulated import devices

devices.load()

import cupy  # noqa: E402

from netruntime.engine.backends import CUDA, Device, device  # noqa: E402
from netruntime.engine.network import Network  # noqa: E402

COMPARISONS = ("assert_allclose", "assert_array_equal", "assert_equal")

LEFT_OUT: dict[str, str] = {
    "test_passes.py::test_a_rewritten_graph_computes_the_same": "executes a plan on arrays of NumPy",
    "test_backends.py::test_a_plan_uses_the_kernel": "registers a kernel for the CPU",
    "test_fit.py::test_frozen_weights_stay": "copies weights of the device by np.array",
    "test_full_gpu.py": "is written for a device, and runs in the part `device`",
    "test_full_memory.py::test_training_compares": "sets how much memory of the CPU is free",
    "test_training_golden.py::test_gradients_of_the_first_step[transformer]": "has dropout masks of NumPy",
    "test_training_golden.py::test_weights_after_three_steps[transformer]": "has dropout masks of NumPy",
    "test_network.py::test_a_network_moves_to_a_device_by_name": "expects the CPU by name",
}
"""Parts of the names of tests that mean nothing here, with the reasons."""


def host(value: Any) -> Any:
    """A value with its arrays in CPU memory."""
    if isinstance(value, cupy.ndarray):
        return value.get()
    return {name: host(part) for name, part in value.items()} if isinstance(value, dict) else value


def on_host(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its arguments in CPU memory."""
    return lambda *values, **options: function(*map(host, values), **options)


def _device(name: str, xp: Any, backend: Any, index: int = 0, **engine: Any) -> Device:
    return Device("cuda:0", cupy, CUDA) if name == "cpu" else Device(name, xp, backend, index)


def _run(network: Network, *arguments: Any, **options: Any) -> Any:
    return host(RUN(network, *arguments, **options))


RUN = Network.run
device.Device = _device  # type: ignore[assignment, misc]
Network.run = _run  # type: ignore[method-assign]
for name in COMPARISONS:
    setattr(np.testing, name, on_host(getattr(np.testing, name)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is left out, and carry the weights of `std.phases`, which executes plans itself."""
    for item in items:
        reason = next((LEFT_OUT[part] for part in LEFT_OUT if part in item.nodeid), None)
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=f"on the device: {reason}"))
    phases = sys.modules.get("std.phases")
    if phases is None or hasattr(phases, "run_on_device"):
        return
    execute = phases.run_on_device = phases.execute  # type: ignore[attr-defined]

    def carried(plan: Any, inputs: Any, weights: Any, *rest: Any, **options: Any) -> Any:
        there = {name: cupy.asarray(array) for name, array in weights.items()}
        return [host(value) for value in execute(plan, inputs, there, *rest, **options)]

    phases.execute = carried  # type: ignore[attr-defined]
