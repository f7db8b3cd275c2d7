"""What runs, and the memory that it takes, before it runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netruntime as nr
from netdsl.ops.linear.linear import Linear
from netruntime.native.constants import evaluate, room_for
from netruntime.native.library import load_library
from netruntime.native.run import NativeRun
from netruntime.native.steps import ArrayType, Step
from netruntime.profiling.listing import listed
from netruntime.profiling.memory import memory_need

ROOT = Path(__file__).parents[3]
native = pytest.mark.skipif(not load_library(), reason="not built")
WIDE = """net 1.0
model Wide(x: f32[B, 3, 32, 32]) -> y: f32[B, 10] {
  return x -> a: Conv(64, 3, pad=1) -> BatchNorm -> relu -> MaxPool(4) -> flatten -> fc: Linear(2048) -> relu
    -> fc2: Linear(2048) -> relu -> out: Linear(10)
}
"""


@native
def test_the_listing_says_what_was_fused_and_where_results_are() -> None:
    steps = listed(nr.load(ROOT / "examples" / "lenet5.net", engine="native").plan({"B": 2}))
    assert [step.label for step in steps][:2] == ["conv1.conv", "avg_pool.avg_pool"]
    assert steps[0].operators == ("conv", "tanh")
    assert steps[0].kernels[-1][0] == "conv"
    assert steps[0].kernels[-1][1] > 1
    assert steps[0].layout == "blocks"
    assert steps[0].place.memory == "arena"
    assert steps[0].place.bytes == 4 * 2 * 16 * 28 * 28  # 6 channels in a block of 16
    assert steps[-1].place.memory == "result"
    assert {step.run for step in steps} == {0}


@native
def test_buffers_are_inside_the_arena() -> None:
    plan = nr.load(ROOT / "examples" / "resnet18.net", engine="native").plan({"B": 1, "H": 64, "W": 64})
    (run,) = [step.run for step in plan.steps if isinstance(step.run, NativeRun)]
    places = [step.place for step in listed(plan) if step.place.memory == "arena"]
    assert len(places) > 15
    assert all(place.offset is not None and place.offset + place.bytes <= run.arena for place in places)


def test_on_numpy_each_operator_is_a_step() -> None:
    steps = listed(nr.load(ROOT / "examples" / "lenet5.net", engine="numpy").plan({"B": 2}))
    assert {step.run for step in steps} == {None}
    assert [step.operators for step in steps][:3] == [("conv",), ("tanh",), ("avg_pool",)]
    assert steps[0].place.bytes == 4 * 2 * 6 * 28 * 28


def test_weights_inputs_and_outputs_are_counted() -> None:
    net = nr.load(WIDE, engine="numpy")
    need = memory_need(net.plan({"B": 7}), net.device)
    count = sum(array.nbytes for array in net.weights.values())
    assert (need.weights, need.inputs, need.outputs) == (count, 4 * 7 * 3 * 32 * 32, 4 * 7 * 10)
    assert need.constants == need.arena == 0
    assert need.values >= 2 * 4 * 7 * 64 * 32 * 32
    assert need.peak >= need.process + need.weights + need.values


PEAK = """
import sys
from netruntime.cli import main
try:
    main()
except SystemExit:
    pass
status = open("/proc/self/status").read().splitlines()
print(next(line for line in status if line.startswith("VmHWM")).split()[1], file=sys.stderr)
"""


def started(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", PEAK, *args], capture_output=True, text=True, check=True)


@native
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("batch", [1, 64])
def test_the_prediction_is_within_a_tenth_of_what_a_run_takes(batch: int, tmp_path: Path) -> None:
    file = tmp_path / "wide.net"
    file.write_text(WIDE)
    size = ("--size", f"B={batch}", "--engine", "native")
    predicted = json.loads(started("show", str(file), "--memory", *size, "--json").stdout)
    peak = 1024 * int(started("run", str(file), "--input", "random", *size).stderr.split()[-1])
    assert predicted["weights"] > 2**25  # enough to notice if it is left out
    assert predicted["peak"] == pytest.approx(peak, rel=0.1)


FROM_FILE = """
import sys
import numpy as np
import netruntime as nr
from netruntime.profiling.memory import memory_need
net = nr.load(sys.argv[1], sys.argv[2], engine="native")
print(memory_need(net.plan({"B": 1}), net.device, net.weights).peak)
net.run({"x": np.zeros((1, *[size.value for size in net.inputs["x"].shape[1:]]), np.float32)})
status = open("/proc/self/status").read().splitlines()
print(1024 * int(next(line for line in status if line.startswith("VmHWM")).split()[1]))
"""


@native
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_weights_of_a_file_are_in_memory_until_they_are_packed(tmp_path: Path) -> None:
    file, weights = tmp_path / "wide.net", tmp_path / "wide.safetensors"
    file.write_text(WIDE)
    nr.load(file).save(weights)
    command = [sys.executable, "-c", FROM_FILE, str(file), str(weights)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    predicted, peak = map(int, done.stdout.split())
    net = nr.load(file, engine="native")
    assert predicted == pytest.approx(peak, rel=0.1)
    assert (
        memory_need(net.plan({"B": 1}), net.device, net.weights).weights > 2**25 > weights.stat().st_size / 8
    )


# -- constants --------------------------------------------------------------------------------------


def _chain() -> tuple[list[Step], dict[Any, ArrayType]]:
    """Two products of the weight 0, then their product."""
    types = {(n, 0): ArrayType("f32", (4, 4)) for n in range(4)}
    reads = {1: (0, 0), 2: (1, 0), 3: (1, 2)}
    constants = frozenset(types)
    return [
        Step(node, Linear(), tuple((source, 0) for source in sources), 1, types, constants)
        for node, sources in reads.items()
    ], types


def test_constants_are_computed_when_needed_and_counted_while_alive() -> None:
    steps, types = _chain()
    weight = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)
    wanted = [((1, 0),), ((3, 0), (0, 0))]
    first, second = evaluate(steps, {(0, 0): weight}, wanted)
    square = weight @ weight
    np.testing.assert_allclose(first[0], square, rtol=1e-5)
    np.testing.assert_allclose(second[0], square @ (square @ weight), rtol=1e-4)
    assert second[1] is weight
    assert room_for(steps, wanted, types) == 3 * 64
    assert room_for(steps, [((1, 0),)], types) == 64
