"""Data for the phases of a file: their inputs, and the number of classes of their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from netdsl.model import BodyStep, CallStep, Phase
from netdsl.types import TensorType
from netruntime.data import DataOptions, Dataset, DataSpec, open_data


def open_rows(phases: Sequence[Phase], spec: DataSpec, options: DataOptions) -> Dataset:
    """The rows that `spec` names, with every input of the phases. A stream of rows is read completely.

    Raises `DataInputError` E0801 to E0859.
    """
    inputs: dict[str, TensorType] = {}
    for phase in phases:
        inputs.update(phase.model.inputs)
    if options.classes is None:
        options = replace(options, classes=class_counts(phases))
    if options.label_names is None:
        options = replace(options, label_names=own_inputs(phases))
    data = open_data(spec, inputs, options)
    return data if isinstance(data, Dataset) else data.gather()


def own_inputs(phases: Sequence[Phase]) -> frozenset[str]:
    """The inputs that only the `train` sections have: the targets of the models' outputs."""
    names = {name for phase in phases for name in phase.model.inputs}
    of_models = {
        slot.name
        for phase in phases
        for step in phase.model.body.steps
        if isinstance(step, CallStep) and step.body.kind == "model"
        for slot in step.body.inputs
    }
    return frozenset(names - of_models)


def class_counts(phases: Sequence[Phase]) -> dict[str, int]:
    """The number of classes of each label, from the model's scores: 10 for `label[B]` and `logits[B, 10]`."""
    counts: dict[str, int] = {}
    for phase in phases:
        outputs = [type_ for step in phase.model.body.steps for type_ in _output_types(step)]
        for name, type_ in phase.model.inputs.items():
            sizes = {
                o.shape[-1].value
                for o in outputs
                if o.dtype.is_float and o.rank and o.shape[:-1] == type_.shape and o.shape[-1].is_fixed
            }
            if type_.dtype.is_int and len(sizes) == 1:
                counts[name] = sizes.pop()
    return counts


def only_classes(data: Dataset) -> tuple[str, ...] | None:
    """The class names, if the data names those of exactly one column."""
    names = list(data.classes.values())
    return names[0] if len(names) == 1 else None


def _output_types(step: BodyStep) -> Sequence[TensorType]:
    return [slot.type for slot in step.body.outputs] if isinstance(step, CallStep) else ()
