"""Four networks classify handwritten digits; each is evaluated on a held-out fifth, for several splits.

    python examples/experiments/digits.py

Writes examples/runs/digits.md with its charts, and the pictures examples/data/digit-0.png to digit-9.png; the
run of LeNet-5 with seed 0 writes examples/lenet5.safetensors. Runs are kept in examples/runs/digits.jsonl.

The figures are those of the last epoch, not of the best: the rows held out choose nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click
import numpy as np
from digit_runs import DATA, FIRST, HOLDOUT, SHIPPED, Run, learn
from PIL import Image
from recording import EXAMPLES, RUNS, save_svg, table

from netdsl.dims import symbol
from netdsl.types import tensor
from netruntime.charts import Chart, Series, draw_heat_map, draw_line_charts
from netruntime.data import open_data, split
from netruntime.readers.resize import resize_pictures

NAMES = ("mlp", "lenet5", "digits_resnet", "digits_googlenet")
PICTURE = 112


def learn_all(names: Sequence[str], seeds: Sequence[int]) -> dict[str, list[Run]]:
    """Train every network with every seed, and print the accuracy of each."""
    found: dict[str, list[Run]] = {}
    for name in names:
        for seed in seeds:
            run = learn("digits", name, seed)
            click.echo(f"{name} seed {seed}: {run['accuracy'][-1]:.4f} in {run['cpu_seconds']} s")
            found.setdefault(name, []).append(run)
    return found


def held_out(seed: int) -> Iterator[tuple[int, np.ndarray[Any, Any]]]:
    """The first row of each class that is held out by `seed`, as u8 [8, 8]."""
    arrays = np.load(DATA)
    types = {"image": tensor("u8", symbol("B"), 8, 8), "label": tensor("i32", symbol("B"))}
    _, held = split(open_data(DATA, types), HOLDOUT, seed)
    for digit in range(10):
        row = next(n for n in held.indices if arrays["label"][n] == digit)
        yield digit, arrays["image"][row]


def write_pictures() -> None:
    """Held-out digits, enlarged; light ink on black, as in the data."""
    for digit, image in held_out(FIRST):
        large = resize_pictures(image[None, None], PICTURE, PICTURE, "stretch")[0, 0]
        Image.fromarray(large.round().astype(np.uint8)).save(EXAMPLES / "data" / f"digit-{digit}.png")


def write_charts(found: dict[str, list[Run]]) -> None:
    """Curves of every network, and the confusion matrix of the one whose weights are shipped."""
    charts = [_curves(name, runs[0]) for name, runs in found.items()]
    save_svg(draw_line_charts(charts), "digits")
    digits = [str(n) for n in range(10)]
    matrix = draw_heat_map(
        np.array(found[SHIPPED][0]["confusion"]),
        digits,
        digits,
        title="LeNet-5 on the digits held out",
        row_axis="true",
        column_axis="predicted",
    )
    save_svg(matrix, "digits-confusion")


def _curves(name: str, run: Run) -> Chart:
    epochs = range(1, len(run["accuracy"]) + 1)
    series = (Series("trained on", epochs, run["trained_loss"]), Series("held out", epochs, run["held_loss"]))
    return Chart(f"{name}, seed {run['run']['seed']}", series, "epoch", "cross-entropy", log_y=True)


def write_record(found: dict[str, list[Run]], seeds: Sequence[int]) -> None:
    """The page of figures."""
    rows = []
    for name, runs in found.items():
        last = [run["accuracy"][-1] for run in runs]
        seconds = max(run["cpu_seconds"] for run in runs)
        figures = [f"{accuracy:.2%}" for accuracy in (*last, np.mean(last))]
        rows.append([f"`{name}.net`", f"{runs[0]['weights']:,}", *figures, f"{seconds:.0f} s"])
    headings = ["network", "weights", *(f"seed {seed}" for seed in seeds), "mean", "longest run"]
    text = PAGE.format(table=table(headings, rows), machine=found[SHIPPED][0]["machine"])
    (RUNS / "digits.md").write_text(text, "utf-8")


PAGE = """# Handwritten digits

Accuracy on the fifth of the digits that was held out, after the last epoch. The seed determines that fifth,
the initial weights and the order of the rows. Times are CPU times on one thread.

{table}

Made by `python examples/experiments/digits.py`. To run it by hand:

    netrun train examples/lenet5.net --data examples/data/digits.npz --holdout 0.2 --resize stretch \\
        --augment shift=2 --seed 0

The settings (learning rate, weight decay, epochs, shift) were chosen on a fifth of the training rows of
seed 0, not on the rows held out, and results are from the last epoch, whether or not it is the best. With
other seeds, some rows used for choosing the settings are among those held out.

![Loss curves](digits.svg)

![Confusion matrix](digits-confusion.svg)

{machine}
"""


@click.command()
@click.option("--only", type=click.Choice(NAMES), help="Train this network, and do not write the page.")
@click.option("--seeds", default="0,1,2", show_default=True, help="Seeds of the runs.")
def main(only: str | None, seeds: str) -> None:
    """Train the networks for digits, and write the page."""
    numbers = [int(seed) for seed in seeds.split(",")]
    found = learn_all([only] if only else NAMES, numbers)
    if only is None:
        write_pictures()
        write_charts(found)
        write_record(found, numbers)


if __name__ == "__main__":
    main()
