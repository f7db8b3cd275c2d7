"""The same network with and without its Adds: deep, it learns with them and hardly without.

    python examples/experiments/why_add_matters.py

Trains examples/digits_resnet.net at several depths; writes examples/runs/why_add_matters.md with a chart.
What He, Zhang, Ren and Sun (2015, figure 1) found is the loss on the rows trained on: a deeper plain network
fits even those less well, which is not overfitting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import click
import numpy as np
from recording import EXAMPLES, RUNS, machine, table

import netruntime as nr
from netruntime.data import DataOptions
from netruntime.draw.charts import Chart, Series, line_charts

NAME = "why_add_matters"
EPOCHS = 10


@dataclass(frozen=True)
class Result:
    """A run: for each epoch the losses on the rows trained on and held out, and the accuracy on these."""

    layers: int
    shortcuts: bool
    seed: int
    trained_loss: tuple[float, ...]
    held_loss: tuple[float, ...]
    accuracy: tuple[float, ...]
    seconds: float


def learn(layers: int, shortcuts: bool, seed: int) -> Result:
    """Train the network of so many layers with weights: two for each block of three stages, and two more."""
    began = perf_counter()
    history = nr.fit(
        EXAMPLES / "digits_resnet.net",
        EXAMPLES / "data" / "digits.npz",
        holdout=0.2,
        options=DataOptions(resize="stretch"),
        augment="shift=2",
        seed=seed,
        epochs=EPOCHS,
        config={"depth": (layers - 2) // 6, "shortcuts": shortcuts},
    ).history
    seconds = perf_counter() - began
    held = [next(iter(event.valid.values())) for event in history]
    return Result(
        layers,
        shortcuts,
        seed,
        tuple(float(next(iter(event.train.values()))["loss"]) for event in history),
        tuple(float(figures["loss"]) for figures in held),
        tuple(float(figures["accuracy"]) for figures in held),
        seconds,
    )


def chart(results: Sequence[Result], layers: int) -> Chart:
    """Both losses with and without Adds; the first seed in full, the others faint."""
    found = [result for result in results if result.layers == layers]
    epochs = range(1, EPOCHS + 1)
    series = []
    for result in sorted(found, key=lambda result: result.seed, reverse=True):
        faint = result.seed != min(other.seed for other in found)
        name = _kind(result)
        series.append(Series(f"{name}, trained on", epochs, result.trained_loss, faint=faint))
        series.append(Series(f"{name}, held out", epochs, result.held_loss, dashed=True, faint=faint))
    return Chart(f"{layers} layers", tuple(series), "epoch", "cross-entropy", log_y=True)


def write_record(results: Sequence[Result]) -> None:
    """The page of figures."""
    rows = [
        [
            result.layers,
            _kind(result),
            result.seed,
            f"{result.trained_loss[-1]:.3f}",
            f"{result.held_loss[-1]:.3f}",
            f"{result.accuracy[-1]:.2%}",
            f"{result.seconds:.0f} s",
        ]
        for result in results
    ]
    headings = [
        "layers",
        "network",
        "seed",
        "loss, trained on",
        "loss, held out",
        "accuracy, held out",
        "time",
    ]
    text = PAGE.format(
        table=table(headings, rows), summary=summary(results), machine=machine(), epochs=EPOCHS, name=NAME
    )
    (RUNS / f"{NAME}.md").write_text(text, "utf-8")


def summary(results: Sequence[Result]) -> str:
    """The means over seeds, a sentence for each depth."""
    lines = []
    for layers in sorted({result.layers for result in results}):
        means = []
        for shortcuts in (True, False):
            found = [r for r in results if r.layers == layers and r.shortcuts is shortcuts]
            loss = np.mean([r.trained_loss[-1] for r in found])
            accuracy = np.mean([r.accuracy[-1] for r in found])
            means.append(f"{_kind(found[0])} {loss:.3f} and {accuracy:.2%}")
        lines.append(f"- {layers} layers: {'; '.join(means)}.")
    return "\n".join(lines)


def _kind(result: Result) -> str:
    return "with Add" if result.shortcuts else "without Add"


PAGE = """# Why Add matters

`examples/digits_resnet.net` trained with its shortcuts, and with `shortcuts=false`: the same convolutions and
batch normalisations in the same order, without the Adds (and without the two 1 x 1 convolutions on shortcuts
that change the size). Everything else is equal: {epochs} epochs, the recipe of the file, `--augment shift=2`,
the seed with its split. The recipe was chosen for 8 layers with shortcuts.

Means over the seeds after the last epoch, of the loss on the rows trained on and of the accuracy on the rows
held out:

{summary}

![Both losses, with and without Add](why_add_matters.svg)

{table}

Made by `python examples/experiments/{name}.py`. A run by hand:

    netrun train examples/digits_resnet.net --data examples/data/digits.npz --holdout 0.2 --resize stretch \\
        --augment shift=2 --epochs {epochs} --seed 0 --set depth=5 --set shortcuts=false

{machine}
"""


@click.command()
@click.option("--layers", default="8,32", show_default=True, help="Depths: 6n + 2 each.")
@click.option("--seeds", default="0,1,2", show_default=True, help="Seeds of the runs.")
def main(layers: str, seeds: str) -> None:
    """Train at each depth with and without Adds, and write the record."""
    results = []
    for depth in map(int, layers.split(",")):
        for shortcuts in (True, False):
            for seed in map(int, seeds.split(",")):
                result = learn(depth, shortcuts, seed)
                click.echo(f"{depth} layers {_kind(result)}, seed {seed}: {result.trained_loss[-1]:.3f}")
                results.append(result)
    line_charts(
        [chart(results, depth) for depth in sorted({r.layers for r in results})], RUNS / f"{NAME}.svg"
    )
    write_record(results)


if __name__ == "__main__":
    main()
