"""The profile of a run: its parts, rows, trace and drawing, on both engines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netruntime as nr
from netruntime.draw import draw_html, draw_svg, summary
from netruntime.draw.building import build_scene
from netruntime.errors import ArgumentError, DataInputError
from netruntime.native.library import load_library
from netruntime.profiling import Part, Profile, profile, profile_training
from netruntime.profiling.clock import Clock
from netruntime.profiling.grouping import ProfileRow, rows_of
from netruntime.profiling.trace import chrome_trace
from netruntime.train.run import TrainRequest, prepare

EXAMPLES = Path(__file__).parents[3] / "examples"
ENGINES = ["numpy", pytest.param("native", marks=pytest.mark.skipif(not load_library(), reason="not built"))]
BLOCK = """net 1.0

block Branch(width) = a: Conv(width, 3, pad=1) -> BatchNorm -> relu

model Small(x: f32[B, 8, 6, 6]) -> y: f32[B, 5] {
  return x
    -> residual { Branch(8) -> b: Conv(8, 3, pad=1) } -> relu
    -> flatten
    -> fc: Linear(5) -> softmax
}
"""


def random(*shape: int) -> Any:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def small(engine: Any = "auto") -> Profile:
    return profile(nr.load(BLOCK, engine=engine), {"x": random(3, 8, 6, 6)}, repeats=2)


def operators(parts: Sequence[Part]) -> list[str]:
    return [part.operator for part in parts]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["lenet5", "googlenet"])
def test_the_parts_make_up_the_model(engine: Any, name: str) -> None:
    """Whatever is fused, all multiply-adds of the model are in the parts, and each node in one alone."""
    net = nr.load(EXAMPLES / f"{name}.net", engine=engine)
    shape = (2, 1, 28, 28) if name == "lenet5" else (1, 3, 224, 224)
    found = profile(net, {"image": random(*shape)}, repeats=1)
    expected = summary(net.graph, {"B": shape[0]}).totals.multiply_adds.value
    assert sum(part.multiply_adds for part in found.parts) == expected
    nodes = [node for part in found.parts for node in part.nodes]
    assert len(nodes) == len(set(nodes))
    assert all(part.seconds > 0 for part in found.parts if part.multiply_adds)


def test_numpy_runs_one_operator_a_part() -> None:
    found = small("numpy")
    assert operators(found.parts) == [
        *("conv", "batch_norm", "relu", "conv", "add", "relu", "flatten", "linear", "softmax")
    ]
    assert {part.kernels for part in found.parts} == {("numpy",)}
    assert found.engine == "numpy"


@pytest.mark.skipif(not load_library(), reason="not built")
def test_what_is_fused_is_one_part_at_the_place_of_its_product() -> None:
    parts = {part.label: part for part in small("native").parts}
    names = [label for label, part in parts.items() if part.operators[0] == "conv"]
    first, second = (parts[name] for name in names)
    assert first.operator == "conv + batch_norm + relu"
    assert first.span.line == 3
    assert second.operator == "conv + add + relu"
    assert second.span.line == 7
    assert "numpy" not in first.kernels


def test_the_bytes_of_a_part_are_what_it_reads_and_writes() -> None:
    (linear,) = [part for part in small("numpy").parts if part.operator == "linear"]
    assert linear.bytes == 4 * (3 * 288 + 288 * 5 + 5 + 3 * 5)
    (flatten,) = [part for part in small("numpy").parts if part.operator == "flatten"]
    assert flatten.bytes == 0


@pytest.mark.parametrize("by", ["line", "label", "operator"])
def test_rows_share_all_the_time(by: Any) -> None:
    found = small()
    rows = rows_of(found, by)
    assert sum(len(row.parts) for row in rows) == len(found.parts)
    assert sum(row.share for row in rows) == pytest.approx(1)
    assert [row.seconds for row in rows] == sorted((row.seconds for row in rows), reverse=True)
    lines = [row.line for row in rows_of(found, by, "source")]
    assert lines == sorted(lines)


def test_rows_by_line_show_the_source() -> None:
    rows = rows_of(small("numpy"), "line", "source")
    assert [(row.line, row.text) for row in rows] == [
        (3, "block Branch(width) = a: Conv(width, 3, pad=1) -> BatchNorm -> relu"),
        (7, "-> residual { Branch(8) -> b: Conv(8, 3, pad=1) } -> relu"),
        (8, "-> flatten"),
        (9, "-> fc: Linear(5) -> softmax"),
    ]


def test_gflops_count_a_multiply_add_twice() -> None:
    part = small("numpy").parts[0]
    row = ProfileRow("x.net", 1, "", (Part("", part.span, (), (), (), 0.5, 10**9, 0),) * 2, 1.0)
    assert row.gflops == 4.0
    assert (
        ProfileRow("x.net", 1, "", (part.__class__("", part.span, (), (), (), 0.5, 0, 0),), 1.0).gflops
        is None
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_a_run_that_is_measured_has_the_same_bits(engine: Any) -> None:
    net = nr.load(BLOCK, engine=engine)
    x = random(3, 8, 6, 6)
    expected = net.run({"x": x}, seed=0)
    clock = Clock()
    with clock.watching():
        result = net.run({"x": x}, seed=0)
    assert clock.events
    assert result["y"].tobytes() == expected["y"].tobytes()
    before = len(clock.events)
    net.run({"x": x}, seed=0)
    assert len(clock.events) == before


def test_a_trace_has_an_event_for_each_kernel() -> None:
    found = small()
    document = json.loads(json.dumps(chrome_trace(found)))
    events = [event for event in document["traceEvents"] if event["ph"] == "X"]
    assert len(events) == len(found.timeline)
    ends = 0.0
    for event in events:
        assert event["ts"] >= ends - 1e-6
        ends = event["ts"] + event["dur"]
    assert {event["name"] for event in events} == {part.label for part in found.parts if part.kernels}
    assert events[0]["args"]["line"].endswith(":3")


def test_repeats_are_counted_from_one() -> None:
    with pytest.raises(ArgumentError, match="repeats"):
        profile(nr.load(BLOCK), {"x": random(1, 8, 6, 6)}, repeats=0)


def test_inputs_that_do_not_fit_are_reported_as_in_a_run() -> None:
    with pytest.raises(DataInputError, match="x"):
        profile(nr.load(BLOCK), {"x": random(1, 7, 6, 6)})


# -- training ---------------------------------------------------------------------------------------


def test_a_training_step_has_forward_and_backward() -> None:
    data = {"image": random(8, 1, 28, 28), "label": np.arange(8, dtype=np.int32)}
    request = TrainRequest(source=EXAMPLES / "lenet5.net", data=data, settings={"batch_size": 4})
    with prepare(request, note=lambda text: None) as run:
        batches = run.loop.first_batches()
        assert [len(batch["label"]) for batch in batches] == [4]
        before = run.trainer.weights["conv1.bias"].copy()
        found = profile_training(run.trainer, batches, run.loop.length, repeats=2)
        assert run.trainer.step == 3  # once without measuring
        assert not np.array_equal(before, run.trainer.weights["conv1.bias"])
    labels = {part.label for part in found.parts}
    assert {"conv1.conv", "grad.conv1.conv"} <= labels
    assert found.seconds > found.kernel_seconds > 0
    assert found.other_seconds == pytest.approx(found.seconds - found.kernel_seconds)


# -- drawings ---------------------------------------------------------------------------------------

LAYERS = """net 1.0
model Deep(x: f32[B, 4]) -> y: f32[B, 4] {
  return x -> layer: { fc: Linear(4) -> relu } * 3 -> last: Linear(4)
}
"""


def test_equal_layers_that_are_drawn_once_take_the_time_of_all() -> None:
    graph = nr.load(LAYERS).graph
    labels = [node.label for _, node in graph.operators() if node.op.name == "linear"]
    assert len(labels) == 4
    scene = build_scene(graph, times=dict(zip(labels, (1.0, 2.0, 3.0, 4.0), strict=True)))
    assert scene.root.share == 1.0
    (repeated,) = [item for item in scene.root.walk() if item.copies == 3]
    assert repeated.share == pytest.approx(0.6)
    assert "60.0% of the time" in repeated.tooltip
    (last,) = [item for item in scene.root.walk() if item.path == "last"]
    assert last.share == pytest.approx(0.4)


def test_a_drawing_is_coloured_by_times_alone() -> None:
    graph = nr.load(BLOCK).graph
    assert "color-mix" not in draw_html(graph)
    coloured = draw_html(graph, times={"fc.linear": 2.0})
    assert "color-mix(in srgb,#e5484d 100%,var(--box))" in coloured
    assert "10% of the time" in coloured
    assert "color-mix" in draw_svg(graph, times={"fc.linear": 2.0})
