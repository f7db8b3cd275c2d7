"""netdsl on a GPU compared with PyTorch on it: inference, training steps and generated tokens in f32.

    python benchmarks/cuda_device.py [--seconds 2] [--rounds 2] [--save]

Each engine runs in a separate process, alternately, in two rounds. Needs CuPy, a GPU, and PyTorch with
torchvision and transformers. Without a device the script reports it and exits with status 1.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import statistics
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
CASES = [
    ("inference", "lenet5", 64),
    ("inference", "resnet18", 16),
    ("inference", "resnet50", 8),
    ("inference", "resnet50", 64),
    ("inference", "vit", 8),
    ("inference", "gpt2", 8),
    ("training step", "resnet18", 32),
    ("training step", "vit", 8),
    ("training step", "gpt2", 4),
    ("token", "gpt2", 1),
]
ENGINES = ("netdsl", "torch")
PACKAGES = ("cupy-cuda13x", "cupy-cuda12x", "numpy", "torch", "torchvision", "transformers")
WARM_UP, MOST_RUNS = 5, 200
TEXT = """# netdsl and PyTorch on a GPU

{device}, driver {driver}, Python {python}, {packages}.
f32 with TF32 off in both. Times are the minimum of many runs in milliseconds, with the median in brackets;
each engine ran in a separate process, in turn with the other, in up to {rounds} rounds: here is the faster.

- inference: inputs and outputs stay on the GPU. GPT-2 has sequences of 128.
- training step: forward, backward and Adam, on a batch from the host. GPT-2 and ViT have no dropout, in both.
- token: one more token after {prefix} with a KV cache, logits on the host.
- PyTorch: the models of torchvision and transformers, run eagerly; LeNet-5 as `nn.Sequential`.
- ratio: netdsl / PyTorch of the minima, with that of the medians in brackets; below 1 where netdsl is faster.
- runs: how many of netdsl and of PyTorch the times are from.

| work | model | batch | netdsl | PyTorch | ratio | rounds | runs |
|---|---|---|---|---|---|---|---|
{rows}
"""


def measure(engine: str, kind: str, name: str, batch: int, seconds: float) -> dict[str, float]:
    """The minimum and the median time of one engine, in this process."""
    import cuda_engines

    run = getattr(cuda_engines, engine)(kind, name, batch)
    for _ in range(WARM_UP):
        run()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < MOST_RUNS and time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return {"min_s": min(times), "median_s": statistics.median(times), "runs": len(times)}


def measured(engine: str, case: tuple[str, str, int], seconds: float) -> dict[str, Any]:
    """The same in a separate process."""
    command = [sys.executable, __file__, "--engine", engine, "--case", json.dumps(case)]
    done = subprocess.run([*command, "--seconds", str(seconds)], capture_output=True, text=True)
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or ["no message"])[-1]}
    times: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return times


def row(case: tuple[str, str, int], rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """The faster round of each engine, with all rounds."""
    result: dict[str, Any] = dict(zip(("kind", "model", "batch"), case, strict=True))
    for engine in ENGINES:
        times = [each[engine] for each in rounds]
        result[engine] = min(times, key=lambda each: each.get("min_s", float("inf")))
    if all("min_s" in result[engine] for engine in ENGINES):
        for name, figure in (("ratio", "min_s"), ("median_ratio", "median_s")):
            result[name] = result["netdsl"][figure] / result["torch"][figure]
    return {**result, "rounds": rounds}


def about(rounds: int) -> dict[str, Any]:
    """The card and the versions. Exits if there is no device."""
    try:
        import cupy
    except ImportError:
        sys.exit("CuPy is not installed: pip install netdsl[cuda13]")
    if not cupy.cuda.is_available():
        sys.exit("there is no CUDA device here")
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    driver = subprocess.run(query, capture_output=True, text=True).stdout.split()
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "device": cupy.cuda.runtime.getDeviceProperties(0)["name"].decode(),
        "driver": driver[0] if driver else "unknown",
        "cuda": cupy.cuda.runtime.runtimeGetVersion(),
        "python": platform.python_version(),
        "versions": versions,
        "rounds": rounds,
    }


def line(row: dict[str, Any]) -> str:
    """A row of the table."""

    def cell(times: dict[str, Any]) -> str:
        if "failed" in times:
            return "failed"
        return f"{1000 * times['min_s']:.2f} ({1000 * times['median_s']:.2f})"

    ratio = f"{row['ratio']:.2f} ({row['median_ratio']:.2f})" if "ratio" in row else ""
    runs = ", ".join(str(row[engine].get("runs", 0)) for engine in ENGINES)
    times = [cell(row[engine]) for engine in ENGINES]
    cells = [row["kind"], row["model"], row["batch"], *times, ratio, len(row["rounds"]), runs]
    return f"| {' | '.join(map(str, cells))} |"


def save(facts: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    from cuda_engines import PREFIX

    slug = re.sub(r"\W+", "-", facts["device"].lower().removeprefix("nvidia ")).strip("-")
    path = RESULTS / f"cuda-{slug}.json"
    path.write_text(json.dumps({"about": facts, "rows": rows}, indent=1) + "\n")
    packages = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    text = TEXT.format(**{**facts, "packages": packages}, prefix=PREFIX, rows="\n".join(map(line, rows)))
    path.with_suffix(".md").write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2, help="for each case, engine and round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--engine", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("--case", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.engine:
        print(json.dumps(measure(options.engine, *options.case, options.seconds)))
        return
    facts = about(options.rounds)
    rounds: dict[tuple[str, str, int], list[dict[str, Any]]] = {case: [] for case in CASES}
    for _ in range(options.rounds):
        for case, results in rounds.items():
            results.append({engine: measured(engine, case, options.seconds) for engine in ENGINES})
            print(line(row(case, results)), *results[-1].values(), flush=True)
            if options.save:  # a long run that is stopped has its results so far
                save(facts, [row(case, results) for case, results in rounds.items() if results])


if __name__ == "__main__":
    main()
