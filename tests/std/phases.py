"""Runs the model of a `train` section: its outputs, its gradients, and the new values of its buffers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netdsl.checker import check
from netdsl.graph import build
from netdsl.model import Parameter, Phase
from netdsl.modules import load_module
from netdsl.source import Source
from netruntime.engine.autodiff import differentiate
from netruntime.engine.backends import open_device
from netruntime.engine.binding import bind_inputs
from netruntime.engine.executor import execute
from netruntime.engine.plan import make_plan

STARTS = {"zeros": 0.0, "ones": 1.0}


@dataclass(frozen=True)
class Result:
    """What a run gave: outputs by name, gradients of the loss by input or weight, buffers by label path."""

    outputs: dict[str, Any]
    gradients: dict[str, Any]
    updates: dict[str, Any]


def phase_of(text: str, *, training: bool = False) -> Phase:
    """The only `train` section of a file."""
    (phase,) = check(load_module(Source("model.net", text)), training=training).phases
    return phase


def run_phase(
    phase: Phase,
    inputs: Mapping[str, Any],
    wrt: Sequence[str] = (),
    weights: Mapping[str, Any] | None = None,
) -> Result:
    """Run a phase; weights that are not given start as zeros or ones, as they are declared."""
    device = open_device("cpu")
    graph = build(phase.model)
    ports = graph.interface.output_ports
    updates = graph.interface.updates
    nodes = {d.label: n for n, d in graph.operators() if isinstance(d.op, Parameter)}
    nodes |= graph.interface.inputs
    gradients: dict[str, Any] = {}
    if wrt:
        found = differentiate(graph, ports["loss"], [(nodes[name], 0) for name in wrt])
        graph, gradients = found.graph, dict(zip(wrt, found.gradients, strict=True))
        ports = {name: found.moved[port] for name, port in ports.items()}
        updates = {path: found.moved[port] for path, port in updates.items()}
    arrays, sizes = bind_inputs(phase.model, inputs, device)
    wanted = [*ports.values(), *gradients.values(), *updates.values()]
    plan = make_plan(graph, wanted, sizes, device)
    values = iter(execute(plan, arrays, {**starts(graph), **(weights or {})}, device))
    return Result(
        *({name: np.asarray(next(values)) for name in part} for part in (ports, gradients, updates))
    )


def starts(graph: Any) -> dict[str, Any]:
    """Every weight that is declared `zeros` or `ones`."""
    found = {}
    for _, node in graph.operators():
        if isinstance(node.op, Parameter) and node.op.init.kind in STARTS:
            type_ = node.types[0]
            shape = tuple(int(size) for size in type_.shape)
            found[node.label] = np.full(shape, STARTS[node.op.init.kind], type_.dtype.numpy_name)
    return found
