"""The time of one more token after prefixes of growing length, with and without caches.

python benchmarks/generate.py --runs 15 [--save]

Times are processor time of one thread, so that other work on the machine counts less.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np

import netruntime as nr
from netruntime.generation import Decoder, find_roles

ROOT = Path(__file__).parent.parent
LENGTHS = (64, 256, 512, 1000)
VOCABULARY = 1000
LSTM = """net 1.0
model Lstm(ids: i32[B, T]) -> logits: f32[B, T, 1000] {
  return ids -> embed: Embedding(1000, 256) -> rnn: Recurrent(LSTM(256), layers=2) -> out: Linear(1000)
}
"""
SMALL = {"vocab": VOCABULARY, "dim": 256, "depth": 6, "heads": 8, "positions": 1024}


def networks() -> dict[str, nr.Network]:
    """A GPT of 6 layers of 256 features, and an LSTM of 2 layers of 256."""
    return {"gpt": nr.load(ROOT / "examples" / "gpt2.net", **SMALL), "lstm": nr.load(LSTM)}


def milliseconds(call: Callable[[], object], runs: int) -> list[float]:
    times = []
    for _ in range(runs):
        start = time.process_time()
        call()
        times.append(1000 * (time.process_time() - start))
    return times


def measure(network: nr.Network, length: int, runs: int) -> dict[str, float]:
    """CPU time of one more token, in ms, with caches and with a complete recomputation."""
    roles = find_roles(network.model, network.graph)
    tokens = np.random.default_rng(0).integers(0, VOCABULARY, (1, length))
    cached = Decoder(network, roles, {})
    cached.next(tokens)
    cached.next(tokens[:, :1])
    steps = milliseconds(lambda: cached.next(tokens[:, :1]), runs)
    whole = milliseconds(lambda: cached.fresh(cached=False).next(tokens), 3)
    return {
        "prefix": length,
        "cached_min_ms": min(steps),
        "cached_median_ms": statistics.median(steps),
        "whole_min_ms": min(whole),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    rows = {
        name: [measure(net, length, options.runs) for length in LENGTHS] for name, net in networks().items()
    }
    for name, found in rows.items():
        for row in found:
            print(
                f"{name:5} after {row['prefix']:4} tokens: {row['cached_min_ms']:6.2f} ms with caches "
                f"(median {row['cached_median_ms']:.2f}), {row['whole_min_ms']:7.1f} ms for the whole"
            )
    if options.save:
        about = {"python": platform.python_version(), "machine": platform.machine(), "runs": options.runs}
        about |= {"numpy": version("numpy"), "threads": 1}
        path = ROOT / "benchmarks" / "results" / "generate.json"
        path.write_text(json.dumps({"about": about, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
