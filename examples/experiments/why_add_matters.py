"""The same network with and without its Adds: a deep one learns well only with them.

    python examples/experiments/why_add_matters.py

Trains examples/digits_resnet.net at several depths; writes examples/runs/why_add_matters.md with a chart.
What He, Zhang, Ren and Sun (2015, figure 1) found is the loss on the rows trained on: a deeper plain network
fits even those less well, which is not overfitting.
"""

from __future__ import annotations

from collections.abc import Sequence

import click
import numpy as np
from digit_runs import Run, learn
from recording import RUNS, save_svg, table

from netruntime.charts import Chart, Series, draw_line_charts

NAME = "why_add_matters"
EPOCHS = 10


def learn_deep(layers: int, shortcuts: bool, seed: int) -> Run:
    """Train the network of so many layers with weights: two for each block of three stages, and two more."""
    config = {"depth": (layers - 2) // 6, "shortcuts": shortcuts}
    run = learn(NAME, "digits_resnet", seed, epochs=EPOCHS, config=config)
    return {**run, "layers": layers, "kind": "with Add" if shortcuts else "without Add", "seed": seed}


def chart(runs: Sequence[Run], layers: int) -> Chart:
    """Both losses with and without Adds for the first seed, and faintly that trained on for the others."""
    found = [run for run in runs if run["layers"] == layers]
    epochs = range(1, EPOCHS + 1)
    series = []
    for run in sorted(found, key=lambda run: int(run["seed"])):
        is_first = run["seed"] == found[0]["seed"]
        series.append(Series(run["kind"], epochs, run["trained_loss"], faint=not is_first))
        if is_first:
            series.append(Series(f"{run['kind']}, held out", epochs, run["held_loss"], dashed=True))
    return Chart(f"Loss of {layers} layers", tuple(series), "epoch", "cross-entropy", log_y=True)


def write_record(runs: Sequence[Run]) -> None:
    """The page of figures."""
    rows = [
        [
            run["layers"],
            run["kind"],
            run["seed"],
            f"{run['trained_loss'][-1]:.3f}",
            f"{run['held_loss'][-1]:.3f}",
            f"{run['accuracy'][-1]:.2%}",
            f"{run['cpu_seconds']:.0f} s",
        ]
        for run in runs
    ]
    headings = ["layers", "network", "seed", "loss, trained on", "loss, held out", "accuracy", "time"]
    figures = table(headings, rows)
    text = PAGE.format(
        table=figures, summary=summary(runs), machine=runs[0]["machine"], epochs=EPOCHS, name=NAME
    )
    (RUNS / f"{NAME}.md").write_text(text, "utf-8")


def summary(runs: Sequence[Run]) -> str:
    """The means over seeds, a line for each depth."""
    lines = []
    for layers in sorted({run["layers"] for run in runs}):
        means = []
        for kind in ("with Add", "without Add"):
            found = [run for run in runs if run["layers"] == layers and run["kind"] == kind]
            loss = np.mean([run["trained_loss"][-1] for run in found])
            accuracy = np.mean([run["accuracy"][-1] for run in found])
            means.append(f"{kind} {loss:.3f} and {accuracy:.2%}")
        lines.append(f"- {layers} layers: {'; '.join(means)}.")
    return "\n".join(lines)


PAGE = """# Why Add matters

`examples/digits_resnet.net` trained with its shortcuts, and with `shortcuts=false`: the same convolutions
and batch normalisations in the same order, without the Adds (and without the two 1 x 1 convolutions on
shortcuts that change the size). Everything else is equal: {epochs} epochs, the settings of the file,
`--augment shift=2`, the seed and its split. The settings were chosen for 8 layers with shortcuts.

Means over the seeds after the last epoch, of the training loss and of the accuracy on the rows
held out. Times are CPU times on one thread.

{summary}

![Both losses, with and without Add](why_add_matters.svg)

Solid lines are training losses, dashed lines losses on the rows held out, both of the first seed;
the faint lines are the other seeds.

{table}

Made by `python examples/experiments/{name}.py`. To run it by hand:

    netrun train examples/digits_resnet.net --data examples/data/digits.npz --holdout 0.2 --resize stretch \\
        --augment shift=2 --epochs {epochs} --seed 0 --set depth=5 --set shortcuts=false

{machine}
"""


@click.command()
@click.option("--layers", default="8,32", show_default=True, help="Depths: 6n + 2 each.")
@click.option("--seeds", default="0,1,2", show_default=True, help="Seeds of the runs.")
@click.option("--only-train", is_flag=True, help="Store the runs, and do not write the page.")
def main(layers: str, seeds: str, only_train: bool) -> None:
    """Train at each depth with and without Adds, and write the page."""
    runs = []
    for depth in map(int, layers.split(",")):
        for shortcuts in (True, False):
            for seed in map(int, seeds.split(",")):
                run = learn_deep(depth, shortcuts, seed)
                click.echo(f"{depth} layers {run['kind']}, seed {seed}: {run['trained_loss'][-1]:.3f}")
                runs.append(run)
    if not only_train:
        charts = [chart(runs, depth) for depth in sorted({run["layers"] for run in runs})]
        save_svg(draw_line_charts(charts), NAME)
        write_record(runs)


if __name__ == "__main__":
    main()
