"""The weights of a loaded model: read from a file or drawn from a seed, with one copy per device."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from itertools import islice
from os import PathLike
from typing import Any

import numpy as np

from netdsl.graph import Graph
from netdsl.immutable import immutable
from netdsl.model import TRAIN_PATH, Parameter
from netdsl.syntax import Weights
from netdsl.types import TensorType
from netruntime.engine.backends import Device
from netruntime.engine.initial import initial_value
from netruntime.errors import WeightsError
from netruntime.files.arrays import Array, info_of
from netruntime.memory import return_freed_memory
from netruntime.readers.trained import METADATA_KEY
from netruntime.weight_files.match import match_weights
from netruntime.weight_files.namemap import name_map
from netruntime.weight_files.renamed import read_renamed, write_renamed
from netruntime.weight_files.room import check_room
from netruntime.weight_files.weight_file import WeightArrays, WeightFile
from netruntime.weight_files.weights import read_weights, write_weights

LISTED = 16
"""The number of weights that are listed when weights are printed."""

WeightSource = str | PathLike[str] | Mapping[str, Any]


@immutable
class WeightOrigin:
    """The origin of weights. `seed` is set if they were drawn; `map` names the weight map that was used.

    `metadata` is that of their file.
    """

    text: str
    seed: int | None = None
    map: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


class WeightsByPath(dict[str, Array]):
    """Weights by label path, printed as names and types: the numbers of a real model fill many screens."""

    def __repr__(self) -> str:
        shown = [f"  {path}: {info_of(array)}" for path, array in islice(self.items(), LISTED)]
        more = [f"  and {len(self) - LISTED:,} more"] if len(self) > LISTED else []
        numbers = sum(array.size for array in self.values())
        return "\n".join([f"<{numbers:,} numbers in {len(self):,} weights:", *shown, *more]) + ">"


class WeightStore:
    """Weights by label path, made when first needed."""

    def __init__(
        self, graph: Graph, arrays: Mapping[str, Array] | None, origin: WeightOrigin, seed: int = 0
    ) -> None:
        self.graph = graph
        self.origin = origin
        self._seed = seed
        self._host: Mapping[str, Array] | None = None if arrays is None else WeightsByPath(arrays)
        self._devices: dict[str, Mapping[str, Any]] = {}
        self._lock = threading.RLock()

    def on_host(self) -> Mapping[str, Array]:
        """All weights as NumPy arrays. Raises `WeightsError` E0727 if they do not fit in memory."""
        with self._lock, _report_full_memory(self.graph):
            if self._host is None:
                check_weights(self.graph)
                self._host = WeightsByPath(
                    (path, _read_only(initial_value(path, op.init, type_, self._seed)))
                    for path, (op, type_) in parameters(self.graph).items()
                )
                return_freed_memory()  # arrays are drawn in f64
            return self._host

    def on(self, device: Device) -> Mapping[str, Any]:
        """All weights as arrays of the device, copied there once. Raises E0727 as `on_host`."""
        with self._lock, _report_full_memory(self.graph, device):
            if device.name not in self._devices:
                if device.xp is not np:
                    check_weights(self.graph, device.xp)
                self._devices[device.name] = {n: device.array(a) for n, a in self.on_host().items()}
            return self._devices[device.name]

    def for_graph(self, graph: Graph) -> WeightStore:
        """These weights for another graph with the same parameters."""
        return WeightStore(graph, self.on_host(), self.origin, self._seed)

    def save(self, path: str | PathLike[str], names: Weights | None) -> None:
        arrays = dict(self.on_host())
        named = write_renamed(arrays, name_map(names)) if names else arrays
        carried = (
            {METADATA_KEY: self.origin.metadata[METADATA_KEY]} if METADATA_KEY in self.origin.metadata else {}
        )
        write_weights(path, named, carried)


@contextmanager
def _report_full_memory(graph: Graph, device: Device | None = None) -> Iterator[None]:
    try:
        yield
    except (MemoryError, RuntimeError) as full:
        if not (isinstance(full, MemoryError) if device is None else device.is_full(full)):
            raise
        count = sum(type_.bytes.value for _, type_ in parameters(graph).values())
        reason = full if device is None else device.full_memory(full)
        message = f"the weights, {count:,} bytes in all, do not fit in memory: {reason}"
        raise WeightsError.make("E0727", message, help="use a smaller model, or another device") from None


def check_weights(graph: Graph, xp: Any = np) -> None:
    """Raise `WeightsError` E0727 if the weights of a graph do not fit in the memory of an array module."""
    sizes = {f"`{path}` {type_}": type_.bytes.value for path, (_, type_) in parameters(graph).items()}
    check_room("the weights need", sizes, xp)


def parameters(graph: Graph) -> dict[str, tuple[Parameter, TensorType]]:
    """The parameters and buffers of a graph by label path."""
    return {
        data.label: (data.op, data.types[0])
        for _, data in graph.operators()
        if isinstance(data.op, Parameter)
    }


def blocks_of_weights(graph: Graph) -> dict[str, str]:
    """The block that mints each weight, such as `Linear`, by label path."""
    nodes = (data for _, data in graph.operators() if isinstance(data.op, Parameter))
    return {data.label: data.chain[-1].block for data in nodes if data.chain}


def open_weights(
    graph: Graph, source: WeightSource | None, maps: Mapping[str, Weights], names: str | None, seed: int
) -> WeightStore:
    """The weights of a graph.

    Args:
        source: A file, a folder of shards, or arrays by name; None draws them from the seed.
        maps: The `weights` maps of the file.
        names: The map to read by; by default none if the names are the model's, else the map that finds
            most weights.

    Raises:
        WeightsError: the file is damaged, or its weights do not fit the model.
    """
    if names is not None:
        _check_map(names, maps)
    if source is None:
        return WeightStore(graph, None, WeightOrigin(f"random weights, seed {seed}", seed=seed), seed)
    expected = {
        path: (tuple(size.value for size in type_.shape), type_.dtype.value)
        for path, (_, type_) in parameters(graph).items()
    }
    kinds = blocks_of_weights(graph)
    file = read_weights(source)
    chosen = choose_map(file, expected, maps, names)
    text = file.source if isinstance(source, Mapping) else str(source)
    if chosen is None:
        ours = _of_model(file, expected, graph.name)
        origin = WeightOrigin(text, metadata=file.metadata)
        return WeightStore(graph, _owned(match_weights(expected, ours, kinds=kinds).arrays), origin)
    renamed = read_renamed(file, name_map(maps[chosen]), expected)
    arrays = _owned(match_weights(expected, renamed, kinds=kinds).arrays)
    return WeightStore(graph, arrays, WeightOrigin(text, None, chosen, file.metadata))


def _owned(arrays: Mapping[str, Array]) -> Mapping[str, Array]:
    """Arrays that nobody changes: copies of those that the caller could write to, read-only themselves."""
    writable = {name: array for name, array in arrays.items() if array.flags.writeable}
    check_room(
        "the copy of the weights needs", {f"`{n}` {info_of(a)}": a.nbytes for n, a in writable.items()}
    )
    copies = {name: array.copy() for name, array in writable.items()}
    return {**arrays, **{name: _read_only(copy) for name, copy in copies.items()}}


def _read_only(array: Array) -> Array:
    array.flags.writeable = False
    return array


def _of_model(file: WeightFile, expected: Mapping[str, Any], model: str) -> WeightFile:
    """The weights of one model in the file of a run, without those that belong to its `train` section.

    With several models, the names in the file start with the model's name: `Generator.fc.bias`.
    """
    own = [name for name in file if not name.startswith(f"{TRAIN_PATH}.") or name in expected]
    if len(own) < len(file):
        file = WeightArrays(file.source, {name: file[name] for name in own})
    if any(name in file for name in expected) or not any(f"{model}.{name}" in file for name in expected):
        return file
    return read_weights({n: file[f"{model}.{n}"] for n in expected if f"{model}.{n}" in file})


def _check_map(name: str, maps: Mapping[str, Weights]) -> None:
    if name not in maps:
        help = f"it has {', '.join(maps)}" if maps else "it has no `weights` section"
        raise WeightsError.make("E0726", f"the file has no weights map `{name}`", help=help)


def choose_map(
    file: WeightFile, expected: Mapping[str, Any], maps: Mapping[str, Weights], names: str | None
) -> str | None:
    """The map to read a file by: `names`, else the one that finds most weights; None to use no map."""
    if names is not None:
        _check_map(names, maps)
        return names
    missing = {None: len(expected.keys() - set(file))}
    if missing[None] == 0 or not maps:
        return None
    best: tuple[int, str | None] = (missing[None], None)
    for name, section in maps.items():
        mapped = set(name_map(section).to_ours(file, expected).origins)
        best = min(best, (len(expected.keys() - mapped), name), key=lambda pair: pair[0])
    return best[1] or _turned_round(file, maps)


def _turned_round(file: WeightFile, maps: Mapping[str, Weights]) -> str | None:
    """The map whose sides are exchanged: its right sides are names of the file."""
    for name, section in maps.items():
        if any(rule.is_turned_round(theirs) for rule in name_map(section).rules for theirs in file):
            return name
    return None
