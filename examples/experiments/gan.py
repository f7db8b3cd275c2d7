"""A generative adversarial network on handwritten digits: its losses, its samples, and a judge of them.

    python examples/experiments/gan.py

Writes examples/runs/gan.md with its pictures; `--seeds 0 --epochs 5 --dry` is a short look. The judge is a
small classifier that learned the same training digits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import click
import numpy as np
from recording import EXAMPLES, RUNS, machine, table

import netruntime as nr
from netdsl.dims import symbol
from netdsl.types import tensor
from netruntime.charts import Chart, Series, image_grid, line_charts
from netruntime.data import open_data, split

Array = np.ndarray[Any, Any]
SOURCE = EXAMPLES / "digits_gan.net"
DATA = EXAMPLES / "data" / "digits.npz"
HOLDOUT = 0.2
SAMPLES, SHOWN, COLUMNS = 1000, 64, 16
SURE = 0.9
BANDS = {"generator": (0.5, 3.0), "discriminator": (0.4, 1.5)}
"""The expected ranges of the epoch means of the losses in the last half of the epochs."""

JUDGE = """net 1.0

model Judge(image: f32[B, 1, 8, 8]) -> logits: f32[B, 10] {
  return image -> flatten -> hidden: Linear(256) -> relu -> Dropout(0.5) -> out: Linear(10)
}

train {
  input label: i32[B]
  loss = cross_entropy(logits, label)
  optimizer = adamw(lr=2e-3, weight_decay=0.01)
  schedule = cosine(warmup=50)
  epochs = 60
}
"""


@dataclass(frozen=True)
class Verdict:
    """The judge's results for images: the share it is sure of, and the number classified as each digit."""

    sure: float
    counts: tuple[int, ...]
    nearest: float
    """The mean Euclidean distance to the nearest training digit."""


