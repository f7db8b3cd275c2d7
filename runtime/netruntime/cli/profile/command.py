"""The steps of `netrun profile`: open the model, measure it, and show the times."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from netdsl.immutable import immutable
from netdsl.model import Model
from netruntime.cli.common.devices import choice_of
from netruntime.cli.common.failures import usage_error
from netruntime.cli.common.options import DeviceFlags
from netruntime.cli.common.output import note, print_json
from netruntime.cli.common.sources import open_checked, pick_model
from netruntime.cli.common.writing import check_output, write_file
from netruntime.cli.profile.tables import head_text, print_rows
from netruntime.cli.run.command import RunOptions, arrays_of, open_network
from netruntime.cli.run.feeds import with_generated
from netruntime.data import DataOptions
from netruntime.draw import block_docs, draw_html, draw_svg, sizes_of
from netruntime.engine.autodiff.backward import PREFIX
from netruntime.profiling import Profile, profile, profile_training
from netruntime.profiling.grouping import Grouping, Order, rows_of
from netruntime.profiling.trace import chrome_trace
from netruntime.train.run import TrainRequest, prepare

REPEATS, TRAINING_REPEATS = 20, 5


@immutable
class ProfileOptions:
    """The options of `netrun profile`."""

    file: Path
    as_json: bool
    inputs: tuple[str, ...]
    weights: str | None
    names: str | None
    settings: Mapping[str, str]
    model_name: str | None
    device: DeviceFlags
    seed: int
    train: bool
    data: tuple[str, ...]
    batch_size: int | None
    repeats: int | None
    by: Grouping
    order: Order
    every: bool
    trace: Path | None
    kind: str | None
    output: Path | None
    reading: Mapping[str, Any]

    def run_options(self, inputs: tuple[str, ...]) -> RunOptions:
        """The options of `netrun run` for the same network."""
        return RunOptions(
            file=self.file,
            as_json=self.as_json,
            inputs=inputs,
            weights=self.weights,
            names=self.names,
            settings=self.settings,
            device=self.device,
            model_name=self.model_name,
            top=None,
            labels=None,
            save=None,
            taps=(),
            check_finite=False,
            seed=self.seed,
            batch_size=None,
            reading=self.reading,
        )

    def train_request(self) -> TrainRequest:
        """The settings of the training whose steps are measured; it writes nothing."""
        settings = {"seed": self.seed, "batch_size": self.batch_size}
        return TrainRequest(
            source=self.file,
            data=list(self.data),
            weights=self.weights,
            names=self.names,
            device=choice_of(self.device),
            settings=settings,
            config=self.settings,
            options=DataOptions(**self.reading),
        )


def profile_model(options: ProfileOptions) -> None:
    """Measure and report. Raises `NetError`."""
    _check(options)
    for path, what in ((options.trace, "the trace"), (options.output, "the drawing")):
        if path is not None:
            check_output(path, [options.file, *options.inputs, *options.data], what)
    model, measured = _of_training(options) if options.train else _of_run(options)
    if options.trace is not None:
        write_file(options.trace, json.dumps(chrome_trace(measured)) + "\n")
        if not options.as_json:
            note(f"wrote {options.trace}; open it in chrome://tracing or ui.perfetto.dev")
    if options.kind or options.output:
        _draw(options, model, measured)
    elif options.as_json:
        print_json(_document(options, measured))
    else:
        click.echo(f"{head_text(measured, options.train)}\n")
        print_rows(measured, options.by, options.order, every=options.every)


def _check(options: ProfileOptions) -> None:
    if options.train and options.inputs:
        help = "name the training data with --data"
        raise usage_error("E0920", "--train and --input cannot be combined: training reads --data", help)
    if options.train and not options.data:
        raise usage_error("E0921", "--train needs data", "name it with --data, as for netrun train")
    if not options.train and (options.data or options.batch_size):
        name = "--data" if options.data else "--batch-size"
        raise usage_error("E0920", f"{name} is for training steps", "add --train, or name inputs by --input")
    if options.as_json and (options.kind or options.output):
        raise usage_error(
            "E0920", "--json and --graph cannot be combined: --json prints the table, --graph a drawing"
        )


def _of_run(options: ProfileOptions) -> tuple[Model, Profile]:
    model = pick_model(open_checked(options.file, options.settings), options.model_name)
    run = options.run_options(tuple(with_generated(model, options.inputs)))
    network, feeds = open_network(run)
    arrays = arrays_of(run, network, feeds)
    return network.model, profile(network, arrays, options.repeats or REPEATS)


def _of_training(options: ProfileOptions) -> tuple[Model, Profile]:
    say = (lambda text: None) if options.as_json else note
    with prepare(options.train_request(), note=say) as run:
        batches, trainer = run.loop.first_batches(), run.trainer
        repeats, name = options.repeats or TRAINING_REPEATS, " and ".join(run.checked.models)
        measured = profile_training(trainer, batches, run.loop.length, repeats, name=name)
    return trainer.phases[0].phase.model, measured


def _document(options: ProfileOptions, measured: Profile) -> dict[str, Any]:
    rows = rows_of(measured, options.by, options.order)
    return {
        "ok": True,
        "model": measured.name,
        "engine": measured.engine,
        "repeats": measured.repeats,
        "seconds": measured.seconds,
        "other_seconds": measured.other_seconds,
        "by": options.by,
        "rows": [row.as_dict() for row in rows],
    }


def _draw(options: ProfileOptions, model: Model, measured: Profile) -> None:
    from netdsl.graph import expand

    kind = options.kind or ("svg" if options.output and options.output.suffix == ".svg" else "html")
    draw = draw_svg if kind == "svg" else draw_html
    title = f"{measured.name}: {head_text(measured, options.train).partition(': ')[2]}"
    sizes = sizes_of(expand(model), options.reading.get("sizes", {}))
    text = draw(expand(model), title=title, docs=block_docs(model), sizes=sizes, times=times_of(measured))
    if options.output is None:
        click.echo(text)
        return
    write_file(options.output, text)
    note(f"wrote {options.output}")


def times_of(measured: Profile) -> dict[str, float]:
    """The seconds of each label; those of gradients belong to the operators that they are of."""
    times: dict[str, float] = {}
    for part in measured.parts:
        label = part.label.removeprefix(f"{PREFIX}.")
        times[label] = times.get(label, 0.0) + part.seconds
    return times
