"""What a step of training costs against a forward pass, for every example, here and in PyTorch.

python benchmarks/training.py [--only mlp,gpt2] [--threads 2] [--seconds 20] [--save]

Three times for each engine: the forward pass of the model as it runs, the forward pass with the loss as it trains,
and a whole step: forward, backward, and the update by Adam. PyTorch runs the same graph eagerly, operator by
operator, with autograd and `torch.optim.Adam`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
ENGINES = ("netdsl", "torch")
PARTS = ("forward", "training_forward", "step")
LEAST_ROUNDS, MOST_ROUNDS = 3, 60
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
Parts = dict[str, Callable[[], Any]]


# -- the engines, each in a process of its own ----------------------------------------------------


def netdsl_parts(name: str) -> Parts:
    from training_cases import BY_NAME

    from netdsl.checker import check
    from netruntime.backends import open_device
    from netruntime.loading import load, open_module
    from netruntime.train.phase import Length
    from netruntime.train.step import PhaseStep
    from netruntime.train.trainer import Trainer, all_parameters
    from netruntime.train.start import first_weights

    case = BY_NAME[name]
    module = open_module(case.training_text("  optimizer = adam(1e-4)"))
    phases = check(module, case.config, training=True).phases
    device = open_device()
    trainer = Trainer(phases, first_weights(phases, 0).arrays, device)
    batch = case.batch()
    running = load(case.text(), model=case.model, **case.config)
    inputs = {name: batch[name] for name in running.inputs}
    forward = PhaseStep(phases[0], device)
    assert all_parameters(phases).keys() == trainer.weights.keys()
    return {
        "forward": lambda: running.run(inputs),
        "training_forward": lambda: forward.run(batch, trainer.weights, 0),
        "step": lambda: trainer.advance([batch], Length(1000, 1000)),
    }


def torch_parts(name: str) -> Parts:
    import torch
    from training_cases import BY_NAME
    from torch_graphs import TorchGraph

    from netdsl.checker import check
    from netdsl.graph import build
    from netruntime.backends import open_device
    from netruntime.binding import bind_inputs
    from netruntime.loading import load_checked, open_module
    from netruntime.train.phase import trainable
    from netruntime.train.start import first_weights
    from netruntime.weights import open_weights

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    case = BY_NAME[name]
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
    """The least and the median time of each part, taken in turns after a warm-up."""
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


# -- all cases ------------------------------------------------------------------------------------


def run_engine(engine: str, name: str, options: argparse.Namespace) -> dict[str, Any]:
    threads = {f"{lib}_NUM_THREADS": str(options.threads) for lib in ("OMP", "OPENBLAS", "MKL")}
    command = [sys.executable, __file__, "--engine", engine, "--only", name]
    command += ["--seconds", str(options.seconds), "--clock", options.clock]
    done = subprocess.run(command, env={**os.environ, **threads}, capture_output=True, text=True)
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1]}
    row: dict[str, Any] = json.loads(done.stdout)
    row["ratio"] = row["step"]["min_s"] / row["forward"]["min_s"]
    row["training_ratio"] = row["step"]["min_s"] / row["training_forward"]["min_s"]
    return row


def about(options: argparse.Namespace) -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")
    found = {"date": date.today().isoformat(), "device": "cpu", "cpu": cpu or platform.processor()}
    found |= {"cores": os.cpu_count(), "threads": options.threads, "python": platform.python_version()}
    return found | {name: version(name) for name in ("numpy", "torch")}


def main() -> None:
    from training_cases import BY_NAME

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(BY_NAME), help="names of cases, with commas between")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20, help="for each case and engine")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu, with one thread, on a busy machine")
    parser.add_argument("--save", action="store_true", help="write results/training.json and .md")
    parser.add_argument("--engine", choices=ENGINES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.engine:
        parts = netdsl_parts if options.engine == "netdsl" else torch_parts
        print(json.dumps(measured(parts(options.only), options.seconds, CLOCKS[options.clock])))
        return
    rows: dict[str, dict[str, Any]] = {}
    for name in options.only.split(","):
        rows[name] = {engine: run_engine(engine, name, options) for engine in ENGINES}
        print(line(name, rows[name]), flush=True)
    if options.save:
        save(rows, options)


def line(name: str, row: dict[str, Any]) -> str:
    cells = [f"{name:20}"]
    for engine in ENGINES:
        found = row[engine]
        if "failed" in found:
            cells.append(f"{engine}: {found['failed'][:60]}")
            continue
        times = "  ".join(f"{found[part]['min_s'] * 1e3:9.2f}" for part in PARTS)
        cells.append(f"{engine} {times} ms  x{found['ratio']:.2f} (x{found['training_ratio']:.2f})")
    return "  ".join(cells)


if __name__ == "__main__":
    main()