@dataclass(frozen=True)
class Result:
    """A run, its samples, and the judge's results for them and for the digits held out."""

    seed: int
    trained: nr.Trained
    samples: Array
    verdict: Verdict
    real: Verdict
    accuracy: float
    seconds: float

    def losses(self, phase: str) -> list[float]:
        """The mean loss of each epoch."""
        return [float(event.train[phase]["loss"]) for event in self.trained.history]

    def range(self, phase: str) -> tuple[float, float]:
        """The lowest and the highest loss of the last half."""
        last = self.losses(phase)[len(self.trained.history) // 2 :]
        return min(last), max(last)

    @property
    def in_bands(self) -> bool:
        pairs = [(self.range(phase), band) for phase, band in BANDS.items()]
        return all(low <= least and most <= high for (least, most), (low, high) in pairs)


def digits(seed: int) -> tuple[dict[str, Array], dict[str, Array]]:
    """The digits to train on, and those that the seed holds out: `image` f32 [n, 1, 8, 8], and `label`."""
    rows = open_data(DATA, {"image": tensor("f32", symbol("B"), 1, 8, 8)})
    arrays = np.load(DATA)
    images = (arrays["image"][:, None] / 255).astype(np.float32)
    train, held = (part.indices for part in split(rows, HOLDOUT, seed))
    label = arrays["label"]
    return {"image": images[train], "label": label[train]}, {"image": images[held], "label": label[held]}


def judged(judge: nr.Network, images: Array, known: Array) -> Verdict:
    """The judge's results for images, and their distance to those `known`."""
    logits = judge(image=images)
    chance = np.exp(logits - logits.max(-1, keepdims=True))
    best = (chance / chance.sum(-1, keepdims=True)).max(-1)
    counts = np.bincount(logits.argmax(-1), minlength=10)
    a, b = images.reshape(len(images), -1), known.reshape(len(known), -1)
    squares = (a**2).sum(-1)[:, None] + (b**2).sum(-1) - 2 * a @ b.T
    nearest = np.sqrt(np.maximum(squares, 0).min(-1))
    return Verdict(float((best > SURE).mean()), tuple(counts.tolist()), float(nearest.mean()))


def learn(seed: int, epochs: int | None) -> Result:
    """Train the example by its own `train` sections, and the judge on the same digits."""
    began = perf_counter()
    numbers: dict[str, Any] = {} if epochs is None else {"epochs": epochs}
    trained = nr.fit(SOURCE, DATA, holdout=HOLDOUT, seed=seed, **numbers)
    seconds = perf_counter() - began
    generator = trained.network("Generator")
    size = generator.inputs["z"].shape[-1].value
    samples = generator(z=np.random.default_rng(seed).standard_normal((SAMPLES, size), np.float32))
    train, held = digits(seed)
    judge = nr.fit(JUDGE, train, seed=seed).network()
    accuracy = float((judge(image=held["image"]).argmax(-1) == held["label"]).mean())
    verdict, real = (judged(judge, images, train["image"]) for images in (samples, held["image"]))
    result = Result(seed, trained, samples, verdict, real, accuracy, seconds)
    click.echo(f"seed {seed}: {SURE:.0%} sure of {result.verdict.sure:.1%}, {result.verdict.counts}")
    click.echo(f"  in {seconds:.0f} s; losses {[result.range(phase) for phase in BANDS]}")
    return result


def charts(results: Sequence[Result]) -> Iterator[Chart]:
    """The losses of each phase over the epochs, and the band as dashed lines."""
    for phase, band in BANDS.items():
        epochs = [event.epoch + 1 for event in results[0].trained.history]
        series = [Series(f"seed {r.seed}", epochs, r.losses(phase)) for r in results]
        half = epochs[len(epochs) // 2]
        series += [Series("band of the last half", [half, epochs[-1]], [y, y], dashed=True) for y in band]
        yield Chart(f"Loss of the {phase}", tuple(series), "epoch", "loss")


def draw(results: Sequence[Result]) -> None:
    """Samples of the first seed, without selection, and the losses of all seeds."""
    first = results[0]
    title = f"The first {SHOWN} samples of seed {first.seed}"
    image_grid(list(first.samples[:SHOWN]), RUNS / "gan-samples.svg", COLUMNS, title=title, limits=(0, 1))
    line_charts(list(charts(results)), RUNS / "gan-losses.svg")


def write_record(results: Sequence[Result]) -> None:
    """The page of figures."""
    rows = []
    for r in results:
        ranges = ["{:.2f} to {:.2f}".format(*r.range(phase)) for phase in BANDS]
        kept = "yes" if r.in_bands else "no"
        sure = [f"{r.verdict.sure:.1%}", f"{r.real.sure:.1%}"]
        near = [f"{r.verdict.nearest:.2f}", f"{r.real.nearest:.2f}"]
        rows.append([r.seed, *ranges, kept, *sure, *near, f"{r.accuracy:.1%}", f"{r.seconds:.0f} s"])
    headings = ["seed", *(f"loss of the {phase}" for phase in BANDS), "in range"]
    headings += [
        "judge confident on samples",
        "of real digits",
        "nearest distance of samples",
        "to real digits",
    ]
    headings += ["judge accuracy", "time"]
    counts = [[f"seed {r.seed}", *r.verdict.counts] for r in results]
    bands = " and ".join(f"{low} to {high} for the {phase}" for phase, (low, high) in BANDS.items())
    text = PAGE.format(
        table=table(headings, rows),
        counts=table(["", *range(10)], counts),
        bands=bands,
        epochs=len(results[0].trained.history),
        samples=SAMPLES,
        machine=machine(),
    )
    (RUNS / "gan.md").write_text(text, "utf-8")


PAGE = """# A generative adversarial network on handwritten digits

`examples/digits_gan.net` on four fifths of the digits of `examples/data/digits.npz`, 8 x 8, for {epochs}
epochs. The losses are the epoch means of the last half of the epochs. The expected ranges are
{bands}.

{table}

{samples} samples for each seed, without selection. The judge is a small classifier trained on the same
digits; "confident" means a class with a probability above 0.9, and "judge accuracy" is its accuracy on the
held-out fifth. "Nearest" is the mean Euclidean distance to the nearest training digit: if it were far
below that of real held-out digits, samples would be copies.

The number of samples that the judge classifies as each digit:

{counts}

![Losses](gan-losses.svg)

![Samples](gan-samples.svg)

The settings were chosen among five (convolutions instead of dense layers, other learning rates and
numbers of epochs) by the losses, the samples and the judge of seed 0. Times are wall-clock times on a
shared machine.

Generated by `python examples/experiments/gan.py`. To run it by hand:

    netrun train examples/digits_gan.net --data examples/data/digits.npz --holdout 0.2 --seed 0

{machine}
"""


@click.command()
@click.option("--seeds", default="0,1,2", show_default=True, help="Seeds of the runs.")
@click.option("--epochs", type=int, help="Passes over the data, in place of the file's.")
@click.option("--dry", is_flag=True, help="Write nothing.")
def main(seeds: str, epochs: int | None, dry: bool) -> None:
    """Train the two networks, and write the record."""
    results = [learn(int(seed), epochs) for seed in seeds.split(",")]
    if not dry:
        RUNS.mkdir(exist_ok=True)
        draw(results)
        write_record(results)


if __name__ == "__main__":
    main()
