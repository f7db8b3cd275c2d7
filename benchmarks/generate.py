"""Generation beside transformers: the time of one more token of GPT-2 after prompts of growing length.

python benchmarks/generate.py [--rounds 5] [--tokens 48] [--prompts 128,512,900] [--threads 2] [--save]

Both are GPT-2 of the small shape with random weights in f32, take the most likely token, and keep a cache:
`nr.generate` and transformers' `generate`. Each has a process of its own, and the two take turns. A time is
that between two tokens, as each reports them while it generates; the least of all but the first counts.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from inference import SETTLE, environment
from inference_engines import ROOT, peak_bytes
from inference_report import RESULTS, about

PROMPTS = (128, 512, 900)
"""Their lengths in tokens."""
LONGEST = 960
VOCABULARY = 50257
Row = dict[str, Any]
Generate = Callable[[np.ndarray[Any, Any], int, Callable[[], None]], None]
"""Generates so many tokens after a prompt `[1, L]`, and calls a function at each."""


def netdsl(threads: int) -> Generate:
    import netruntime as nr

    network = nr.load(ROOT / "examples" / "gpt2.net", threads=threads)

    def run(prompt: np.ndarray[Any, Any], tokens: int, stamp: Callable[[], None]) -> None:
        nr.generate(network, prompt, max_new=tokens, temperature=0, stream=lambda _: stamp())

    return run


def transformers(threads: int) -> Generate:
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel
    from transformers.generation.streamers import BaseStreamer

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config()).eval()

    class Stamps(BaseStreamer):  # type: ignore[misc]
        """Gets the prompt first, then each token."""

        def __init__(self, stamp: Callable[[], None]) -> None:
            self.stamp, self.is_prompt = stamp, True

        def put(self, value: Any) -> None:
            if not self.is_prompt:
                self.stamp()
            self.is_prompt = False

        def end(self) -> None:
            pass

    def run(prompt: np.ndarray[Any, Any], tokens: int, stamp: Callable[[], None]) -> None:
        settings = {"max_new_tokens": tokens, "min_new_tokens": tokens, "do_sample": False}
        ids = torch.from_numpy(prompt)
        mask = torch.ones_like(ids)
        with torch.inference_mode():
            model.generate(
                ids, attention_mask=mask, use_cache=True, pad_token_id=0, streamer=Stamps(stamp), **settings
            )

    return run


ENGINES = {"netdsl": netdsl, "transformers": transformers}


def work(engine: str, tokens: int, threads: int) -> None:
    """Load the model, then generate after a prompt of each length that a line of standard input has."""
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is not an answer
    generate = ENGINES[engine](threads)
    prompts = np.random.default_rng(0).integers(0, VOCABULARY, (1, LONGEST))
    times_of(generate, prompts[:, :8], 4)
    for line in sys.stdin:
        times = times_of(generate, prompts[:, : int(line)], tokens)
        print(json.dumps({"times": times, "peak_bytes": peak_bytes()}), file=answer, flush=True)


def times_of(generate: Generate, prompt: np.ndarray[Any, Any], tokens: int) -> list[float]:
    """The seconds between tokens, without those before the second."""
    stamps: list[float] = []
    generate(prompt, tokens, lambda: stamps.append(time.perf_counter()))
    assert len(stamps) == tokens, f"{len(stamps)} tokens instead of {tokens}"
    times: list[float] = np.diff(stamps)[1:].tolist()
    return times


class Worker:
    """A process of one engine."""

    def __init__(self, engine: str, options: argparse.Namespace) -> None:
        command = [sys.executable, __file__, "--worker", engine, "--tokens", str(options.tokens)]
        command += ["--threads", str(options.threads)]
        pipe = subprocess.PIPE
        env = environment(options.threads)
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=env)

    def ask(self, length: int) -> Row:
        """What it measured after a prompt of so many tokens."""
        assert self.process.stdin is not None and self.process.stdout is not None
        time.sleep(SETTLE)
        print(length, file=self.process.stdin, flush=True)
        answer: Row = json.loads(self.process.stdout.readline())
        return answer


def measure(options: argparse.Namespace) -> dict[str, dict[int, Row]]:
    """For each engine and prompt length, the least and the median time of a token, in seconds."""
    workers = {name: Worker(name, options) for name in options.engines}
    answers: dict[str, dict[int, list[Row]]] = {name: {n: [] for n in options.prompts} for name in workers}
    for _ in range(options.rounds):
        for length in options.prompts:
            for name, worker in workers.items():
                answers[name][length].append(worker.ask(length))
    for worker in workers.values():
        worker.process.communicate()
    return {name: {n: summary(found) for n, found in rows.items()} for name, rows in answers.items()}


def summary(rounds: list[Row]) -> Row:
    times = [found for one in rounds for found in one["times"]]
    return {
        "min_s": min(times),
        "median_s": statistics.median(times),
        "round_min_s": [min(one["times"]) for one in rounds],
        "peak_bytes": max(one["peak_bytes"] for one in rounds),
    }


def line(length: int, rows: dict[str, dict[int, Row]]) -> str:
    """A row for a terminal."""
    found = {name: row[length] for name, row in rows.items()}
    parts = [
        f"{name} {1000 * row['min_s']:.1f} ms, {row['peak_bytes'] / 1e6:.0f} MB"
        for name, row in found.items()
    ]
    ratio = found["transformers"]["min_s"] / found["netdsl"]["min_s"] if len(found) == len(ENGINES) else None
    return f"after {length:4} tokens: {'; '.join(parts)}{'' if ratio is None else f'; {ratio:.2f} times'}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=48, help="how many are generated after a prompt")
    parser.add_argument("--prompts", type=lambda text: [int(n) for n in text.split(",")], default=PROMPTS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--engines", type=lambda text: text.split(","), default=list(ENGINES))
    parser.add_argument("--save", action="store_true", help="write results/generate.json")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker, options.tokens, options.threads)
        return
    rows = measure(options)
    print(*(line(length, rows) for length in options.prompts), sep="\n")
    if options.save:
        document = {"about": about(options.threads, quick=False), "rows": rows}
        (RESULTS / "generate.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
