"""The steps of `netrun train`: prepare, train with live progress, and report."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from netdsl.immutable import immutable
from netdsl.recipes.runs import CALLER_SETTINGS
from netruntime.cli.common.devices import choice_of
from netruntime.cli.common.failures import INTERRUPTED, OK, usage_error
from netruntime.cli.common.fitting_settings import settings_that_fit
from netruntime.cli.common.options import DeviceFlags
from netruntime.cli.common.output import forward_warnings, note, print_json
from netruntime.cli.common.sources import open_source
from netruntime.cli.train.usage import usage_lines
from netruntime.data import DataOptions
from netruntime.files.run_folder import BEST, LAST, settings_of_run
from netruntime.train.events import EpochEvent, Watcher
from netruntime.train.logs.jsonl import losses_of, plain
from netruntime.train.logs.tensorboard import TensorBoardLog
from netruntime.train.progress import TrainingProgress
from netruntime.train.records.facts import Provenance
from netruntime.train.records.finish import finish
from netruntime.train.records.setup import write_setup
from netruntime.train.run import Run, TrainRequest, prepare

RUNS = Path("runs")


@immutable
class TrainOptions:
    """The options of `netrun train`."""

    file: Path
    as_json: bool
    data: tuple[str, ...]
    valid: tuple[str, ...]
    holdout: float | None
    epochs: int | None
    steps: int | None
    batch_size: int | None
    accumulate: int | None
    lr: str | None
    overrides: Mapping[str, str]
    settings: Mapping[str, str]
    ema: float | None
    patience: int | None
    augment: str | None
    out: Path | None
    no_save: bool
    resume: bool
    save_every: int | None
    keep: int
    weights: str | None
    names: str | None
    seed: int | None
    device: DeviceFlags
    reading: Mapping[str, Any]
    check_finite: bool
    tensorboard: bool
    plain: bool

    @property
    def folder(self) -> Path | None:
        """The folder of the run; by default a new one in `runs/`, named after the file."""
        if self.no_save or self.out is not None:
            return None if self.no_save else self.out
        base = RUNS / self.file.stem
        if self.resume:
            return base
        number = next(n for n in range(1, 10_000) if not _numbered(base, n).exists())
        return _numbered(base, number)

    def train_request(self, out: Path | None) -> TrainRequest:
        """The settings of the run."""
        lr = {} if self.lr is None else {"optimizer.lr": self.lr}
        return TrainRequest(
            source=self.file,
            data=list(self.data),
            valid=list(self.valid) or None,
            holdout=self.holdout or 0.0,
            out=out,
            resume=self.resume,
            weights=self.weights,
            names=self.names,
            device=choice_of(self.device),
            settings={name: getattr(self, name) for name in CALLER_SETTINGS},
            overrides={**self.overrides, **lr},
            config=self.settings,
            options=DataOptions(**self.reading),
            augment=self.augment,
            keep=self.keep,
            check_finite=self.check_finite,
        )


def train_model(options: TrainOptions) -> int:
    """Train, save and report. Returns the exit code; raises `NetError`."""
    if options.valid and options.holdout:
        raise usage_error(
            "E0920",
            "--valid and --holdout cannot be combined: both choose the validation data",
            "use one of them",
        )
    if options.resume and options.no_save:
        raise usage_error(
            "E0920",
            "--resume and --no-save cannot be combined: a resumed run saves to its folder",
        )
    open_source(options.file)
    out = options.folder
    say = (lambda text: None) if options.as_json else note
    if options.resume and out is not None:  # the card gives the complete command
        options = replace(options, settings={**settings_of_run(out, options.file), **options.settings})
    command = _command(options)
    with settings_that_fit(options.file, options.settings, options.weights, None):
        preparing = prepare(options.train_request(out), note=say)
    with preparing as run, _stopping(run):
        write_setup(run, command)
        for text in (*run.notes, *_resumed(run)):
            say(text)
        with ExitStack() as stack:
            run.loop.watchers += [stack.enter_context(w) for w in _watchers(options, run, out)]
            run.loop.run()
        with forward_warnings(say):
            use = usage_lines(run, run.weights_file(out)) if out is not None else ()
            finish(run, Provenance(shlex.join(command), use))
    return _report(options, run, out)


def _command(options: TrainOptions) -> list[str]:
    """The command line that reproduces a run from its start: that of a resumed run does not resume."""
    words = ["netrun", *(word for word in sys.argv[1:] if word != "--resume")]
    for name, value in options.settings.items():
        if not any(word.endswith(f"{name}={value}") for word in words):
            words += ["--set", f"{name}={value}"]
    return words


def _resumed(run: Run) -> list[str]:
    """Where a resumed run continues, or a note that it has nothing left to train."""
    if not run.loop.is_over:
        step, total = run.trainer.step, run.loop.length.total_steps
        where = f"step {step:,} of {total:,}, in epoch {run.loop.epoch + 1} of {run.settings.epochs}"
        return [f"resumed at {where}; times count from here"] if run.request.resume else []
    place = f"step {run.trainer.step}, after epoch {run.loop.epoch} of {run.settings.epochs}"
    return [f"training is already complete at {place}; raise --epochs, --steps or --patience to continue"]


def _watchers(options: TrainOptions, run: Run, out: Path | None) -> Iterator[AbstractContextManager[Watcher]]:
    loop = run.loop
    if not options.as_json:
        progress = TrainingProgress(plain=options.plain)
        losses = losses_of(run.log.path, loop.trainer.phases[0].phase.name) if run.log is not None else ()
        progress.start(loop.last_step, run.settings.epochs, run.trainer.step, losses)
        yield progress
    if out is not None and options.tensorboard:
        yield _closing(TensorBoardLog(out / "tensorboard", step=run.trainer.step))


@contextmanager
def _closing(watcher: TensorBoardLog) -> Iterator[Watcher]:
    try:
        yield watcher
    finally:
        watcher.close()


@contextmanager
def _stopping(run: Run) -> Iterator[None]:
    """The first Ctrl-C finishes the step and saves; a second one aborts."""

    def ask(number: int, frame: FrameType | None) -> None:
        run.loop.stop_asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _report(options: TrainOptions, run: Run, out: Path | None) -> int:
    """Report the end of a run as text or as one JSON document."""
    loop = run.loop
    code = INTERRUPTED if loop.stop_asked and not loop.is_over else OK
    if options.as_json:
        print_json(
            {
                "ok": code == OK,
                "steps": run.trainer.step,
                "epochs": [_epoch_json(event) for event in loop.history],
                "out": None if out is None else str(out),
            }
        )
        return code
    if code == INTERRUPTED:
        words = shlex.join(["netrun", *sys.argv[1:]])
        again = words if options.resume else f"{words} --resume"
        note(f"stopped and saved at step {run.trainer.step}; continue with: {again}" if out else "stopped")
    elif out is not None:
        files = [str(path) for path in (out / BEST, out / LAST) if path.is_file()]
        hold = f"{' and '.join(files)} hold{'' if len(files) > 1 else 's'} the weights"
        note(f"{hold}; {out / 'card.md'} describes the run")
    return code


def _epoch_json(event: EpochEvent) -> Any:
    return plain({"epoch": event.epoch, "step": event.step, "train": event.train, "valid": event.valid})


def _numbered(base: Path, number: int) -> Path:
    return base if number == 1 else base.with_name(f"{base.name}-{number}")
