r"""Two language models of characters on one book: their perplexity on its end, and samples.

    cd examples
    netrun train char_lstm.net --data data/text.txt --window 64 --stride 32 \
        --holdout 0.1 --seed 0 --out RUNS/char_lstm
    netrun train char_gpt.net --data data/text.txt --window 128 --stride 32 \
        --holdout 0.1 --seed 0 --out RUNS/char_gpt
    python experiments/char_models.py RUNS

Writes examples/runs/char_models.md with its chart from those two runs, and puts their best weights with the
vocabulary beside the models, where `netrun generate` finds them; `--dry` only prints.
"""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from recording import EXAMPLES, RUNS, machine, table

import netruntime as nr
from netruntime.charts import Chart, Series, line_charts
from netruntime.generation.text import read_vocabulary

MODELS = {"char_lstm": "LSTM", "char_gpt": "GPT"}
HELD = 0.1
LEVEL = 5.0
"""The perplexity that both models should stay below."""
TEMPERATURES = (0.3, 0.6, 1.0)
PROMPT = "Alice "
LETTERS = 240
"""Characters of a sample."""


@dataclass(frozen=True)
class Run:
    """The results in the folder of a run of `netrun train`."""

    model: str
    folder: Path
    epochs: tuple[Mapping[str, Any], ...]

    @property
    def held(self) -> list[float]:
        """The perplexity on the end of the text, by epoch."""
        return [epoch["valid"][""]["perplexity"] for epoch in self.epochs]

    @property
    def best(self) -> int:
        """The epoch whose weights are kept as the best, from 0."""
        return max(n for n, epoch in enumerate(self.epochs) if epoch["best"])

    @property
    def source(self) -> Path:
        return EXAMPLES / f"{self.model}.net"


def read_run(model: str, folder: Path) -> Run:
    """The epochs of a run from its log."""
    lines = map(json.loads, (folder / "metrics.jsonl").read_text("utf-8").splitlines())
    return Run(model, folder, tuple(line for line in lines if line["kind"] == "epoch"))


def ship(run: Run) -> None:
    """Put the best weights and the vocabulary beside the model."""
    shutil.copy(run.folder / "best.safetensors", run.source.with_suffix(".safetensors"))
    shutil.copy(run.folder / "vocab.json", run.source.with_suffix(".vocab.json"))


def count_perplexity(text: str, order: int) -> float:
    """The perplexity of the end of a text under an n-gram model of `order` characters of context.

    One is added to every count.
    """
    cut = round(len(text) * (1 - HELD))
    read, held = text[:cut], text[cut - order :]
    letters = len(set(text))
    pairs = Counter(read[n : n + order + 1] for n in range(len(read) - order))
    starts = Counter(read[n : n + order] for n in range(len(read) - order))
    chances = [
        (pairs[held[n : n + order + 1]] + 1) / (starts[held[n : n + order]] + letters)
        for n in range(len(held) - order)
    ]
    return math.exp(-sum(map(math.log, chances)) / len(chances))


def samples(run: Run) -> str:
    """What the model writes at several temperatures, as Markdown."""
    codec = read_vocabulary(run.folder / "vocab.json")
    network = nr.load(run.source, run.folder / "best.safetensors")
    prompt = codec.encode(PROMPT, "the prompt")
    parts = []
    for heat in TEMPERATURES:
        found = nr.generate(network, prompt, max_new=LETTERS, temperature=heat, seed=0, slide=True)
        text = PROMPT + codec.decode(found.ids[0])
        parts.append(f"Temperature {heat:g}:\n\n" + "\n".join(f"    {line}" for line in text.splitlines()))
    return f"### {MODELS[run.model]}\n\n" + "\n\n".join(parts)


def row(run: Run) -> list[str]:
    """A run as a row of the table."""
    weights = sum(
        array.size for array in nr.load(run.source, run.folder / "best.safetensors").weights.values()
    )
    best = run.epochs[run.best]
    figures = [f"{run.held[n]:.2f}" for n in (0, run.best, -1)]
    trained = f"{best['train']['']['perplexity']:.2f}"
    minutes = f"{run.epochs[-1]['seconds'] / 60:.1f} min"
    place = f"{run.best + 1} of {len(run.epochs)}"
    return [MODELS[run.model], f"{weights:,}", str(run.epochs[-1]["step"]), *figures, place, trained, minutes]


def chart(runs: Sequence[Run]) -> Chart:
    """The perplexity over the updates."""
    series = []
    for run in runs:
        steps = [epoch["step"] for epoch in run.epochs]
        trained = [epoch["train"][""]["perplexity"] for epoch in run.epochs]
        series.append(Series(f"{MODELS[run.model]}, end of the text", steps, run.held))
        series.append(Series(f"{MODELS[run.model]}, trained on", steps, trained, dashed=True))
    return Chart("Perplexity per character", tuple(series), "update", "perplexity", log_y=True)


HEADINGS = (
    "model",
    "weights",
    "updates",
    "perplexity after epoch 1",
    "at best",
    "at the end",
    "best epoch",
    "training perplexity then",
    "wall time",
)
PAGE = """# Language models of characters

`examples/char_lstm.net` and `examples/char_gpt.net` on `examples/data/text.txt`, of which the last tenth
is held out: 144,347 characters, 69 distinct ones. The perplexity is per character; unless noted
otherwise, figures are for the held-out end of the text.

{table}

The target, which a test checks for the shipped weights of both models, is below {level:g}. For
comparison: the uniform distribution over the characters has a perplexity of 69; a model of single
characters, {c0:.2f}; pairs, {c1:.2f}; triples, {c2:.2f}; runs of four, {c3:.2f} (n-gram counts with
add-one smoothing).

![Perplexity over the updates](char_models.svg)

The training loss includes dropout and is a mean over the epoch; the best epoch was chosen by the
perplexity on the held-out end, which is the one shown.

## Samples

The prompt is "{prompt}", and the seed 0. `netrun generate examples/char_gpt.net --prompt "{prompt}"
--temperature 0.6 --slide` generates such a text with the weights beside the model.

{samples}

Generated by `python examples/experiments/char_models.py` from two runs, whose commands are at the top of that
file. {note}

{machine}
"""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--note", default="", help="A sentence for the end of the page.")
@click.option("--dry", is_flag=True, help="Write nothing.")
def main(folder: Path, note: str, dry: bool) -> None:
    """Record the runs in FOLDER, and ship their weights."""
    runs = [read_run(model, folder / model) for model in MODELS if (folder / model).exists()]
    text = (EXAMPLES / "data" / "text.txt").read_text("utf-8")
    counted = {f"c{order}": count_perplexity(text, order) for order in range(4)}
    page = PAGE.format(
        table=table(HEADINGS, [row(run) for run in runs]),
        level=LEVEL,
        **counted,
        prompt=PROMPT,
        samples="\n\n".join(samples(run) for run in runs),
        note=note,
        machine=machine(),
    )
    if dry:
        click.echo(page)
        return
    for run in runs:
        ship(run)
    line_charts([chart(runs)], RUNS / "char_models.svg")
    (RUNS / "char_models.md").write_text(page, "utf-8")


if __name__ == "__main__":
    main()
