"""Inference beside PyTorch, torch.compile, ONNX Runtime and OpenVINO: time and memory of the usual networks.

python benchmarks/inference.py [--only "VGG-16 b1;MLP b128"] [--quick] [--threads 2] [--save]

Each engine has a process of its own, which loads the network and waits. The processes then run in turns, a
slice of time each, several rounds; the least time of all counts. All inputs and results are arrays of NumPy.
The ONNX files come from PyTorch's exporter and are kept in build/bench, as is the code of torch.compile.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from typing import Any

from inference_cases import BY_NAME, CASES, Case
from inference_engines import FILES, engines_of, export, onnx_file, work
from inference_report import about, line, ratio, save
from startup import compared as compared_starts

SLICE, ROUNDS = 0.4, 6
QUICK_SLICE, QUICK_ROUNDS = 0.15, 2
SETTLE = 0.05
"""Seconds between two engines, in which the threads of the first go to sleep."""
Row = dict[str, Any]


class Worker:
    """A process of one engine with one network."""

    def __init__(self, engine: str, case: Case, threads: int) -> None:
        command = [sys.executable, __file__, "--worker", engine, "--only", case.name]
        command += ["--threads", str(threads)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(threads),
        )
        self.row: Row = {"rounds": []}

    def ready(self) -> None:
        """Wait until the network is loaded."""
        self.row |= self._answer()

    def round(self, seconds: float) -> None:
        """Run for so many seconds."""
        assert self.process.stdin is not None
        if "failed" not in self.row:
            print(seconds, file=self.process.stdin, flush=True)
            self.row["rounds"].append(self._answer())

    def _answer(self) -> Row:
        assert self.process.stdout is not None and self.process.stderr is not None
        text = self.process.stdout.readline()
        if text:
            answer: Row = json.loads(text)
            return answer
        return {"failed": (self.process.stderr.read().strip().splitlines() or ["no output"])[-1]}

    def end(self) -> Row:
        """End the process. Returns what was measured."""
        self.process.communicate()
        rounds = [one for one in self.row["rounds"] if "min" in one]
        if rounds:
            self.row |= {
                "min_s": min(one["min"] for one in rounds),
                "median_s": sorted(one["median"] for one in rounds)[len(rounds) // 2],
                "round_min_s": [one["min"] for one in rounds],
                "runs": sum(one["runs"] for one in rounds),
                "peak_bytes": max(one["peak_bytes"] for one in rounds),
            }
        del self.row["rounds"]
        return self.row


def environment(threads: int) -> dict[str, str]:
    """As many threads for every library, and kept code for torch.compile."""
    counts = {f"{lib}_NUM_THREADS": str(threads) for lib in ("OMP", "OPENBLAS", "MKL")}
    kept = {"TORCHINDUCTOR_CACHE_DIR": str(FILES / "inductor"), "TORCHINDUCTOR_COMPILE_THREADS": "1"}
    return {**os.environ, **counts, **kept}


def compared(case: Case, options: argparse.Namespace) -> dict[str, Row]:
    """What every engine takes for a case."""
    names = [name for name in engines_of(case) if options.engines is None or name in options.engines]
    workers = {name: Worker(name, case, options.threads) for name in names}
    for worker in workers.values():
        worker.ready()
    seconds, rounds = (QUICK_SLICE, QUICK_ROUNDS) if options.quick else (SLICE, ROUNDS)
    for _ in range(rounds):
        for worker in workers.values():
            time.sleep(SETTLE)
            worker.round(seconds)
    rows = {name: worker.end() for name, worker in workers.items()}
    check_same(case, rows)
    return rows


def check_same(case: Case, rows: dict[str, Row]) -> None:
    """Every engine must have run the same network: as many weights, and results of the same shapes.

    An LSTM of PyTorch has two biases, where netdsl has their sum.
    """
    counts = [row["parameters"] for row in rows.values() if row.get("parameters") is not None]
    shapes = {str(row["shapes"]) for row in rows.values() if "shapes" in row}
    if len(shapes) > 1 or (counts and max(counts) > 1.005 * min(counts)):
        raise SystemExit(f"{case.name}: the engines differ: {rows}")


def prepare(case: Case, threads: int) -> None:
    """Write the ONNX file of a case, if it is not there."""
    if not case.prefix and not onnx_file(case).is_file():
        print(f"exporting {case.name}", file=sys.stderr, flush=True)
        command = [sys.executable, __file__, "--export", "--only", case.name, "--threads", str(threads)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment(threads))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--only", help="names of rows, with semicolons between")
    parser.add_argument("--engines", type=lambda text: text.split(","), help="names, with commas between")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--prepare", action="store_true", help="only export and compile")
    parser.add_argument("--save", action="store_true", help="write results/inference.json and .md")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--export", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    cases = [BY_NAME[name] for name in options.only.split(";")] if options.only else CASES
    if options.worker:
        work(options.worker, options.only, options.threads)
    elif options.export:
        export(cases[0], options.threads)
    else:
        run(cases, options)


def run(cases: list[Case], options: argparse.Namespace) -> None:
    for case in cases:
        prepare(case, options.threads)
    if options.prepare:
        options.engines, options.quick = ["torch.compile"], True
    facts = about(options.threads, options.quick)
    rows: dict[str, dict[str, Row]] = {}
    for case in cases:
        rows[case.name] = compared(case, options)
        print(line(case.name, rows[case.name]), flush=True)
        if options.save:  # a long run that is stopped has its results so far
            save(rows, {}, facts)
    starts = {} if options.only or options.prepare else compared_starts(3 if options.quick else 12)
    if options.save:
        save(rows, starts, facts)
    ratios = [found for row in rows.values() if (found := ratio(row)) is not None]
    if ratios:
        product = 1.0
        for found in ratios:
            product *= found
        print(f"geometric mean of best peer / netdsl: {product ** (1 / len(ratios)):.2f}")


if __name__ == "__main__":
    main()
