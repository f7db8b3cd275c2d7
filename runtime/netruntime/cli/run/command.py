"""The steps of `netrun run`: open the model, read the inputs, run, report, save."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from netdsl.graph import expand
from netdsl.immutable import immutable
from netdsl.model import Model
from netdsl.targets import label_names
from netdsl.types import TensorType
from netruntime.cli.common.devices import open_quietly
from netruntime.cli.common.failures import OK
from netruntime.cli.common.fitting_settings import settings_that_fit
from netruntime.cli.common.options import DeviceFlags
from netruntime.cli.common.output import note, plural, print_json
from netruntime.cli.common.progress import Progress
from netruntime.cli.common.sources import (
    check_size_names,
    open_checked,
    pick_model,
    settings_as_trained,
    weights_for,
)
from netruntime.cli.common.writing import write_file
from netruntime.cli.run.feeds import Feed, fillers_of, parse_feeds
from netruntime.cli.run.reading import Items, batch_axis, count_files, read_many, read_once, split_feeds
from netruntime.cli.run.report import outputs_json, print_items, print_outputs, print_top
from netruntime.cli.run.results import Class, TopClasses, read_labels, top_classes, with_classes
from netruntime.cli.run.saving import NamedOutputs, check_target, save_items, save_outputs
from netruntime.cli.run.tables import class_table, holds_classes, number_table, rows_of
from netruntime.data.beside import as_trained_once, classes_beside
from netruntime.data.padding import Filler
from netruntime.engine.network import Network
from netruntime.engine.reading import read_results
from netruntime.engine.weights import open_weights, parameters
from netruntime.files.arrays import Array
from netruntime.readers.inputs import Note
from netruntime.readers.options import DataOptions
from netruntime.readers.pixels.images import IMAGE_SUFFIXES

DEFAULT_TOP = 5
"""The number of classes to show without --top, where they have names."""


@immutable
class RunOptions:
    """The options of `netrun run`."""

    file: Path
    as_json: bool
    inputs: tuple[str, ...]
    weights: str | None
    names: str | None
    settings: Mapping[str, str]
    device: DeviceFlags
    model_name: str | None
    top: int | None
    labels: Path | None
    save: Path | None
    taps: tuple[str, ...]
    check_finite: bool
    seed: int
    batch_size: int | None
    reading: Mapping[str, Any]

    @property
    def data_options(self) -> DataOptions:
        """The options given on the command line; `as_trained` adds what the weights carry."""
        return DataOptions(**self.reading)

    @property
    def reads(self) -> list[object]:
        """What names the files that the command reads."""
        weights = weights_for(self.file, self.weights)
        return [self.file, *self.inputs, weights, self.labels, self.reading.get("tokenizer")]

    @property
    def is_table(self) -> bool:
        """Whether the results are saved as CSV."""
        return self.save is not None and self.save.suffix.lower() == ".csv"


def run_model(options: RunOptions) -> int:
    """Run, report and save. Returns the exit code; raises `NetError`."""
    labels: Sequence[str] | None = read_labels(options.labels) if options.labels else None
    if options.save:
        check_target(options.save, options.reads)
    network, feeds = open_network(options)
    labels = labels or _classes_as_trained(options, network)
    many = split_feeds(feeds, options.batch_size, network.inputs, _say(options))
    if many:
        _run_many(options, network, feeds, many, labels)
    else:
        _run_once(options, network, feeds, labels)
    return OK


def _classes_as_trained(options: RunOptions, network: Network) -> Sequence[str] | None:
    """The classes beside the weights, where each output has as many."""
    classes = classes_beside(weights_for(options.file, options.weights))
    counts = {type_.shape[-1] for type_ in network.model.outputs.values() if type_.shape}
    return classes if classes is not None and all(count == len(classes) for count in counts) else None


def open_network(options: RunOptions) -> tuple[Network, list[Feed]]:
    """The network and the feeds of its inputs; errors in the feeds are reported before weights are read."""
    settings = settings_as_trained(options.file, options.weights, options.settings, options.as_json)
    checked = open_checked(options.file, settings)
    model = pick_model(checked, options.model_name)
    check_size_names(model, options.data_options.sizes)
    feeds = parse_feeds(model, options.file, options.inputs)
    device = open_quietly(options.device)
    weights = weights_for(options.file, options.weights)
    with settings_that_fit(options.file, options.settings, weights, options.model_name):
        store = open_weights(expand(model), weights, checked.weights, options.names, options.seed)
    network = Network(checked, model, store, device, options.seed)
    return network.tap(*options.taps, keep_outputs=True) if options.taps else network, feeds


def _say(options: RunOptions) -> Note:
    """The function that prints notes about the data: each once, and none with JSON output."""
    printed: set[str] = set()

    def say(text: str) -> None:
        if not options.as_json and text not in printed:
            printed.add(text)
            note(text)

    return say


def report_weights(network: Network, named: bool) -> None:
    """Report the source of the weights, unless they are `named` on the command line."""
    origin = network.weights_from
    if origin.map:
        note(f"the weights are read through the map `{origin.map}`")
    elif origin.seed is None and not named:
        note(f"the weights are read from {origin.text}")
    elif origin.seed is not None and parameters(network.computation):
        note(f"{origin.text}; pass trained ones with --weights FILE")


def _reading(options: RunOptions, network: Network) -> DataOptions:
    """How the inputs are read: as the command line says, else as the weights were trained."""
    asked = replace(options.data_options, label_names=label_names(network.checked.phases))
    return as_trained_once(asked, weights_for(options.file, options.weights))


def _fillers(network: Network, feeds: Sequence[Feed]) -> Mapping[str, Filler]:
    return fillers_of(network.model, {feed.wanted.name for feed in feeds})


def arrays_of(options: RunOptions, network: Network, feeds: Sequence[Feed]) -> dict[str, Any]:
    """The arrays of one run by input name."""
    fillers, reading = _fillers(network, feeds), _reading(options, network)
    return read_once(feeds, fillers, reading, _say(options), seed=options.seed)


def _run_once(
    options: RunOptions, network: Network, feeds: Sequence[Feed], labels: Sequence[str] | None
) -> None:
    arrays = arrays_of(options, network, feeds)
    report_weights(network, options.weights is not None)
    started = time.perf_counter()
    outputs = _run(options, network, arrays)
    seconds = time.perf_counter() - started
    picture = _picture(feeds)
    rows = [(picture or str(n), row) for n, row in enumerate(rows_of(outputs))]
    has_numbers = _has_numbers(options, network, rows, labels)
    tops = _tops(options, network.model, outputs, labels, has_numbers)
    if options.save and options.is_table:
        positions = tops[0].positions if tops else ()
        is_single = bool(picture) and len(positions) == 1
        classes = [(picture if is_single else ",".join(map(str, place)), best) for place, best in positions]
        _save_table(options.save, rows if has_numbers else None, classes)
    elif options.save:
        save_outputs(options.save, outputs)
    if options.as_json:
        document = {"ok": True, "model": network.name, "device": network.device.name, "seconds": seconds}
        document["weights"] = network.weights_from.text
        print_json(document | {"outputs": outputs_json(outputs, tops)})
        return
    print_outputs(outputs)
    for top in tops:
        print_top(top)
    _report_saved(options)


def _picture(feeds: Sequence[Feed]) -> str:
    """The name of the only picture that is read, as a folder of pictures would name it; empty otherwise."""
    files = [path for feed in feeds if (path := Path(feed.spec)).suffix.lower() in IMAGE_SUFFIXES]
    return files[0].name if len(files) == 1 else ""


def _run_many(
    options: RunOptions,
    network: Network,
    feeds: Sequence[Feed],
    many: Sequence[Feed],
    labels: Sequence[str] | None,
) -> None:
    report_weights(network, options.weights is not None)
    results: list[NamedOutputs] = []
    batches = read_many(
        feeds,
        _fillers(network, feeds),
        many,
        options.batch_size,
        _reading(options, network),
        _say(options),
        seed=options.seed,
    )
    with Progress(count_files(many), hidden=options.as_json) as progress:
        for batch in batches:
            outputs = _run(options, network, batch.arrays)
            results += _split(network, many, batch, outputs)
            progress.advance(len(batch.names))
    items = _unique(results)
    has_numbers = _has_numbers(options, network, items, labels)
    tops = [_tops(options, network.model, outputs, labels, has_numbers) for _, outputs in items]
    if options.save and options.is_table:
        named = zip((name for name, _ in items), tops, strict=True)
        classes = [(name, best) for name, top in named if top for _, best in top[0].positions]
        _save_table(options.save, items if has_numbers else None, classes)
    elif options.save:
        save_items(options.save, items)
    if options.as_json:
        entries = [
            {"name": name, "outputs": outputs_json(o, t)} for (name, o), t in zip(items, tops, strict=True)
        ]
        print_json({"ok": True, "model": network.name, "device": network.device.name, "items": entries})
        return
    print_items(items, [top[0] if top else None for top in tops])
    _report_saved(options, f" for {plural(len(items), 'item')}")


def _run(options: RunOptions, network: Network, arrays: Mapping[str, Any]) -> dict[str, Array]:
    """The outputs, followed by the taps, on the host."""
    return read_results(network.device, network.run(arrays, check_finite=options.check_finite))


def _has_numbers(
    options: RunOptions, network: Network, rows: Sequence[NamedOutputs], labels: Sequence[str] | None
) -> bool:
    """Whether the rows are saved as a table of numbers, not of classes."""
    if not options.is_table or options.top or labels or not rows:
        return False
    return not holds_classes(network.checked.phases, rows[0][1])


def _save_table(
    path: Path, rows: Sequence[NamedOutputs] | None, classes: Sequence[tuple[str, Sequence[Class]]]
) -> None:
    """The rows as a table of numbers, or the classes of each where there are none."""
    if rows is None:
        text = class_table({"item": [name for name, _ in classes]}, [best for _, best in classes])
    else:
        text = number_table({"item": [name for name, _ in rows]}, [row for _, row in rows])
    write_file(path, text)


def _tops(
    options: RunOptions,
    model: Model,
    outputs: Mapping[str, Array],
    labels: Sequence[str] | None,
    has_numbers: bool,
) -> list[TopClasses]:
    is_table = options.is_table and not options.labels and not has_numbers
    count = options.top or (1 if is_table else DEFAULT_TOP if labels else None)
    if count is None:
        return []
    ours = {name: outputs[name] for name in model.outputs if name in outputs}
    return [top_classes(name, ours[name], count, labels) for name in with_classes(ours)]


def _split(
    network: Network, many: Sequence[Feed], batch: Items, outputs: Mapping[str, Array]
) -> list[NamedOutputs]:
    """The outputs item by item; those without the batch axis are repeated for every item."""
    types = network.outputs
    over_items = {
        name
        for name, array in outputs.items()
        if array.ndim and len(array) == len(batch.names) and _is_over(types.get(name), many)
    }
    return [
        (item, {name: array[n] if name in over_items else array for name, array in outputs.items()})
        for n, item in enumerate(batch.names)
    ]


def _is_over(type_: TensorType | None, many: Sequence[Feed]) -> bool:
    return type_ is None or type_.shape[0] == batch_axis(many)


def _unique(items: Sequence[NamedOutputs]) -> list[NamedOutputs]:
    """The items with unique names: a number is added if files in several folders have the same name."""
    counts: Counter[str] = Counter()
    unique = []
    for name, outputs in items:
        counts[name] += 1
        unique.append((name if counts[name] == 1 else f"{name}#{counts[name]}", outputs))
    return unique


def _report_saved(options: RunOptions, what: str = "") -> None:
    if options.save:
        note(f"wrote {options.save}{what}")
