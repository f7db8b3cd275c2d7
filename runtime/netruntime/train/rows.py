"""Data for the phases of a file: their inputs, and what the losses say of their labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from netdsl.dims import product, symbol
from netdsl.graph import Node
from netdsl.model import BodyStep, CallStep, Phase, Slot
from netdsl.ops.norm.batch_norm_training import BatchNormTraining
from netdsl.targets import ClassUse, class_uses, own_inputs, target_ranges
from netdsl.types import TensorType
from netruntime.data import Augment, DataOptions, Dataset, DataSpec, StreamDataset, open_data
from netruntime.data.beside import tokenizer_hash
from netruntime.errors import ArgumentError, TrainingError, shown
from netruntime.readers.options import IGNORED_LABEL, LabelSpec
from netruntime.readers.trained import TrainedData
from netruntime.train.statistics.padding import counted_inputs
from netruntime.train.step import LossGraph


def open_rows(phases: Sequence[Phase], spec: DataSpec, options: DataOptions) -> Dataset:
    """The rows that `spec` names, with every input of the phases. A stream of rows is read completely.

    Raises `DataInputError` E0801 to E0859.
    """
    data = open_stream(phases, spec, options)
    return data if isinstance(data, Dataset) else data.gather()


def open_stream(phases: Sequence[Phase], spec: DataSpec, options: DataOptions) -> Dataset | StreamDataset:
    """As `open_rows`, but an iterable stays one."""
    inputs: dict[str, TensorType] = {}
    for phase in phases:
        inputs.update(phase.model.inputs)
    options = replace(options, label_specs={**label_specs(phases), **options.label_specs})
    if options.label_names is None:
        options = replace(options, label_names=own_inputs(phases))
    return open_data(spec, inputs, options, [phase.model.inputs for phase in phases])


def refuse_labels_beside(phases: Sequence[Phase], data: Any, second: Any) -> None:
    """Raise E0870, with the names of the file's inputs, for `fit(file, x, y)`: arrays without their names.

    Only where there is more than one input: with one, the second array can be for validation.
    """
    names = list(dict.fromkeys(name for phase in phases for name in phase.model.inputs))
    if len(names) < 2 or not (_is_array(data, (int, float, list)) and _is_array(second)):
        return
    labels = [name for name in names if name in own_inputs(phases)]
    values = {
        name: "y" if name == (labels or names)[-1] else "x" if name == names[0] else ".." for name in names
    }
    entries = ", ".join(f'"{name}": {value}' for name, value in values.items())
    message = "the data is two arrays, x and y, which do not say which inputs they are for"
    help = f"write one mapping with the names of the file: `{{{entries}}}`"
    raise ArgumentError.make("E0870", message, help=help)


def _is_array(value: Any, elements: tuple[type, ...] = (int, float)) -> bool:
    """Whether a value is an array of any library, or a list of such elements."""
    if isinstance(value, list):
        return bool(value) and isinstance(value[0], elements)
    return hasattr(value, "dtype") and bool(getattr(value, "shape", ()))


def evaluated_rows(phases: Sequence[Phase], data: Dataset) -> int:
    """The number of rows of the data; of one example, such as a graph with edges, those of its targets."""
    targets = [name for name in data.columns if name in own_inputs(phases)]
    if data.one_example is None or not targets:
        return len(data)
    return max(len(array) for array in data.rows(range(len(data)), targets).values())


def label_specs(phases: Sequence[Phase]) -> dict[str, LabelSpec]:
    """What the losses and metrics say of each input that is a label or a target.

    A value is ignored if all of them ignore it, and fills shorter rows, as does 0 for numbers where a mask
    keeps padding out of every loss and metric. The classes are those of the scores that a label is compared
    with, or else of the one output that has an axis more: 10 for `label[B]` and `logits[B, 10]`.
    """
    uses: dict[str, list[ClassUse]] = defaultdict(list)
    for phase in phases:
        for use in class_uses(phase.model.body.inputs, phase.model.body.steps):
            uses[use.input].append(use)
    ranges = {name: range for phase in phases for name, range in target_ranges(phase).items()}
    counted = frozenset[str]().union(*map(counted_inputs, phases))
    specs = {}
    for name, type_ in {k: v for phase in phases for k, v in phase.model.inputs.items()}.items():
        loss, values = ranges.get(name, ("", ""))
        if not type_.dtype.is_int:
            if values or name in counted:
                pad = None if name in counted else 0
                specs[name] = LabelSpec(None, pad, values=values, loss=loss, needs_mask=name in counted)
            continue
        known = uses.get(name, ())
        ignored = {use.ignore for use in known}
        ignore = next(iter(ignored)) if len(ignored) == 1 else None
        spec = LabelSpec(
            ignore,
            None if name in counted else ignore if known else IGNORED_LABEL,
            values=values,
            loss=loss,
            ignored=tuple(sorted(value for value in ignored if value is not None)),
            needs_mask=name in counted,
        )
        if name in own_inputs(phases) or known:
            counts = {use.classes for use in known if use.classes}
            spec = replace(spec, scores=f"class indices of {known[0].scores}") if known else spec
            specs[name] = _with_classes(spec, phases, type_, counts)
    return specs


def _with_classes(
    spec: LabelSpec, phases: Sequence[Phase], type_: TensorType, counts: Collection[int]
) -> LabelSpec:
    """The spec with the number of classes, and the output that it comes from."""
    outputs = [slot for phase in phases for step in phase.model.body.steps for slot in _outputs(step)]
    scores = [
        slot
        for slot in outputs
        if slot.type.dtype.is_float
        and slot.type.rank
        and slot.type.shape[:-1] == type_.shape
        and slot.type.shape[-1].is_fixed
        and (not counts or slot.type.shape[-1].value in counts)
    ]
    counts = set(counts) or {slot.type.shape[-1].value for slot in scores}
    if len(counts) != 1:
        return spec
    (count,) = counts
    if not scores:
        return replace(spec, classes=count)
    text = f"the last axis of `{scores[0].name}`, {scores[0].type}"
    return replace(spec, classes=count, scores=text, span=scores[0].span)


def refuse_single_rows(graphs: Sequence[LossGraph], rows: int, batch_size: int) -> None:
    """Raises `TrainingError` E1078 if a batch norm would get one value per channel, of a single row."""
    if batch_size > 1 and rows % batch_size != 1:
        return
    for graph in graphs:
        for number, node in graph.split.graph.operators():
            x = graph.split.graph.input_types(number)[0] if isinstance(node.op, BatchNormTraining) else None
            per_channel = None if x is None else product([x.shape[0], *x.shape[2:]])
            if graph.split.batch is not None and per_channel == symbol(graph.split.batch):
                raise _single_row(node, rows, batch_size)


def _single_row(node: Node, rows: int, batch_size: int) -> TrainingError:
    block = node.label.rpartition(".")[0] or node.label
    which = f"of {rows} rows in batches of {batch_size} the last has 1"
    if 1 in (rows, batch_size):
        which = "the data has 1" if rows == 1 else "every batch has 1"
    message = f"the batch norm {shown(block)} needs batches of at least 2 rows, but {which}"
    sizes = [size for size in range(2, 2 * batch_size + 8) if rows % size != 1 and rows > 1]
    nearest = min(sizes, key=lambda size: abs(size - batch_size), default=None)
    others = f"freeze {shown(f'{block}.*')}, or use `LayerNorm` or `GroupNorm`"
    help = others if nearest is None else f"set `batch_size` to {nearest}, {others}"
    return TrainingError.make("E1078", message, node.user_span, help=help)


def only_classes(data: Dataset | StreamDataset) -> tuple[str, ...] | None:
    """The class names, if the data names those of exactly one column."""
    names = list(data.classes.values())
    return names[0] if len(names) == 1 else None


def description(train: Dataset | StreamDataset, augment: Augment | None, options: DataOptions) -> TrainedData:
    """How the training rows were read, for the weights to carry."""
    pictures = {name: info.picture for name, info in train.columns.items() if info.picture is not None}
    steps = augment.for_evaluation().steps if augment else ()
    return TrainedData(
        columns=train.sources,
        classes=only_classes(train),
        vocabulary=train.vocabulary,
        pictures=pictures,
        normalise=str(Augment(steps)),
        tokenizer="" if options.tokenizer is None else tokenizer_hash(options.tokenizer),
        scale=options.factor,
        mean=options.mean,
        std=options.std,
        resize=options.resize,
        max_length=options.max_length,
        cut=options.cut,
    )


def _outputs(step: BodyStep) -> Sequence[Slot]:
    return step.body.outputs if isinstance(step, CallStep) else ()
