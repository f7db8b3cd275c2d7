"""The loop of a run: epochs of batches, validation, the best weights, and checkpoints along the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any

import numpy as np

from netdsl.recipes import RunSettings
from netruntime.data import Augment, Dataset, StreamDataset, batch_count, batches, cut_rows
from netruntime.train.checkpoint import Checkpoint, CheckpointFolder
from netruntime.train.early_stopping import EarlyStopping
from netruntime.train.evaluation import Evaluator
from netruntime.train.events import EpochEvent, StepEvent, Watcher
from netruntime.train.metrics import monitored
from netruntime.train.phase import Length, Update
from netruntime.train.step import LOSS
from netruntime.train.totals import Totals
from netruntime.train.trainer import Trainer

PROGRESS = "progress"
"""Prefix of the checkpoint sections with the totals of the unfinished epoch, one per phase."""


Figures = Mapping[str, Mapping[str, Any]]
"""The loss and the metrics of each phase, by its name."""
OnBest = Callable[[Trainer, EpochEvent], None]
"""Called with the trainer when its weights are the best so far."""


class TrainingLoop:
    """Runs a trainer over data, from the current position of the run.

    Args:
        trainer: The weights and the phases that train them.
        evaluator: Evaluates the weights on `valid`.
        data: The training rows.
        valid: The validation rows; without them the training figures select the best epoch.
        settings: The length of the run, its batch size and so on.
        checkpoints: The folder for checkpoints; None saves nothing.
        watchers: Observers of every step and epoch.
        on_best: Called after an epoch that was the best so far.
        facts: Fingerprints to save in checkpoints.
    """

    def __init__(
        self,
        trainer: Trainer,
        evaluator: Evaluator,
        data: Dataset | StreamDataset,
        valid: Dataset | None,
        settings: RunSettings,
        *,
        augment: Augment | None = None,
        checkpoints: CheckpointFolder | None = None,
        watchers: Sequence[Watcher] = (),
        on_best: OnBest | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        self.trainer = trainer
        self.evaluator = evaluator
        self.data = data
        self.valid = valid
        self.settings = settings
        self.augment = augment
        self.checkpoints = checkpoints
        self.watchers = list(watchers)
        self.on_best = on_best
        self.facts = dict(facts or {})
        self.monitor, mode = monitored(trainer.phases[0].phase)
        self.watch = EarlyStopping(patience=settings.patience, mode=mode).start()
        self.epoch = 0
        self.batch = 0
        self.totals = self._fresh()
        self.history: list[EpochEvent] = []
        self.stop_asked = False
        self._began = time.perf_counter()

    @property
    def length(self) -> Length:
        """The length of the complete run, in updates, which schedules follow.

        It does not depend on where a caller ends the run with `steps`, so that the run can go on from there.
        """
        settings = self.settings
        per_epoch = max(batch_count(self.data, self._update_rows, drop_last=settings.drop_last), 1)
        total, steps = per_epoch * settings.epochs, self.trainer.phases[0].phase.numbers.get("steps")
        if steps is not None:
            total = min(total, max(int(steps), settings.steps or 0))
        return Length(total, per_epoch)

    @property
    def last_step(self) -> int:
        """The number of updates after which training ends, unless its patience ends first."""
        total, steps = self.length.total_steps, self.settings.steps
        return total if steps is None else min(total, steps)

    @property
    def _update_rows(self) -> int:
        """The number of rows of one update: those of several batches, if gradients are accumulated."""
        return self.settings.batch_size * self.settings.accumulate

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on schedules whose warm-up takes the run, so that no update has the full rate."""
        total = self.length.total_steps
        notes = []
        for phase in self.trainer.phases:
            warmup = getattr(phase.schedule, "warmup", None) or 0
            if warmup >= total:
                name = f"{phase.name}.schedule" if phase.name else "schedule"
                notes.append(
                    f"the warm-up of {warmup:g} updates does not end in the {total:,} of this run; "
                    f"shorten it with --train {name}.warmup={max(total // 10, 1)}, or train longer"
                )
        return tuple(notes)

    @property
    def is_over(self) -> bool:
        """Whether training is complete."""
        return self.epoch >= self.settings.epochs or self._steps_are_done or self.watch.stop

    @property
    def has_ended_an_epoch(self) -> bool:
        """Whether there are figures of an epoch, from this part of the run or an earlier one."""
        return bool(self.history) or self.epoch > 0

    @property
    def _steps_are_done(self) -> bool:
        return self.settings.steps is not None and self.trainer.step >= self.settings.steps

    def run(self) -> None:
        """Train until the epochs, the steps or the patience are exhausted, or `stop_asked` is set.

        Saved checkpoints are kept in every case; a run that is asked to stop saves its current state.

        Raises:
            TrainingError: E1071 if the loss or a gradient is not finite, E105x if a checkpoint cannot be
                saved.
            DataInputError: for data that cannot be read or does not fit.
        """
        length = self.length
        self._began = time.perf_counter()
        while not self.is_over and not self.stop_asked:
            self._train_epoch(length)
            if self.batch >= length.steps_per_epoch or not (self.stop_asked or self._steps_are_done):
                self.save(best=self._end_epoch())
            elif self._steps_are_done:
                self.save()
                self._end_early()
                return
        if self.stop_asked and not (self.history and self.batch == 0):
            self.save()

    def first_batches(self) -> list[Mapping[str, Any]]:
        """What the first update of an epoch is made from, without making it."""
        seed, rows = self.settings.seed, self._update_rows
        stream = batches(self.data, rows, epoch=self.epoch, seed=seed, augment=self.augment)
        with closing(stream):  # type: ignore[type-var]
            return list(cut_rows(next(stream), self.settings.batch_size))

    # -- one epoch ---------------------------------------------------------------------------------

    def _train_epoch(self, length: Length) -> None:
        settings = self.settings
        stream = batches(
            self.data,
            self._update_rows,
            epoch=self.epoch,
            seed=settings.seed,
            drop_last=settings.drop_last,
            start_batch=self.batch,
            augment=self.augment,
            prefetch=settings.prefetch,
        )
        with closing(stream):  # type: ignore[type-var]
            while not self.stop_asked and not self._steps_are_done:
                rows = next(stream, None)
                if rows is None:
                    break
                self._advance(cut_rows(rows, settings.batch_size), length)

    def _advance(self, parts: Sequence[Mapping[str, Any]], length: Length) -> None:
        updates = self.trainer.advance(parts, length)
        self.batch += 1
        for name, update in updates.items():
            for outcome in update.outcomes:
                self.totals[name].add(outcome)
            if self.watchers:
                event = self._step_event(name, update)
                for watcher in self.watchers:
                    watcher.on_step(event)
        every = self.settings.save_every
        if every and self.trainer.step % every == 0:
            self.save()

    def _step_event(self, name: str, update: Update) -> StepEvent:
        totals = Totals(self.totals[name].graph, self.totals[name].finish)
        for outcome in update.outcomes:
            totals.add(outcome)
        seconds = time.perf_counter() - self._began
        return StepEvent(
            step=self.trainer.step,
            epoch=self.epoch,
            phase=name,
            loss=totals.loss,
            metrics={name: value for name, value in totals.metrics().items() if np.ndim(value) == 0},
            lr=update.lr,
            grad_norm=update.grad_norm,
            seconds=seconds,
            samples=totals.rows,
        )

    def _end_epoch(self) -> bool:
        """Evaluate and report; return whether the epoch was the best so far."""
        train, valid = self._measure()
        measured = valid or train
        best = self.watch.observe(self._monitored(measured))
        for phase in self.trainer.phases:
            phase.schedule.observe(float(measured[phase.name][LOSS]))
        self._report(train, valid, best)
        self.epoch, self.batch, self.totals = self.epoch + 1, 0, self._fresh()
        return best

    def _end_early(self) -> None:
        """Evaluate and report within an epoch, which a resumed run completes as if it had not been left.

        These weights are the best only while no completed epoch is: they never replace those of an epoch.
        """
        train, valid = self._measure()
        self._report(train, valid, self.watch.is_first(self._monitored(valid or train)))

    def _measure(self) -> tuple[Figures, Figures]:
        """The figures of the training rows of this epoch so far, and of the validation rows, by phase."""
        train = {name: {LOSS: totals.loss, **totals.metrics()} for name, totals in self.totals.items()}
        return train, self.evaluator.figures(self.trainer.final_weights, self.valid, self.settings.batch_size)

    def _monitored(self, measured: Figures) -> float:
        return float(measured[self.trainer.phases[0].name][self.monitor])

    def _report(self, train: Figures, valid: Figures, best: bool) -> None:
        event = EpochEvent(
            epoch=self.epoch,
            step=self.trainer.step,
            train=train,
            valid=valid,
            monitor=self.monitor,
            best=best,
            seconds=time.perf_counter() - self._began,
        )
        self.history.append(event)
        if best and self.on_best is not None:
            self.on_best(self.trainer, event)
        for watcher in self.watchers:
            watcher.on_epoch(event)

    def _fresh(self) -> dict[str, Totals]:
        return {phase.name: Totals(phase.loss_graph, phase.finish) for phase in self.trainer.phases}

    # -- saving ------------------------------------------------------------------------------------

    def save(self, *, best: bool = False) -> None:
        """Save a checkpoint now, if the run keeps any; a `best` one is not removed later."""
        if self.checkpoints is not None:
            self.checkpoints.save(self.checkpoint(), best)

    def checkpoint(self) -> Checkpoint:
        """Everything that is needed to continue from here bit for bit."""
        arrays = self.trainer.arrays()
        for name, totals in self.totals.items():
            arrays[f"{PROGRESS}/{name}"] = totals.to_arrays()
        state = {**self.trainer.state(), "watch": self.watch.state(), "facts": self.facts}
        return Checkpoint(self.trainer.step, self.epoch, self.batch, arrays, state)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continue from a checkpoint. Raises `TrainingError` E1074, E1083 if it is from another run."""
        self.trainer.restore(checkpoint)
        self.watch.restore(checkpoint.state.get("watch", {}))
        self.epoch, self.batch = checkpoint.epoch, checkpoint.batch
        for name, totals in self.totals.items():
            arrays = checkpoint.arrays.get(f"{PROGRESS}/{name}")
            if arrays:
                totals.restore(arrays)
