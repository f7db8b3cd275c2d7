"""A training step beside PyTorch and torch.compile, and relative to a forward pass, for every example.

python benchmarks/training.py [--only mlp,gpt2] [--engines netdsl,PyTorch] [--threads 2] [--clock wall]
    [--seconds 6] [--save]

Three times: the forward pass of the model as it runs, the forward pass with the loss as it trains, and a
step: forward, backward, and the update by Adam. Each engine has a process of its own, and they run in turns.
PyTorch runs the same graph operator by operator, and where there is one, a module as its users write it,
eagerly and compiled. Then what `recompute` saves, and what it costs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training_engines import ADAM, CLOCKS, ENGINES, netdsl, work
from training_report import CLOCKS as CLOCK_NAMES
from training_report import PARTS, about, line, mean_ratio, save

RECOMPUTED = {"transformer_encoder.long": "encoder.*", "resnet18": "stage.*"}
ROUNDS = 4
SETTLE = 0.05
"""Seconds between two engines, in which the threads of the first go to sleep."""
ROOT = Path(__file__).parent.parent


def memory_of(name: str, pattern: str, clock: Callable[[], float]) -> dict[str, Any]:
    """The peak bytes allocated in a step of netdsl, and the minimum time of five."""
    from training_cases import FOR_MEMORY

    settings = f'  recompute "{pattern}"\n{ADAM}' if pattern else ADAM
    step = netdsl(FOR_MEMORY[name], int(os.environ["OMP_NUM_THREADS"]), settings).parts["step"]
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


class Worker:
    """A process of one engine with one example."""

    def __init__(self, engine: str, name: str, options: argparse.Namespace) -> None:
        command = [sys.executable, __file__, "--worker", engine, "--only", name, "--clock", options.clock]
        command += ["--threads", str(options.threads)]
        pipe = subprocess.PIPE
        env = environment(options.threads)
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=env)
        self.rounds: list[dict[str, Any]] = []
        self.row = self._answer()

    def round(self, seconds: float) -> None:
        """Run for so many seconds."""
        assert self.process.stdin is not None
        if "failed" not in self.row:
            print(seconds, file=self.process.stdin, flush=True)
            self.rounds.append(self._answer())

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None and self.process.stderr is not None
        text = self.process.stdout.readline()
        if text:
            answer: dict[str, Any] = json.loads(text)
            return answer
        return {"failed": (self.process.stderr.read().strip().splitlines() or ["no output"])[-1]}

    def end(self) -> dict[str, Any]:
        """End the process. Returns what was measured."""
        self.process.communicate()
        done = [one for one in self.rounds if "step" in one]
        for part in PARTS if done else ():
            times = [one[part] for one in done if part in one]
            if times:
                self.row[part] = {
                    "min_s": min(one["min"] for one in times),
                    "median_s": sorted(one["median"] for one in times)[len(times) // 2],
                    "runs": sum(one["runs"] for one in times),
                }
        if "forward" in self.row:
            step = self.row["step"]["min_s"]
            self.row["ratio"] = step / self.row["forward"]["min_s"]
            self.row["training_ratio"] = step / self.row["training_forward"]["min_s"]
        return self.row


def environment(threads: int) -> dict[str, str]:
    """This tree on the path, as many threads for every library, and kept code for torch.compile."""
    counts = {f"{lib}_NUM_THREADS": str(threads) for lib in ("OMP", "OPENBLAS", "MKL")}
    folders = [str(ROOT / folder) for folder in ("dsl", "runtime", "grammars", "tests")]
    kept = {"TORCHINDUCTOR_CACHE_DIR": str(ROOT / "build" / "bench" / "inductor")}
    path = os.pathsep.join([*folders, *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, **counts, **kept, "TORCHINDUCTOR_COMPILE_THREADS": "1", "PYTHONPATH": path}


def compared(name: str, options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """What every engine takes for an example, measured in turns."""
    workers = {engine: Worker(engine, name, options) for engine in options.engines}
    for _ in range(ROUNDS):
        for worker in workers.values():
            time.sleep(SETTLE)
            worker.round(options.seconds / ROUNDS)
    rows = {engine: worker.end() for engine, worker in workers.items()}
    counts = [row["trained"] for row in rows.values() if "trained" in row]
    if counts and max(counts) > 1.06 * min(counts):  # recurrent layers of PyTorch have a second bias
        raise SystemExit(f"{name}: the engines train different networks: {rows}")
    return rows


def memory(name: str, pattern: str, options: argparse.Namespace) -> dict[str, Any]:
    """`memory_of` in a process of its own."""
    command = [sys.executable, __file__, "--memory", pattern, "--only", name, "--clock", options.clock]
    env = environment(options.threads)
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    row: dict[str, Any] = json.loads(done.stdout)
    return row


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", help="names of cases, with commas between")
    parser.add_argument(
        "--engines",
        type=lambda text: text.split(","),
        default=[engine for engine in ENGINES if engine != "netdsl on NumPy"],
        help=f"some of {', '.join(ENGINES)}",
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=6, help="for each case and engine")
    parser.add_argument(
        "--clock", choices=CLOCK_NAMES, default="wall", help="cpu: for a busy machine, 1 thread"
    )
    parser.add_argument("--save", action="store_true", help="write results/training.json and .md")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    return parser


def main() -> None:
    options = arguments().parse_args()
    if options.memory is not None:
        print(json.dumps(memory_of(options.only, options.memory, CLOCKS[options.clock])))
        return
    sys.path[:0] = [str(ROOT / folder) for folder in ("dsl", "runtime", "grammars", "tests")]
    from training_cases import BY_NAME

    if options.worker:
        work(options.worker, BY_NAME[options.only], options.threads, options.clock)
        return
    rows: dict[str, dict[str, Any]] = {}
    facts = about(options.threads, options.clock)
    for name in options.only.split(",") if options.only else BY_NAME:
        rows[name] = compared(name, options)
        rows[name]["shape"] = list(next(iter(BY_NAME[name].batch().values())).shape)  # type: ignore[assignment]
        print(line(name, rows[name]), flush=True)
        if options.save:  # a long run that is stopped has its results so far
            save(rows, [], facts)
    print(f"geometric mean of best peer / netdsl: {mean_ratio(rows):.2f}")
    if options.save:
        kept = [memory(name, p, options) for name, pattern in RECOMPUTED.items() for p in ("", pattern)]
        print(*kept, sep="\n")
        save(rows, kept, facts)


if __name__ == "__main__":
    main()
