"""How often small networks wait for the device, and how much they launch: counts, not times."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from emulated.counting import Counts, count

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "cuda-emulated.json"
CHECKED = (
    "inference bilstm_tagger/BiLSTMTagger",
    "inference gpt2/GPT2",
    "inference lenet5/LeNet5",
    "inference lstm/SequenceLSTM",
    "inference mlp/Perceptron",
    "training step lenet5/lamb(0.001)",
    "training step lenet5/metrics",
    "training step mlp/Perceptron",
    "token char_gpt",
    "token char_lstm",
)
"""Loads that take a moment each; the benchmark counts all."""


@pytest.fixture(scope="module")
def emulator() -> Any:
    if "cuda_on_cpu" not in sys.modules:
        pytest.skip("needs the emulated device: make cuda-emulated")
    return sys.modules["cuda_on_cpu"]


@pytest.fixture(scope="module")
def recorded() -> Any:
    return json.loads(RESULTS.read_text())


@pytest.mark.parametrize("name", CHECKED)
def test_no_more_launches_and_waits_than_recorded(name: str, emulator: Any, recorded: Any) -> None:
    from emulated.loads import loads

    load = next(load for load in loads(name) if f"{load.kind} {load.name}" == name)
    less, more = count(emulator, load.less), count(emulator, load.more)
    limits = recorded["after"][name]
    for kind in ("launches", "waits", "uploads"):
        each = (getattr(more, kind) - getattr(less, kind)) / load.extra
        assert each <= limits[kind] + 0.01, f"{kind}: {each}, recorded {limits[kind]}\n{_lines(more)}"


def _lines(counts: Counts) -> str:
    lines = (*counts.wait_lines.most_common(5), *counts.upload_lines.most_common(5))
    return "\n".join(f"{number} x {line}" for line, number in lines)


def test_the_record_keeps_its_promise(recorded: Any) -> None:
    """No more launches than before waits were gathered, and a third of the waits."""
    before, after = recorded["before"], recorded["after"]
    assert before.keys() == after.keys()
    for name, figures in after.items():
        assert figures["launches"] <= before[name]["launches"], name
        assert figures["waits"] <= before[name]["waits"] / 3 or figures["waits"] == 0, name
