"""Every construct of the language, checked, with what the checker makes of it.

`NETDSL_UPDATE=1 pytest tests/dsl/test_valid.py` writes the expectations anew; read them before you
commit them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from netdsl.checker import check
from netdsl.formatter import is_canonical
from netdsl.graph import build
from netdsl.model import Checked, Model, Parameter, Phase
from netdsl.modules import load_module, read_source
from netdsl.types import TensorType

CASES = sorted((Path(__file__).parents[1] / "cases" / "valid").glob("*.net"))
UPDATE = os.environ.get("NETDSL_UPDATE") == "1"


def named(types: Mapping[str, TensorType]) -> str:
    return ", ".join(f"{name}: {type_}" for name, type_ in types.items())


def describe_model(model: Model) -> Iterator[str]:
    """The signature, the free sizes, and every weight with its label path."""
    yield f"model {model.name}({named(model.inputs)}) -> ({named(model.outputs)})"
    yield f"  free: {', '.join(model.symbols)}"
    nodes = [node for _, node in build(model).operators()]
    yield f"  nodes: {len(nodes)}"
    for node in nodes:
        if isinstance(node.op, Parameter):
            yield f"  {node.op.role} {node.label}: {node.types[0]} = {node.op.init}"


def describe_phase(phase: Phase) -> Iterator[str]:
    """The model of a `train` section without its weights, and the settings."""
    yield f"train {phase.name}({named(phase.model.inputs)}) -> ({named(phase.model.outputs)})"
    graph = build(phase.model)
    weights = [node.label for _, node in graph.operators() if isinstance(node.op, Parameter)]
    yield f"  weights: {', '.join(weights)}"
    yield f"  free: {', '.join(phase.model.symbols)}"
    for metric in phase.metrics:
        yield f"  metric {metric.name}: {metric.kind} {dict(metric.arguments)}"
    recipes = {
        "optimizer": [phase.optimizer] if phase.optimizer else [],
        "schedule": [phase.schedule] if phase.schedule else [],
        "group": phase.groups,
        "clip": phase.clips,
        "regularise": phase.regularisers,
    }
    for word, calls in recipes.items():
        for call in calls:
            patterns = f" for {', '.join(call.patterns)}" if call.patterns else ""
            yield f"  {word}{patterns}: {call.name} {dict(call.arguments)}"
    for word, number in phase.numbers.items():
        yield f"  {word}: {number}"
    for word in ("over", "freeze", "recompute"):
        if patterns := getattr(phase, word):
            yield f"  {word}: {', '.join(patterns)}"


def summary(checked: Checked) -> str:
    lines = [f"config {name} = {value}" for name, value in checked.config.items()]
    for model in checked.models.values():
        lines += describe_model(model)
    for test in checked.tests:
        lines.append(f'test "{test.name}": {len(test.expectations)} expectations to run')
    lines += [f"weights {name}: {len(section.rules)} rules" for name, section in checked.weights.items()]
    for phase in checked.phases:
        lines += describe_phase(phase)
    lines += [f"hint {hint.code}: {hint.message}" for hint in checked.hints]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_construct(path: Path) -> None:
    found = summary(check(load_module(read_source(path, path.name), path.parent)))
    expected = path.with_suffix(".txt")
    if UPDATE:
        expected.write_text(found)
    assert found == expected.read_text()


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_is_canonical(path: Path) -> None:
    assert is_canonical(read_source(path))


def test_every_expectation_has_its_file() -> None:
    assert CASES
    assert {p.stem for p in CASES[0].parent.glob("*.txt")} == {p.stem for p in CASES}
