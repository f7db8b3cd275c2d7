"""Training and measuring from Python: `fit` and `evaluate`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from netdsl.checker import check
from netdsl.diagnostics import with_article
from netdsl.immutable import immutable
from netdsl.recipes.runs import CALLER_SETTINGS
from netruntime.arguments import (
    check_callables,
    check_count,
    check_flag,
    check_mapping,
    check_names,
    check_number,
    check_output_path,
    check_seed,
)
from netruntime.data import Augment, DataOptions, DataSpec, parse_augment, split
from netruntime.data.beside import as_trained, normalised_as_trained, trained_notes
from netruntime.engine.backends import Device, DeviceChoice, open_device
from netruntime.engine.loading import load, open_module, opened_run
from netruntime.engine.network import Network
from netruntime.engine.room import room_for
from netruntime.engine.weights import WeightSource
from netruntime.errors import ArgumentError
from netruntime.files.arrays import Array
from netruntime.readers.options import check_options
from netruntime.train.evaluation import Advance, Evaluator
from netruntime.train.events import EpochEvent, Watcher
from netruntime.train.initial_weights import first_weights
from netruntime.train.progress import TrainingProgress
from netruntime.train.progress.figures import epoch_line, figures
from netruntime.train.records.facts import Provenance
from netruntime.train.rows import evaluated_rows, open_rows, refuse_labels_beside
from netruntime.train.run import Note, Run, TrainRequest, prepare
from netruntime.train.trainer import no_section
from netruntime.weight_files.room import LESS
from netruntime.weight_files.weight_file import WeightArrays


@immutable
class Trained:
    """The result of a run.

    Args:
        source, device, config: The arguments of `fit`.
        weights: The final weights by label path, NumPy arrays. They carry how the data was read
            (columns, classes, scale), and `write_weights` saves that with them.
        history: The figures of each epoch that this call trained.
        step: The number of updates, including those before a resumption.
    """

    source: str | PathLike[str]
    weights: Mapping[str, Any]
    history: tuple[EpochEvent, ...]
    step: int
    device: str | DeviceChoice
    config: Mapping[str, Any]

    def __repr__(self) -> str:
        last = [epoch_line(self.history[-1], self.history[-1].epoch + 1)] if self.history else []
        best = [event.epoch + 1 for event in self.history if event.best]
        numbers = sum(int(np.size(array)) for array in self.weights.values())
        parts = [
            f"{self.step:,} updates",
            *last,
            *([f"best epoch {best[-1]}"] if best else []),
            f"{numbers:,} numbers in {len(self.weights)} weights",
        ]
        return "<Trained: " + ",\n  ".join(parts) + ">"

    def network(self, model: str | None = None) -> Network:
        """A network with the final weights. Raises as `netruntime.load`."""
        return load(self.source, self.weights, self.device, model=model, **self.config)


def fit(
    source: str | PathLike[str],
    data: DataSpec,
    valid: DataSpec | None = None,
    *,
    holdout: float = 0.0,
    out: str | PathLike[str] | None = None,
    resume: bool = False,
    weights: WeightSource | None = None,
    names: str | None = None,
    device: str | DeviceChoice = "cpu",
    train: Mapping[str, str] | None = None,
    config: Mapping[str, Any] | None = None,
    options: DataOptions | None = None,
    augment: str | None = None,
    watchers: Sequence[Watcher] = (),
    note: Note = lambda text: None,
    verbose: bool | None = None,
    **settings: Any,
) -> Trained:
    """Train a model according to the `train` section of its file.

        result = nr.fit("lenet5.net", {"image": x, "label": y}, holdout=0.2, epochs=10)
        net = result.network()

    Args:
        source: The path of a `.net` file, or its text; of the folder of a run only the file is used.
        data: Arrays by input name, a file, or rows; see `netruntime.data.open_data`.
        valid: The validation data.
        holdout: Instead of `valid`, the fraction of the rows, in (0, 1), to hold out for validation.
        out: The folder of the run: checkpoints, best and last weights. Nothing is written without one.
        resume: Continue from the newest checkpoint there, bit for bit as if it had never stopped, with the
            `config` of the run.
        weights: A file or arrays by name to start from; missing ones are drawn from the seed.
        names: The `weights` map of the file that translates their names; selected automatically by default.
        device: As for `netruntime.load`.
        train: Texts that replace lines of the `train` section: `{"optimizer": "sgd(0.1)"}`.
        config: Values for entries of the file's `config`.
        options: How the data is read and fitted to the inputs.
        augment: Augmentation of training images: `"flip,shift=2"`.
        watchers: Observers of every step and every epoch.
        note: Called with each note for the user, such as how the data was fitted to the inputs.
        verbose: Show the progress: by default in a terminal and in a notebook only.
        **settings: Numbers of the run: `epochs`, `batch_size`, `accumulate`, `steps`, `save_every`,
            `patience`, `ema`, `seed`.

    Raises:
        TrainingError: what cannot be trained (E1070 to E1089), checkpoints (E1050 to E1059).
        DataInputError: data that cannot be read or does not fit (E0801 to E0859).
        NetError, WeightsError, DeviceError: as `netruntime.load`.
    """
    _check_arguments(settings, both=valid is not None and bool(holdout))
    _check_reading(holdout, train, config, options, names=names, augment=augment)
    _check_run(out, watchers, resume, note, verbose)
    request = TrainRequest(
        source=source,
        data=data,
        valid=valid,
        holdout=holdout,
        out=None if out is None else Path(out),
        resume=resume,
        weights=weights,
        names=names,
        device=device,
        settings=settings,
        overrides=train or {},
        config=config or {},
        options=options or DataOptions(),
        augment=augment,
    )
    return _trained(request, watchers, note, verbose)


def _check_arguments(settings: Mapping[str, Any], *, both: bool) -> None:
    unknown = sorted(settings.keys() - set(CALLER_SETTINGS))
    if unknown:
        help = f"the settings are {', '.join(sorted(CALLER_SETTINGS))}"
        if unknown[0] in ("lr", "learning_rate"):
            help = f'write `train={{"optimizer.lr": {settings[unknown[0]]!r}}}`'
        raise ArgumentError.make("E0870", f"`fit` has no argument `{unknown[0]}`", help=help)
    if both:
        message = "`fit` takes either `valid` or `holdout`: both set the validation data"
        raise ArgumentError.make("E0870", message)


def _check_run(out: Any, watchers: Any, resume: Any, note: Any, verbose: Any) -> None:
    """Raise E0870 for arguments of the wrong kind."""
    check_flag(resume, "resume")
    if verbose is not None:
        check_flag(verbose, "verbose")
    check_callables(note=note)
    if out is not None:
        check_output_path(out, "out")
    if not isinstance(watchers, Sequence):
        raise ArgumentError.make(
            "E0870", f"`watchers` must be a list, but is {with_article(type(watchers).__name__)}"
        )
    for watcher in watchers:
        if not all(callable(getattr(watcher, name, None)) for name in ("on_step", "on_epoch")):
            message = f"`watchers` holds {with_article(type(watcher).__name__)}, which is not an observer"
            raise ArgumentError.make("E0870", message, help="an observer has `on_step` and `on_epoch`")


def _check_reading(holdout: Any, train: Any, config: Any, options: Any, **texts: Any) -> None:
    """Raise E0870 for arguments of the wrong kind."""
    check_names(**texts)
    check_number(holdout, "holdout")
    check_mapping({} if train is None else train, "train")
    check_mapping({} if config is None else config, "config")
    check_options(options)


def _trained(request: TrainRequest, watchers: Sequence[Watcher], note: Note, verbose: bool | None) -> Trained:
    from netruntime.train.records.finish import finish  # draws, which takes long to import
    from netruntime.train.records.setup import write_setup

    with prepare(request, watchers, note) as run:
        write_setup(run)
        for text in run.notes:
            note(text)
        with _progress(run, verbose):
            run.loop.run()
        finish(run, _provenance(run))
    history = tuple(run.loop.history)
    host = WeightArrays("the trained weights", run.trainer.host_weights(), run.metadata)
    return Trained(run.request.source, host, history, run.trainer.step, request.device, run.request.config)


@contextmanager
def _progress(run: Run, verbose: bool | None) -> Iterator[None]:
    """Show the progress of a run inside, if that is wanted."""
    if verbose is False:
        yield
        return
    progress = TrainingProgress()
    if not (verbose or progress.console.is_terminal or progress.console.is_jupyter):
        yield
        return
    progress.start(run.loop.length.total_steps, run.settings.epochs, run.trainer.step)
    run.loop.watchers.append(progress)
    with progress:
        yield


def _provenance(run: Run) -> Provenance:
    """The provenance of a run from Python, for its card."""
    file = run.checked.phases[0].span.source.name
    if run.request.out is None or not Path(file).is_file():  # source text has no path to load it from
        return Provenance("netruntime.fit(..)", language="python")
    use = f"net = netruntime.load({file!r}, {str(run.weights_file(run.request.out))!r})"
    return Provenance("netruntime.fit(..)", (use,), "python")


@immutable
class Measured:
    """The result of an evaluation.

    Args:
        figures: For each section by its name (`""` if it has none), its loss, under `loss`, and its metrics.
        rows: The number of rows that were evaluated.
        classes: The class names of each label, if they are known.
    """

    figures: Mapping[str, Mapping[str, Any]]
    rows: int
    classes: Mapping[str, Sequence[str]]

    def __repr__(self) -> str:
        parts = [figures(measured, f"{phase} " if phase else "") for phase, measured in self.figures.items()]
        tables = [n for each in self.figures.values() for n, value in each.items() if np.ndim(value)]
        return f"<Measured on {self.rows:,} rows: {'  '.join([*parts, *tables])}>"


def evaluate(
    source: str | PathLike[str],
    data: DataSpec,
    weights: WeightSource | None = None,
    *,
    holdout: float = 0.0,
    names: str | None = None,
    device: str | DeviceChoice = "cpu",
    train: Mapping[str, str] | None = None,
    config: Mapping[str, Any] | None = None,
    options: DataOptions | None = None,
    augment: str | None = None,
    batch_size: int = 64,
    seed: int = 0,
    note: Note = lambda text: None,
    advance: Advance = lambda done, total: None,
) -> Measured:
    """Compute the losses and metrics of a file's `train` sections on data, without training.

        figures = nr.evaluate("lenet5.net", "test.npz", "lenet5.safetensors").figures[""]

    Args:
        source: As for `load`, the folder of a run too.
        data: As for `fit`.
        weights: A file or arrays by name, all that the models have; drawn from the seed if None.
            Characters and classes are numbered as in `vocab.json` and `classes.json` beside the file.
        holdout: Evaluate only the fraction of the rows that `fit` holds out with this seed.
        names, device, train, options: As for `fit`. `config`: as for `load`.
        augment: The augmentation in training; only `normalise` applies here.
        batch_size: Rows per batch.
        note: Called with each note for the user.
        advance: Called after each batch, with its number of rows and that of all.

    Raises:
        TrainingError: E1073 if the file has no `train` section.
        NetError, DataInputError, WeightsError, DeviceError: as `fit`.
    """
    _check_reading(holdout, train, config, options, names=names, augment=augment)
    check_callables(note=note, advance=advance)
    seed, batch_size = check_seed(seed), check_count(batch_size, "batch_size", 1)
    source, weights, config = opened_run(source, weights, {} if config is None else config)
    checked = check(open_module(source), config, train=train or {})
    if not checked.phases:
        raise no_section()
    refuse_labels_beside(checked.phases, data, weights)
    opened = open_device(device)
    first = first_weights(checked.phases, seed, weights, checked.weights, names, is_complete=True)
    reading = as_trained(options or DataOptions(), weights)
    rows = open_rows(checked.phases, data, reading)
    if holdout:
        _, rows = split(rows, holdout, seed)
    for text in (*first.notes, *rows.notes, *trained_notes(reading, weights, rows)):
        note(text)
    arrays = _uploaded(first.arrays, opened)
    normalise = _normalise(normalised_as_trained(augment, options or DataOptions(), weights))
    measured = Evaluator(checked.phases, opened, normalise).figures(arrays, rows, batch_size, advance)
    return Measured(measured, evaluated_rows(checked.phases, rows), rows.classes)


def _normalise(augment: str | None) -> Augment | None:
    """The steps of an augmentation that apply in evaluation."""
    return parse_augment(augment).for_evaluation() if augment else None


def _uploaded(weights: Mapping[str, Array], device: Device) -> dict[str, Any]:
    needed = 0 if device.xp is np else sum(array.nbytes for array in weights.values())
    with room_for("the copy of the weights for the evaluation", device, needed, LESS):
        return {name: device.xp.asarray(array) for name, array in weights.items()}
