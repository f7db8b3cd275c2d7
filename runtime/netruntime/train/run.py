"""A training run: from a `.net` file and data to trained weights, optionally saved in a folder."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from os import PathLike
from pathlib import Path
from typing import Any

from netdsl.checker import check
from netdsl.immutable import immutable
from netdsl.model import Checked, Phase
from netdsl.recipes import RunSettings
from netruntime.data import (
    Augment,
    DataOptions,
    Dataset,
    DataSpec,
    StreamDataset,
    compare_classes,
    parse_augment,
    split,
)
from netruntime.data.beside import (
    CLASSES,
    DATA,
    TOKENIZER,
    VOCABULARY,
    described,
    read_as_before,
    vocabulary_beside,
)
from netruntime.data.checks import unused_classes
from netruntime.engine.backends import Device, DeviceChoice, open_device
from netruntime.engine.loading import file_of, open_module
from netruntime.engine.weights import WeightSource
from netruntime.errors import DataInputError, TrainingError, shown
from netruntime.files.atomic import write_bytes
from netruntime.files.json_objects import json_text
from netruntime.files.overlap import is_read
from netruntime.files.run_folder import BEST, LAST, SETUP, settings_as_trained, start_of_run
from netruntime.readers.trained import METADATA_KEY
from netruntime.train.checkpoint import CheckpointFolder, save_weights
from netruntime.train.checkpoint.writing import write_text, writing
from netruntime.train.evaluation import Evaluator
from netruntime.train.events import EpochEvent, Watcher
from netruntime.train.fingerprints import check_facts, row_count, run_facts
from netruntime.train.initial_weights import first_weights
from netruntime.train.logs.jsonl import MetricsLog
from netruntime.train.loop import TrainingLoop
from netruntime.train.rows import (
    description,
    only_classes,
    open_rows,
    open_stream,
    refuse_labels_beside,
    refuse_single_rows,
)
from netruntime.train.settings import settings_of
from netruntime.train.trainer import Trainer

Note = Callable[[str], None]
"""Called with each note for the user, such as how data were made to fit."""
CHECKPOINTS = "checkpoints"
LOG, CARD, CURVES = "metrics.jsonl", "card.md", "curves.svg"
WRITTEN = (BEST, LAST, LOG, CARD, CURVES, "curves.png", SETUP, VOCABULARY, CLASSES, DATA)
"""The files that a run writes into its folder, besides the checkpoints."""


@immutable
class TrainRequest:
    """The arguments of a training run.

    Args:
        source: The path of a `.net` file, or its text.
        data: The training data; see `netruntime.data.open_data`.
        valid: The validation data.
        holdout: Without `valid`, the fraction of the data to hold out for validation.
        out: The folder of the run; without one, nothing is written.
        resume: Continue from the newest checkpoint in `out`, bit for bit as if it had never stopped.
        weights: The initial weights; drawn from the seed by default. `names` is the map to read by.
        settings: Numbers of the run by name, which override the file's; None means not set.
        overrides: Texts that replace lines of the `train` section: `{"optimizer": "sgd(0.1)"}`.
        config: Values for entries of the file's `config`.
        augment: Augmentation of training pictures, such as `flip,shift=1`.
        keep: The number of checkpoints to keep.
        check_finite: Stop at the first operator that produces NaN or infinity.
    """

    source: str | PathLike[str]
    data: DataSpec
    valid: DataSpec | None = None
    holdout: float = 0.0
    out: Path | None = None
    resume: bool = False
    weights: WeightSource | None = None
    names: str | None = None
    device: str | DeviceChoice = "cpu"
    settings: Mapping[str, Any] = field(default_factory=dict)
    overrides: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    options: DataOptions = field(default_factory=DataOptions)
    augment: str | None = None
    keep: int = 2
    check_finite: bool = False


@dataclass
class Run:
    """A prepared run: `run.loop.run()` trains."""

    request: TrainRequest
    checked: Checked
    loop: TrainingLoop
    notes: tuple[str, ...]
    log: MetricsLog | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> RunSettings:
        return self.loop.settings

    @property
    def trainer(self) -> Trainer:
        return self.loop.trainer

    @property
    def train(self) -> Dataset | StreamDataset:
        return self.loop.data

    @property
    def valid(self) -> Dataset | None:
        return self.loop.valid

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *failure: object) -> None:
        if self.log is not None:
            self.log.close()
        if self.loop.checkpoints is not None:
            self.loop.checkpoints.close()

    def weights_file(self, out: Path) -> Path:
        """The file of the weights to use: the best ones, or the last if no epoch could be the best."""
        return out / BEST if (out / BEST).is_file() else out / LAST


def _data_notes(checked: Checked, loop: TrainingLoop) -> tuple[str, ...]:
    return (*loop.data.notes, *loop.notes, *unused_classes(loop.data, checked.config))


def prepare(request: TrainRequest, watchers: Sequence[Watcher] = (), note: Note = lambda text: None) -> Run:
    """Prepare a run: check the file, open the device, read the weights and the data.

    Raises:
        NetError: errors in the file. TrainingError: E107x, E108x for what cannot be trained, E105x for
        checkpoints. DataInputError: for data. WeightsError: for weights. DeviceError: for a device.
    """
    if request.resume and request.out is None:
        help = "pass the folder of the run: out=.."
        raise TrainingError.make("E1076", "resuming a run needs its folder", help=help)
    request = _of_folder(request)
    module = open_module(request.source)
    _spare_inputs(request)
    checked = check(module, request.config, training=True, train=request.overrides)
    plain = check(module, request.config, train=request.overrides).phases
    settings = settings_of(checked.phases, request.settings)
    device = open_device(request.device)
    trainer, notes = _open_trainer(request, checked, settings, device)
    request, inherited = _as_before(request, checked.phases)
    train, valid, augment = open_both(checked.phases, request, settings, note)
    if train.one_example is not None:
        rows = max(row_count(train), len(valid) if valid is not None else 1)
        settings = replace(settings, batch_size=rows, accumulate=1)
    refuse_single_rows([p.loss_graph for p in trainer.phases], row_count(train), settings.batch_size)
    loop = TrainingLoop(
        trainer,
        Evaluator(plain, device, augment.for_evaluation() if augment else None),
        train,
        valid,
        settings,
        augment=augment,
        watchers=watchers,
    )
    run = Run(request, checked, loop, (*notes, *inherited, *_data_notes(checked, loop)))
    run.metadata = {METADATA_KEY: description(train, augment, request.options).to_json()}
    if request.out is not None:
        loop.facts = run_facts(module.source.text, checked.phases, settings, train, valid)
        loop.on_best = _saving_best(request.out, run.metadata)
        loop.checkpoints = CheckpointFolder(request.out / CHECKPOINTS, request.keep, note)
        try:
            _open_folder(run, request.out, loop.checkpoints)
        except BaseException:
            loop.checkpoints.close()
            raise
    return run


def _of_folder(request: TrainRequest) -> TrainRequest:
    """The request with the file in place of the folder of a run; resumed, with the `config` of the run."""
    source, config = file_of(request.source), request.config
    if request.resume:
        config = settings_as_trained(source, request.out, config)
    return replace(request, source=source, config=config)


def _as_before(request: TrainRequest, phases: Sequence[Phase]) -> tuple[TrainRequest, tuple[str, ...]]:
    """The request, with the scale and the normalisation of the weights it starts from, and notes."""
    before = request.out if request.resume else request.weights
    names = [name for phase in phases for name in phase.model.inputs]
    options, augment, notes = read_as_before(names, request.options, request.augment, before)
    return replace(request, options=options, augment=augment), notes


def _spare_inputs(request: TrainRequest) -> None:
    """Raise `TrainingError` E1056 if the run would replace a file that it reads."""
    if request.out is None:
        return
    weights = None if request.resume else request.weights
    reads = (request.source, request.data, request.valid, weights, request.options.tokenizer)
    for path in (request.out / name for name in WRITTEN):
        if is_read(path, reads):
            message = f"the run would replace {shown(path)}, which it reads"
            raise TrainingError.make("E1056", message, help="choose another folder with --out")


def _open_trainer(
    request: TrainRequest, checked: Checked, settings: RunSettings, device: Device
) -> tuple[Trainer, tuple[str, ...]]:
    """The trainer with its initial weights, and notes on their origin."""
    start = None if request.resume else request.weights  # the checkpoint replaces them
    first = first_weights(checked.phases, settings.seed, start, checked.weights, request.names)
    trainer = Trainer(
        checked.phases,
        first.arrays,
        device,
        seed=settings.seed,
        ema=settings.ema,
        check_finite=request.check_finite,
    )
    return trainer, first.notes


def open_both(
    phases: Sequence[Phase], request: TrainRequest, settings: RunSettings, note: Note
) -> tuple[Dataset | StreamDataset, Dataset | None, Augment | None]:
    """The training rows, the validation rows, and the augmentation."""
    refuse_labels_beside(phases, request.data, request.valid)
    options = request.options
    if options.vocabulary is None and options.tokenizer is None:  # number text as before
        before = request.out if request.resume else request.weights
        options = replace(options, vocabulary=vocabulary_beside(before))
    data = _open_as_before(phases, request, options)
    if not isinstance(data, Dataset):
        is_complete = settings.steps is None or bool(request.holdout) or data.one_example is not None
        data = data.gather() if is_complete else _as_streamed(data, settings, note)
    valid: Dataset | None = None
    if request.valid is not None:
        names = only_classes(data)
        alike = replace(
            options,
            class_names=options.class_names or names,
            vocabulary=options.vocabulary or data.vocabulary,
            columns=options.columns or data.sources,
        )
        valid = open_rows(phases, request.valid, alike)
        for text in compare_classes(data, valid, strict=options.strict):
            note(text)
    elif request.holdout and isinstance(data, Dataset):
        data, valid = split(data, request.holdout, settings.seed)
    augment = parse_augment(request.augment).fitted(data) if request.augment else None
    return data, valid, augment


def _as_streamed(data: StreamDataset, settings: RunSettings, note: Note) -> StreamDataset:
    """An iterable with the number of rows that `steps` uses, which are read as they are needed."""
    assert settings.steps is not None
    note("the rows of the iterable are used as they come, in their own order; a list would be shuffled")
    return data.limited(settings.steps * settings.batch_size * settings.accumulate)


def _open_as_before(
    phases: Sequence[Phase], request: TrainRequest, options: DataOptions
) -> Dataset | StreamDataset:
    """The training rows, their columns found as by the run that is continued; other columns are new data."""
    before = described(request.out if request.resume else request.weights)
    if before is None or options.columns or not isinstance(request.data, (str, PathLike, list, Mapping)):
        return open_stream(phases, request.data, options)
    try:
        alike = replace(options, columns=before.columns, pictures=before.pictures)
        return open_stream(phases, request.data, alike)
    except DataInputError as differs:
        if request.resume or differs.diagnostics[0].code != "E0830":
            raise
        return open_stream(phases, request.data, options)


def _saving_best(out: Path, metadata: Mapping[str, str]) -> Callable[[Trainer, EpochEvent], None]:
    def save(trainer: Trainer, event: EpochEvent) -> None:
        save_weights(out / BEST, trainer.host_weights(), {**metadata, "epoch": str(event.epoch + 1)})

    return save


def _no_checkpoint(out: Path) -> TrainingError:
    help = f"{_runs_beside(out)}omit --resume to start a new run"
    return TrainingError.make("E1076", f"there is no checkpoint in {shown(out)} to resume from", help=help)


def _runs_beside(out: Path) -> str:
    """The folders beside one that hold runs, with the option that continues the one of the nearest name."""
    try:
        runs = sorted(folder.parent for folder in out.parent.glob("*/checkpoints") if any(folder.iterdir()))
    except OSError:
        return ""
    if not runs:
        return ""
    by_name = {run.name: run for run in runs}
    nearest = by_name[next(iter(get_close_matches(out.name, by_name, n=1, cutoff=0.0)))]
    others = ", ".join(shown(run) for run in runs[:_MOST_LISTED]) + ", ..." * (len(runs) > _MOST_LISTED)
    count = "the run" if len(runs) == 1 else "one of the runs"
    return f"continue {count} {others} with `--out {shlex.quote(str(nearest))} --resume`, or "


_MOST_LISTED = 5


def _open_folder(run: Run, out: Path, checkpoints: CheckpointFolder) -> None:
    """Lock the run folder and, when resuming, restore its newest checkpoint."""
    if run.request.resume and not out.exists():
        raise _no_checkpoint(out)  # before the folder is made
    checkpoints.open()
    newest = checkpoints.newest()
    if run.request.resume:
        if newest is None:
            raise _no_checkpoint(out)
        check_facts(newest.state.get("facts", {}), run.loop.facts, start_of_run(out))
        run.loop.restore(newest)
        if not run.loop.watch.has_best:  # then they are those of an unfinished epoch
            with writing(out / BEST, 0):
                (out / BEST).unlink(missing_ok=True)
    elif newest is not None:
        help = "continue it with --resume (in Python, resume=True), or choose another folder with --out"
        raise TrainingError.make(
            "E1076", f"{shown(out)} already contains a run, at step {newest.step}", help=help
        )
    write_text(out / DATA, run.metadata[METADATA_KEY] + "\n")
    tokenizer = run.request.options.tokenizer
    if tokenizer is not None and not is_read(out / TOKENIZER, (tokenizer,)):
        write_bytes(out / TOKENIZER, Path(tokenizer).read_bytes())
    for name, numbered in ((VOCABULARY, run.train.vocabulary), (CLASSES, only_classes(run.train))):
        if numbered is not None:
            write_text(out / name, json_text(list(numbered)) + "\n")
    run.log = MetricsLog(out / LOG, step=run.trainer.step, epoch=run.loop.epoch)
    run.loop.watchers.append(run.log)
