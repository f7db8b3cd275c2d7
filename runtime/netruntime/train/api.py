"""Training and measuring from Python: `fit` and `evaluate`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from netdsl.checker import check
from netdsl.recipes.runs import CALLER_SETTINGS
from netruntime.data import DataOptions, DataSpec, parse_augment, split
from netruntime.data.beside import as_trained
from netruntime.engine.backends import open_device
from netruntime.engine.loading import load, open_module
from netruntime.engine.network import Network
from netruntime.engine.weights import WeightSource
from netruntime.train.evaluation import Evaluator
from netruntime.train.events import EpochEvent, Watcher
from netruntime.train.initial_weights import first_weights
from netruntime.train.records.facts import Provenance
from netruntime.train.rows import open_rows
from netruntime.train.run import Run, TrainRequest, prepare
from netruntime.train.trainer import no_section

Note = Callable[[str], None]
"""Called with a text that a user should know, such as how data were made to fit."""


@dataclass(frozen=True)
class Trained:
    """What a run gave.

    Args:
        source, device, config: What `fit` was given.
        weights: The final weights by label path, NumPy arrays.
        history: The figures of each epoch that this call trained.
        step: How many updates were made, those before a resumed run went on included.
    """

    source: str | PathLike[str]
    weights: Mapping[str, Any]
    history: tuple[EpochEvent, ...]
    step: int
    device: str
    config: Mapping[str, Any]

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
    device: str = "cpu",
    train: Mapping[str, str] | None = None,
    config: Mapping[str, Any] | None = None,
    options: DataOptions | None = None,
    augment: str | None = None,
    watchers: Sequence[Watcher] = (),
    note: Note = lambda text: None,
    **settings: Any,
) -> Trained:
    """Train a model by the `train` section of its file.

        result = nr.fit("lenet5.net", {"image": x, "label": y}, holdout=0.2, epochs=10)
        net = result.network()

    Args:
        source: The path of a `.net` file, or its text.
        data: Arrays by input name, a file, or rows; see `netruntime.data.open_data`.
        valid: What to validate on.
        holdout: In place of `valid`, the share of the rows, in (0, 1), that is held out for it.
        out: The folder of the run: checkpoints, best and last weights. Nothing is written without one.
        resume: Go on from the newest checkpoint there, bit for bit as if never stopped.
        weights: A file or arrays by name to start from; those it lacks are drawn from the seed.
        names: Which `weights` map of the file to read them by; found by itself by default.
        device: As `netruntime.load` takes it.
        train: Texts in place of lines of the `train` section: `{"optimizer": "sgd(0.1)"}`.
        config: Values for entries of the file's `config`.
        options: How the data are read and made to fit.
        augment: What is done to training pictures: `"flip,shift=2"`.
        watchers: Observers of every step and every epoch.
        note: Called with each text that a user should know, such as how data were made to fit.
        **settings: Numbers of the run: `epochs`, `batch_size`, `accumulate`, `steps`, `save_every`,
            `patience`, `ema`, `seed`.

    Raises:
        TrainingError: what cannot be trained (E1070 to E1089), checkpoints (E1050 to E1059).
        DataInputError: data that cannot be read or does not fit (E0801 to E0859).
        NetError, WeightsError, DeviceError: as `netruntime.load`.
    """
    _check_arguments(settings, both=valid is not None and bool(holdout))
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
    return _trained(request, watchers, note)


def _check_arguments(settings: Mapping[str, Any], *, both: bool) -> None:
    unknown = sorted(settings.keys() - set(CALLER_SETTINGS))
    if unknown:
        raise TypeError(
            f"fit() has no argument {unknown[0]!r}; the numbers are {', '.join(sorted(CALLER_SETTINGS))}"
        )
    if both:
        raise TypeError("fit() takes `valid` or `holdout`: both say what to validate on")


def _trained(request: TrainRequest, watchers: Sequence[Watcher], note: Note) -> Trained:
    from netruntime.train.records.finish import finish  # draws, which takes long to import

    with prepare(request, watchers, note) as run:
        for text in run.notes:
            note(text)
        run.loop.run()
        finish(run, _provenance(run))
    host, history = run.trainer.host_weights(), tuple(run.loop.history)
    return Trained(request.source, host, history, run.trainer.step, request.device, request.config)


def _provenance(run: Run) -> Provenance:
    """What the card says of a run from Python."""
    file = run.checked.phases[0].span.source.name
    if run.request.out is None or not Path(file).is_file():  # a text has no name to load it by
        return Provenance("netruntime.fit(..)", language="python")
    use = f"net = netruntime.load({file!r}, {str(run.weights_file(run.request.out))!r})"
    return Provenance("netruntime.fit(..)", (use,), "python")


@dataclass(frozen=True)
class Measured:
    """What weights gave on data.

    Args:
        figures: For each phase by its name (`""` where it has none) its loss, under `loss`, and its metrics.
        rows: How many rows were measured.
        classes: The names of the classes of labels, where they are known.
    """

    figures: Mapping[str, Mapping[str, Any]]
    rows: int
    classes: Mapping[str, Sequence[str]]


def evaluate(
    source: str | PathLike[str],
    data: DataSpec,
    weights: WeightSource | None = None,
    *,
    holdout: float = 0.0,
    names: str | None = None,
    device: str = "cpu",
    train: Mapping[str, str] | None = None,
    config: Mapping[str, Any] | None = None,
    options: DataOptions | None = None,
    augment: str | None = None,
    batch_size: int = 64,
    seed: int = 0,
    note: Note = lambda text: None,
) -> Measured:
    """The loss and the metrics of the `train` sections of a file, on data and without training.

        figures = nr.evaluate("lenet5.net", "test.npz", "lenet5.safetensors").figures[""]

    Args:
        source: The path of a `.net` file, or its text.
        data: As `fit` takes it.
        weights: A file or arrays by name; those it lacks are drawn from the seed, all of them without it.
            Characters and classes are numbered as `vocab.json` and `classes.json` beside the file say.
        holdout: Measure only the share of the rows that `fit` holds out with this seed.
        names, device, train, config, options: As `fit` takes them.
        augment: What was done to training pictures; only `normalise` is done here.
        batch_size: Rows that are computed together.
        note: Called with each text that a user should know.

    Raises:
        TrainingError: E1073 where the file has no `train` section.
        NetError, DataInputError, WeightsError, DeviceError: as `fit`.
    """
    checked = check(open_module(source), config or {}, train=train or {})
    if not checked.phases:
        raise no_section()
    opened = open_device(device)
    first = first_weights(checked.phases, seed, weights, checked.weights, names)
    rows = open_rows(checked.phases, data, as_trained(options or DataOptions(), weights))
    if holdout:
        _, rows = split(rows, holdout, seed)
    for text in (*first.notes, *rows.notes):
        note(text)
    with opened.active():
        arrays = {name: opened.xp.asarray(array) for name, array in first.arrays.items()}
    kept = parse_augment(augment).for_evaluation() if augment else None
    figures = Evaluator(checked.phases, opened, kept).figures(arrays, rows, batch_size)
    return Measured(figures, len(rows), rows.classes)
