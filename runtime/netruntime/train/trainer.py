"""All phases of a file with one set of weights, trained step by step, saved and restored."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from netdsl.graph import expand
from netdsl.model import Parameter, Phase
from netdsl.ops.contract.base import Array
from netdsl.types import TensorType
from netruntime.engine.backends import Device
from netruntime.engine.backends.memory import keep_freed_memory
from netruntime.engine.room import room_for
from netruntime.engine.weights import parameters
from netruntime.errors import TrainingError
from netruntime.train.checkpoint import Checkpoint
from netruntime.train.phase import Length, PhaseTrainer, Update
from netruntime.train.update.average import WeightAverage
from netruntime.weight_files.room import LESS

WEIGHTS, AVERAGE, OPTIMIZER = "weights", "average", "optimizer"


class Trainer:
    """The weights of a file and the phases that train them, in the order of the file.

    Args:
        phases: The result of `check(.., training=True)`.
        weights: Initial values by label path, NumPy arrays; see `initial_weights.first_weights`.
        device: The device to run on.
        seed: Seed of the random operators, together with the step count.
        ema: The decay of the running average of the weights; None keeps no average.
        check_finite: Stop at the first operator that produces NaN or infinity (E0821).

    Raises:
        TrainingError: E1073 if there is no phase; E1070 and E108x for phases that cannot train.
        DataInputError: E0822 if the weights or what the optimizer keeps do not fit in memory.
    """

    def __init__(
        self,
        phases: Sequence[Phase],
        weights: Mapping[str, np.ndarray[Any, Any]],
        device: Device,
        *,
        seed: int = 0,
        ema: float | None = None,
        check_finite: bool = False,
    ) -> None:
        if not phases:
            raise no_section()
        self.device = device
        self.seed = seed
        self.check_finite = check_finite
        self.step = 0
        if device.xp is np:
            keep_freed_memory()
        needed = sum(array.nbytes for array in weights.values())
        with room_for("the copy of the weights for training", device, needed, LESS):
            self.weights: dict[str, Array] = {n: device.xp.array(a) for n, a in weights.items()}
        self.phases = [PhaseTrainer(phase, self.weights, device) for phase in phases]
        self.average = None
        if ema is not None:
            with room_for("the average of the weights", device, needed, "train without `ema`"):
                self.average = WeightAverage(device.xp, self.weights, ema)

    def advance(self, batches: Sequence[Mapping[str, Any]], length: Length) -> dict[str, Update]:
        """Make one update of each phase from these batches (several to accumulate gradients).

        A phase with `every = n` is updated every n-th step only.

        Raises:
            TrainingError: E1071 if the loss or a gradient is not finite.
            DataInputError: for a batch that does not fit; E0822 if memory runs out.
        """
        with room_for("a training step", self.device):
            return self._advance(batches, length)

    def _advance(self, batches: Sequence[Mapping[str, Any]], length: Length) -> dict[str, Update]:
        updates = {}
        for phase in self.phases:
            if self.step % phase.every:
                continue
            seeds = [_seed(self.seed, phase.name, self.step, n) for n in range(len(batches))]
            updates[phase.name] = phase.update_weights(
                batches, self.weights, seeds, length, check_finite=self.check_finite
            )
        self.step += 1
        if self.average is not None:
            self.average.include(self.device.xp, self.weights)
        return updates

    @property
    def final_weights(self) -> Mapping[str, Array]:
        """The weights to use, on the device: their running average if there is one."""
        if self.average is None:
            return self.weights
        with room_for("the average of the weights in their element types", self.device, help=LESS):
            return self.average.weights(self.weights)

    def host_weights(self) -> dict[str, np.ndarray[Any, Any]]:
        """The weights to use, as new NumPy arrays."""
        (arrays,) = self._fetched({WEIGHTS: self.final_weights}).values()
        return {name: np.array(array) for name, array in arrays.items()}

    # -- saving and restoring ----------------------------------------------------------------------

    def arrays(self) -> dict[str, Mapping[str, np.ndarray[Any, Any]]]:
        """The arrays to save in a checkpoint, by section. On a CPU they are not copies."""
        sections: dict[str, Mapping[str, Array]] = {WEIGHTS: self.weights}
        for phase in self.phases:
            sections[f"{OPTIMIZER}/{phase.name}"] = phase.state.to_arrays()
        if self.average is not None:
            sections[AVERAGE] = self.average.to_arrays()
        return self._fetched(sections)

    def _fetched(
        self, sections: Mapping[str, Mapping[str, Array]]
    ) -> dict[str, Mapping[str, np.ndarray[Any, Any]]]:
        """Arrays of the device by section, on the host, which waits once for small ones."""
        with room_for("the copy of the weights to save", self.device, help=LESS):
            arrays = [array for section in sections.values() for array in section.values()]
            fetched = iter(self.device.fetch(arrays))
        return {name: {key: next(fetched) for key in section} for name, section in sections.items()}

    def state(self) -> dict[str, Any]:
        """The small state to save in a checkpoint, as JSON values."""
        return {"seed": self.seed, "schedules": {p.name: p.schedule.state() for p in self.phases}}

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continue from a checkpoint of this run.

        Raises:
            TrainingError: E1074 if its weights are not those of this file, E1083 if its optimizer, schedule
                or average differ from this run's.
        """
        saved = checkpoint.arrays.get(WEIGHTS, {})
        _check_same(saved, self.weights)
        with room_for("the checkpoint", self.device, help=LESS):
            for name, array in saved.items():
                self.weights[name][...] = self.device.xp.asarray(array)
            for phase in self.phases:
                arrays = checkpoint.arrays.get(f"{OPTIMIZER}/{phase.name}", {})
                phase.state.restore(self.device.xp, phase.optimizer, arrays)
                phase.schedule.restore(checkpoint.state.get("schedules", {}).get(phase.name, {}))
            if self.average is not None:
                self.average.restore(self.device.xp, checkpoint.arrays.get(AVERAGE, {}))
        self.step = checkpoint.step


def no_section() -> TrainingError:
    """E1073: a file without a `train` section."""
    help = "add `train { loss = cross_entropy(logits, label) .. }`"
    return TrainingError.make("E1073", "the file has no `train` section", help=help)


def all_parameters(phases: Sequence[Phase]) -> dict[str, tuple[Parameter, TensorType]]:
    """The parameters and buffers of all phases by label path."""
    found: dict[str, tuple[Parameter, TensorType]] = {}
    for phase in phases:
        found.update(parameters(expand(phase.model)))
    return found


def _seed(seed: int, phase: str, step: int, part: int) -> int:
    """The seed of the random operators in one batch, from the run's seed and the position in the run."""
    return zlib.crc32(f"{seed}/{phase}/{step}/{part}".encode())


def _check_same(saved: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    odd = sorted(saved.keys() ^ own.keys())
    odd += sorted(n for n in saved.keys() & own.keys() if tuple(saved[n].shape) != tuple(own[n].shape))
    if not odd:
        return
    name = odd[0]
    shapes = [list(w[name].shape) if name in w else "missing" for w in (saved, own)]
    message = (
        f"the checkpoint is of another model: `{name}` is {shapes[0]} in it, but {shapes[1]} in the file"
    )
    help = "train with the file and the --set values of the run, or start a new run in another folder"
    raise TrainingError.make("E1074", message, help=help)
