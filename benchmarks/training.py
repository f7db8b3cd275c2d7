"""The cost of a training step relative to a forward pass, for every example, in netdsl and in PyTorch.

python benchmarks/training.py [--only mlp,gpt2] [--threads 2] [--clock wall] [--seconds 20] [--save]

Three times for each engine: the forward pass of the model as it runs, the forward pass with the loss as it
trains, and a whole step: forward, backward, and the update by Adam. PyTorch runs the same graph eagerly,
operator by operator, with autograd and `torch.optim.Adam`. Then what `recompute` saves, and what it costs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from training_report import CLOCKS as CLOCK_NAMES
from training_report import ENGINES, about, line, save

RECOMPUTED = {"transformer_encoder.long": "encoder.*", "resnet18": "stage.*"}
LEAST_ROUNDS, MOST_ROUNDS = 2, 60
if TYPE_CHECKING:
    from zoo.small import Case

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
Parts = dict[str, Callable[[], Any]]


# -- the engines, each in a process of its own ----------------------------------------------------


def netdsl_parts(case: Case, settings: str = "  optimizer = adam(1e-4)") -> Parts:
    from netdsl.checker import check
    from netruntime.engine.backends import open_device
    from netruntime.engine.loading import load, open_module
    from netruntime.train.initial_weights import first_weights
    from netruntime.train.phase import Length
    from netruntime.train.step import LossGraph
    from netruntime.train.trainer import Trainer, all_parameters

    module = open_module(case.training_text(settings))
    phases = check(module, case.config, training=True).phases
    device = open_device()
    trainer = Trainer(phases, first_weights(phases, 0).arrays, device)
    batch = case.batch()
    running = load(case.text(), model=case.model, **case.config)
    inputs = {name: batch[name] for name in running.inputs}
    forward = LossGraph(phases[0], device)
    assert all_parameters(phases).keys() == trainer.weights.keys()
    return {
        "forward": lambda: running.run(inputs),
        "training_forward": lambda: forward.compute(batch, trainer.weights, 0),
        "step": lambda: trainer.advance([batch], Length(1000, 1000)),
    }


def torch_parts(case: Case) -> Parts:
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

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    module = open_module(case.training_text("  optimizer = adam(1e-4)"))
    phases = check(module, case.config, training=True).phases
    batch = case.batch()
    weights = {n: torch.tensor(a) for n, a in first_weights(phases, 0).arrays.items()}
    for label in trainable(phases[0]):
        weights[label].requires_grad_()

    def graph(model: Any) -> tuple[TorchGraph, dict[str, Any]]:
        inputs = {n: batch[n] for n in model.inputs if n in batch}
        _, sizes = bind_inputs(model, inputs, open_device())
        return TorchGraph(build(model), sizes, None), {n: torch.from_numpy(a) for n, a in inputs.items()}

    running, inputs = graph(load_checked(case.text(), **case.config).models[case.model])
    labels = open_weights(running.graph, None, {}, None, 0).on_host()
    plain = {n: torch.tensor(a) for n, a in labels.items()}
    training, whole = graph(phases[0].model)
    optimizer = torch.optim.Adam([weights[label] for label in trainable(phases[0])], 1e-4)

    def forward(graph: TorchGraph, inputs: dict[str, Any], weights: dict[str, Any]) -> Any:
        with torch.no_grad():
            return graph.run(inputs, weights).outputs

    def step() -> None:
        optimizer.zero_grad()
        ran = training.run(whole, weights)
        ran.outputs["loss"].backward()
        optimizer.step()
        weights.update(ran.buffers)

    return {
        "forward": lambda: forward(running, inputs, plain),
        "training_forward": lambda: forward(training, whole, weights),
        "step": step,
    }


def measured(parts: Parts, seconds: float, clock: Callable[[], float]) -> dict[str, dict[str, float]]:
    """The minimum and the median time of each part, measured alternately after a warm-up."""
    times: dict[str, list[float]] = {part: [] for part in parts}
    start = time.perf_counter()
    for round in range(MOST_ROUNDS + 1):
        for part, run in parts.items():
            before = clock()
            run()
            if round:
                times[part].append(clock() - before)
        if round >= LEAST_ROUNDS and time.perf_counter() - start > seconds:
            break
    return {
        part: {"min_s": min(t), "median_s": statistics.median(t), "runs": len(t)} for part, t in times.items()
    }


def memory_of(name: str, pattern: str, clock: Callable[[], float]) -> dict[str, Any]:
    """The peak bytes allocated in a step of netdsl, and the minimum time of five."""
    from training_cases import FOR_MEMORY

    settings = f'  recompute "{pattern}"\n  optimizer = adam(1e-4)' if pattern else "  optimizer = adam(1e-4)"
    step = netdsl_parts(FOR_MEMORY[name], settings)["step"]
    times = []
    for _ in range(6):
        before = clock()
        step()
        times.append(clock() - before)
    tracemalloc.start()
    step()
    _, peak = tracemalloc.get_traced_memory()
    found = {
        "case": name,
        "recompute": pattern,
        "shape": list(next(iter(FOR_MEMORY[name].batch().values())).shape),
    }
    return {**found, "peak_bytes": peak, "min_s": min(times[1:])}


# -- all cases ------------------------------------------------------------------------------------


def run_engine(engine: str, name: str, options: argparse.Namespace, pattern: str = "") -> dict[str, Any]:
    threads = {f"{lib}_NUM_THREADS": str(options.threads) for lib in ("OMP", "OPENBLAS", "MKL")}
    command = [sys.executable, __file__, "--engine", engine, "--only", name, "--recompute", pattern]
    command += ["--seconds", str(options.seconds), "--clock", options.clock]
    done = subprocess.run(command, env={**os.environ, **threads}, capture_output=True, text=True)
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1]}
    row: dict[str, Any] = json.loads(done.stdout)
    if "step" in row:
        row["ratio"] = row["step"]["min_s"] / row["forward"]["min_s"]
        row["training_ratio"] = row["step"]["min_s"] / row["training_forward"]["min_s"]
    return row


def run_one(options: argparse.Namespace) -> dict[str, Any]:
    """The measurements of one engine, in a separate process."""
    from training_cases import BY_NAME

    clock = CLOCKS[options.clock]
    if options.engine == "memory":
        return memory_of(options.only, options.recompute, clock)
    parts = netdsl_parts if options.engine == "netdsl" else torch_parts
    return measured(parts(BY_NAME[options.only]), options.seconds, clock)


def main() -> None:
    from training_cases import BY_NAME

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(BY_NAME), help="names of cases, with commas between")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20, help="for each case and engine")
    parser.add_argument(
        "--clock", choices=CLOCK_NAMES, default="wall", help="cpu: for a busy machine, 1 thread"
    )
    parser.add_argument("--save", action="store_true", help="write results/training.json and .md")
    parser.add_argument("--engine", choices=(*ENGINES, "memory"), help=argparse.SUPPRESS)
    parser.add_argument("--recompute", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.engine:
        print(json.dumps(run_one(options)))
        return
    rows: dict[str, dict[str, Any]] = {}
    for name in options.only.split(","):
        shape = next(iter(BY_NAME[name].batch().values())).shape
        rows[name] = {engine: run_engine(engine, name, options) for engine in ENGINES}
        rows[name]["shape"] = list(shape)
        print(line(name, rows[name]), flush=True)
        if options.save:  # a long run that is stopped has its results so far
            save(rows, [], about(options.threads, options.clock))
    memory = [
        run_engine("memory", name, options, p) for name, pattern in RECOMPUTED.items() for p in ("", pattern)
    ]
    print(*memory, sep="\n")
    if options.save:
        save(rows, memory, about(options.threads, options.clock))


if __name__ == "__main__":
    main()
