"""The engines that `training.py` compares, and what a process of one of them does.

Each makes functions for parts of a training step: the forward pass of the model as it runs, the forward pass
with the loss as it trains, and the step. Of every engine, only what it needs itself is imported.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.small import Case

ADAM = "  optimizer = adam(1e-4)"
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass(frozen=True)
class Ready:
    """Functions by the part that they run, and how many numbers are trained."""

    parts: dict[str, Callable[[], Any]]
    trained: int


def netdsl(case: Case, threads: int, settings: str = ADAM, engine: str = "native") -> Ready:
    from netdsl.checker import check
    from netruntime.engine.backends import open_device
    from netruntime.engine.backends.device import DeviceChoice
    from netruntime.engine.loading import load, open_module
    from netruntime.native.options import EngineOptions
    from netruntime.train.initial_weights import first_weights
    from netruntime.train.phase import Length, trainable
    from netruntime.train.step import LossGraph
    from netruntime.train.trainer import Trainer

    module = open_module(case.training_text(settings))
    phases = check(module, case.config, training=True).phases
    device = open_device(DeviceChoice("cpu", EngineOptions(engine, threads)))  # type: ignore[arg-type]
    trainer = Trainer(phases, first_weights(phases, 0).arrays, device)
    batch = case.batch()
    running = load(case.text(), model=case.model, engine=engine, threads=threads, **case.config)  # type: ignore[arg-type]
    inputs = {name: batch[name] for name in running.inputs}
    forward = LossGraph(phases[0], device)
    parts = {
        "forward": lambda: running.run(inputs),
        "training_forward": lambda: forward.compute(batch, trainer.weights, 0),
        "step": lambda: trainer.advance([batch], Length(1000, 1000)),
    }
    return Ready(parts, sum(trainer.weights[label].size for label in trainable(phases[0])))


def numpy(case: Case, threads: int) -> Ready:
    return netdsl(case, threads, engine="numpy")


def torch_graph(case: Case, threads: int) -> Ready:
    """PyTorch that runs our graph operator by operator, with autograd and its Adam."""
    import torch

    from netdsl.checker import check
    from netdsl.graph import build
    from netruntime.engine.backends import open_device
    from netruntime.engine.binding import bind_inputs
    from netruntime.engine.loading import load_checked, open_module
    from netruntime.engine.weights import open_weights
    from netruntime.train.initial_weights import first_weights
    from netruntime.train.phase import trainable
    from torch_graphs import TorchGraph

    torch.set_num_threads(threads)
    phases = check(open_module(case.training_text(ADAM)), case.config, training=True).phases
    batch = case.batch()
    weights = {n: torch.tensor(a) for n, a in first_weights(phases, 0).arrays.items()}
    trained = [weights[label].requires_grad_() for label in trainable(phases[0])]

    def graph(model: Any) -> tuple[TorchGraph, dict[str, Any]]:
        inputs = {n: batch[n] for n in model.inputs if n in batch}
        _, sizes = bind_inputs(model, inputs, open_device())
        return TorchGraph(build(model), sizes, None), {n: torch.from_numpy(a) for n, a in inputs.items()}

    running, inputs = graph(load_checked(case.text(), **case.config).models[case.model])
    labels = open_weights(running.graph, None, {}, None, 0).on_host()
    plain = {n: torch.tensor(a) for n, a in labels.items()}
    training, whole = graph(phases[0].model)
    optimizer = torch.optim.Adam(trained, 1e-4)

    def forward(graph: TorchGraph, inputs: dict[str, Any], weights: dict[str, Any]) -> Any:
        with torch.no_grad():
            return graph.run(inputs, weights).outputs

    def step() -> None:
        optimizer.zero_grad()
        ran = training.run(whole, weights)
        ran.outputs["loss"].backward()
        optimizer.step()
        weights.update(ran.buffers)

    parts = {
        "forward": lambda: forward(running, inputs, plain),
        "training_forward": lambda: forward(training, whole, weights),
        "step": step,
    }
    return Ready(parts, sum(weight.numel() for weight in trained))


def torch_module(case: Case, threads: int) -> Ready:
    """A module of PyTorch as its users write it."""
    import torch
    from torch_training import step_of

    torch.set_num_threads(threads)
    step, trained = step_of(case, lambda model: model)
    return Ready({"step": step}, trained)


def torch_compile(case: Case, threads: int) -> Ready:
    """The same module, compiled."""
    import torch
    from torch_training import step_of

    torch.set_num_threads(threads)
    step, trained = step_of(case, lambda model: torch.compile(model, dynamic=False))
    return Ready({"step": step}, trained)


ENGINES: dict[str, Callable[[Case, int], Ready]] = {
    "netdsl": netdsl,
    "netdsl on NumPy": numpy,
    "PyTorch": torch_graph,
    "PyTorch module": torch_module,
    "torch.compile": torch_compile,
}
PEERS = ("PyTorch", "PyTorch module", "torch.compile")


def work(engine: str, case: Case, threads: int, clock: str) -> None:
    """Prepare an engine, then run its parts in turns for as many seconds as each line of input says."""
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is not an answer
    ready = ENGINES[engine](case, threads)
    for _ in range(2):
        for run in ready.parts.values():
            run()
    print(json.dumps({"trained": ready.trained}), file=answer, flush=True)
    for line in sys.stdin:
        times = run_for(float(line), ready, CLOCKS[clock])
        found = {
            part: {"min": min(t), "median": statistics.median(t), "runs": len(t)} for part, t in times.items()
        }
        print(json.dumps(found), file=answer, flush=True)


def run_for(seconds: float, ready: Ready, clock: Callable[[], float]) -> dict[str, list[float]]:
    """The times of each part, measured alternately for so many seconds, once at least."""
    times: dict[str, list[float]] = {part: [] for part in ready.parts}
    end = time.perf_counter() + seconds
    while not times["step"] or time.perf_counter() < end:
        for part, run in ready.parts.items():
            begin = clock()
            run()
            times[part].append(clock() - begin)
    return times
