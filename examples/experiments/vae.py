"""A variational autoencoder on handwritten digits: its bound on digits held out, and what it draws.

    python examples/experiments/vae.py

Writes examples/runs/vae.md with its pictures; `--seeds 0 --epochs 5 --dry` is a short look. The figures are
those of the last epoch; the noise of the code is drawn once for each image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import process_time
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
SOURCE = EXAMPLES / "digits_vae.net"
DATA = EXAMPLES / "data" / "digits.npz"
HOLDOUT = 0.2
SHOWN = 16
SIDE, POINTS = 8, 16


@dataclass(frozen=True)
class Result:
    """A run, and the log-likelihood of independent pixels: the baseline that a code must beat."""

    seed: int
    trained: nr.Trained
    independent: float
    seconds: float

    @property
    def last(self) -> dict[str, float]:
        event = self.trained.history[-1]
        return {"train": event.train[""]["bound"], **event.valid[""]}


def counts(seed: int) -> tuple[Array, Array]:
    """Digits as counts of black points, i64 [n, 64]: those to train on, and those that the seed holds out."""
    rows = open_data(DATA, {"image": tensor("f32", symbol("B"), SIDE * SIDE)})
    images = np.rint(np.load(DATA)["image"].reshape(len(rows), -1) / 255 * POINTS).astype(np.int64)
    train, held = split(rows, HOLDOUT, seed)
    return images[train.indices], images[held.indices]


def independent_pixels(train: Array, held: Array) -> float:
    """The mean log-likelihood of images held out, in nats, if each pixel has its own distribution of counts.

    The chances are how often the training digits have that count there, and one half more.
    """
    levels = np.arange(POINTS + 1)
    often = (train[..., None] == levels).sum(0) + 0.5
    chance = np.log(often / often.sum(-1, keepdims=True))
    return float(np.take_along_axis(chance[None], held[..., None], axis=-1).sum((1, 2)).mean())


def learn(seed: int, epochs: int | None) -> Result:
    """Train the example by its own `train` section."""
    began = process_time()
    numbers: dict[str, Any] = {} if epochs is None else {"epochs": epochs}
    trained = nr.fit(SOURCE, DATA, holdout=HOLDOUT, seed=seed, **numbers)
    seconds = process_time() - began
    result = Result(seed, trained, independent_pixels(*counts(seed)), seconds)
    click.echo(f"seed {seed}: the bound is {result.last['bound']:.2f} nats in {seconds:.0f} s")
    return result


def draw(result: Result) -> None:
    """Samples of the prior, and images held out beside what their codes say of them."""
    encoder, decoder = (result.trained.network(model) for model in ("Encoder", "Decoder"))
    rng = np.random.default_rng(result.seed)
    size = decoder.inputs["z"].shape[-1].value
    drawn = chances(decoder(z=rng.standard_normal((4 * SHOWN, size), np.float32)))
    title = "Codes drawn from the standard normal distribution"
    image_grid(list(drawn), RUNS / "vae-samples.svg", SHOWN, title=title, limits=(0, 1))
    images = (counts(result.seed)[1][:SHOWN] / POINTS).astype(np.float32)
    again = chances(decoder(z=encoder(image=images)["mu"]))
    pairs = [*images.reshape(-1, SIDE, SIDE), *again]
    title = "Digits held out, and below each what the mean of its code gives"
    image_grid(pairs, RUNS / "vae-reconstructions.svg", SHOWN, title=title, limits=(0, 1))


def chances(logits: Array) -> Array:
    """The mean of each pixel, as images [n, 8, 8]."""
    return (1 / (1 + np.exp(-logits))).reshape(-1, SIDE, SIDE)


def draw_curves(results: Sequence[Result]) -> None:
    """Minus the bound over the epochs, and the divergence of the codes."""
    names = {"loss": "minus the bound, nats per image", "divergence": "divergence of the code, nats"}
    charts = []
    for name, y in names.items():
        series = []
        for result in results:
            history = result.trained.history
            epochs = [event.epoch + 1 for event in history]
            held = [event.valid[""][name] for event in history]
            trained = [event.train[""][name] for event in history]
            series.append(Series(f"seed {result.seed}", epochs, held))
            series.append(Series(f"seed {result.seed}", epochs, trained, dashed=True, faint=True))
        title = "On digits held out (dashed: trained on)"
        charts.append(Chart(title, tuple(series), "epoch", y, log_y=name == "loss"))
    line_charts(charts, RUNS / "vae-curves.svg")


def write_record(results: Sequence[Result]) -> None:
    """The page of figures."""
    rows = [
        [
            r.seed,
            *(f"{r.trained.history[n].valid['']['bound']:.2f}" for n in (0, 9)),
            f"{r.last['bound']:.2f}",
            f"{r.last['log_likelihood']:.2f}",
            f"{r.last['divergence']:.2f}",
            f"{r.last['train']:.2f}",
            f"{r.independent:.2f}",
            f"{r.seconds:.0f} s",
        ]
        for r in results
    ]
    headings = [
        "seed",
        "after epoch 1",
        "after 10",
        "at the end",
        "log-likelihood",
        "divergence",
        "on the training digits",
        "independent pixels",
        "CPU time",
    ]
    bounds = [r.last["bound"] for r in results]
    epochs = len(results[0].trained.history)
    worst = f"{min(bounds):.2f}"
    gain = f"{min(r.last['bound'] - r.independent for r in results):.1f}"
    text = PAGE.format(epochs=epochs, worst=worst, gain=gain, table=table(headings, rows), machine=machine())
    (RUNS / "vae.md").write_text(text, "utf-8")


PAGE = """# A variational autoencoder on handwritten digits

`examples/digits_vae.net` on the digits of `examples/data/digits.npz`, 8 x 8, of which a fifth (359 of
1,797) is held out. A pixel counts the black points among 16, and its likelihood is binomial, so the bound
is a bound on the log-probability of the image itself. The divergence is in closed form. Figures are nats
per image, the mean over the held-out digits with one sample of the code for each, after {epochs} epochs;
higher is better.

{table}

"Independent pixels" is a baseline without a code, in which each pixel has each of the 17 counts with its
frequency in the training digits. The bound ends at {worst} or above for every seed, {gain} nats or more
above that.

![The bound and the divergence over the epochs](vae-curves.svg)

![Samples](vae-samples.svg)

![Reconstructions](vae-reconstructions.svg)

The sizes (256 hidden units, a code of 16 numbers) were chosen among three pairs by the digits that seed 0
holds out. The images are from the first seed, and show the mean of each pixel.

Generated by `python examples/experiments/vae.py`. To run it by hand:

    netrun train examples/digits_vae.net --data examples/data/digits.npz --holdout 0.2 --seed 0

{machine}
"""


@click.command()
@click.option("--seeds", default="0,1,2", show_default=True, help="Seeds of the runs.")
@click.option("--epochs", type=int, help="Passes over the data, in place of the file's.")
@click.option("--dry", is_flag=True, help="Write nothing.")
def main(seeds: str, epochs: int | None, dry: bool) -> None:
    """Train the autoencoder, and write the record."""
    results = [learn(int(seed), epochs) for seed in seeds.split(",")]
    if not dry:
        RUNS.mkdir(exist_ok=True)
        draw(results[0])
        draw_curves(results)
        write_record(results)


if __name__ == "__main__":
    main()
