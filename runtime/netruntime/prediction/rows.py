"""Rows of predictions, without answers for the padding of shorter sequences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress

import numpy as np

from netdsl.dims import Dim, SizeOverflowError, dim
from netdsl.types import TensorType
from netruntime.data import Augment, Dataset, batches
from netruntime.engine.network import Network
from netruntime.engine.reading import read_results
from netruntime.files.arrays import Array
from netruntime.sizes import SizeClashError, bind_sizes

Row = Mapping[str, Array]
"""The outputs of one row by name, without the batch axis."""


def predicted_rows(
    network: Network, data: Dataset, batch_size: int, augment: Augment | None = None
) -> Iterator[list[Row]]:
    """The outputs of each batch of rows, on the host.

    Axes that follow the length of a sequence have the size that the row has by itself: there are no answers
    for padding. Raises as `Network.run` and `Dataset.rows`.
    """
    start = 0
    stream = batches(data, batch_size, shuffle=False, augment=augment, prefetch=2)
    with closing(stream):  # type: ignore[type-var]
        for batch in stream:
            inputs = {name: batch[name] for name in network.inputs}
            outputs = read_results(network.device, network.run(inputs))
            if data.one_example is not None:
                yield _of_one_example(network, outputs)
                continue
            count = len(next(iter(inputs.values())))
            lengths = data.sequence_lengths(np.arange(start, start + count))
            yield _split(network, inputs, outputs, lengths, count)
            start += count


def varying_axes(network: Network, data: Dataset) -> dict[str, list[int]]:
    """For each output the axes, counted with the batch axis, whose size follows the lengths of sequences."""
    ragged = {name: network.inputs[name] for name in network.inputs if data.columns.get(name) is not None}
    ragged = {name: type_ for name, type_ in ragged.items() if data.columns[name].is_ragged}
    return {
        name: [axis for axis in range(1, type_.rank) if _follows(type_, axis, ragged)]
        for name, type_ in network.outputs.items()
    }


def _follows(output: TensorType, axis: int, ragged: Mapping[str, TensorType]) -> str:
    """The sequence whose length an axis of an output has, or `""`.

    An axis of a fixed size is that of a sequence of this size if it comes first in each row, and the output
    has something for each of its elements.
    """
    dim = output.shape[axis]
    for name, type_ in ragged.items():
        size = type_.shape[1]
        if dim.symbols & size.symbols:
            return name
        for_each = output.rank > 2 or output.dtype.is_int
        if dim.is_fixed and size.is_fixed and dim.value == size.value and axis == 1 and for_each:
            return name
    return ""


def _of_one_example(network: Network, outputs: Mapping[str, Array]) -> list[Row]:
    """A row for each node of a graph, if all outputs have one axis of nodes; otherwise one row."""
    axis, *others = {type_.shape[:1] for type_ in network.outputs.values()}
    nodes = {type_.shape[:1] for type_ in network.inputs.values() if type_.rank} | {(dim(1),)}
    if others or axis not in nodes:
        return [outputs]
    count = len(next(iter(outputs.values())))
    return [{name: array[n] for name, array in outputs.items()} for n in range(count)]


def _split(
    network: Network,
    inputs: Mapping[str, Array],
    outputs: Mapping[str, Array],
    lengths: Mapping[str, Array],
    count: int,
) -> list[Row]:
    types = network.outputs
    ragged = {name: network.inputs[name] for name in lengths if name in network.inputs}
    batch_dim = next(iter(network.inputs.values())).shape[0]
    sizes = _bound(network, inputs)
    rows: list[Row] = []
    for n in range(count):
        own = _own_sizes(ragged, lengths, n)
        row = {}
        for name, array in outputs.items():
            type_ = types[name]
            is_over_rows = bool(type_.rank) and type_.shape[0] == batch_dim and len(array) == count
            if not is_over_rows:
                row[name] = array
                continue
            cut = tuple(
                slice(_size(type_.shape[axis], sizes | own, lengths, followed, n))
                if (followed := _follows(type_, axis, ragged))
                else slice(None)
                for axis in range(1, type_.rank)
            )
            row[name] = array[n][cut]
        rows.append(row)
    return rows


def _bound(network: Network, inputs: Mapping[str, Array]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for name, array in inputs.items():
        with suppress(SizeClashError):  # the network has reported it
            sizes = bind_sizes(network.inputs[name].shape, array.shape, sizes)
    return sizes


def _own_sizes(ragged: Mapping[str, TensorType], lengths: Mapping[str, Array], n: int) -> dict[str, int]:
    """The free sizes that the sequences of one row settle; the longest of those that share a size."""
    own: dict[str, int] = {}
    for name, type_ in ragged.items():
        with suppress(SizeClashError):
            bound = bind_sizes(type_.shape[1:2], (int(lengths[name][n]),), {})
            own |= {symbol: max(size, own.get(symbol, 0)) for symbol, size in bound.items()}
    return own


def _size(
    dim: Dim, sizes: Mapping[str, int], lengths: Mapping[str, Array], followed: str, n: int
) -> int | None:
    """The size of an axis for one row; None for all of it."""
    if dim.is_fixed:
        return int(lengths[followed][n])
    try:
        return max(dim.evaluate(sizes), 0) if dim.symbols <= sizes.keys() else None
    except (ZeroDivisionError, SizeOverflowError):
        return None


def padded(rows: Sequence[Array]) -> Array:
    """Rows of different sizes in one array; NaN fills floats, -1 integers (0 those without a sign)."""
    shape = np.max([row.shape for row in rows], axis=0, initial=0) if rows[0].ndim else ()
    dtype = rows[0].dtype
    fill = np.nan if dtype.kind == "f" else -1 if dtype.kind == "i" else 0
    result: Array = np.full((len(rows), *map(int, shape)), fill, dtype)
    for n, row in enumerate(rows):
        result[n][tuple(slice(size) for size in row.shape)] = row
    return result
