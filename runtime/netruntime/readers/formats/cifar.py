"""CIFAR-10 and CIFAR-100 in their binary form; the pickled form is never read.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images" (2009), and the notes of its
data page. A record is one label byte (CIFAR-100: the coarse and then the fine label), then 3072 bytes: 32x32
pixels of red, then green, then blue.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from netruntime.errors import DataInputError, shown
from netruntime.files.arrays import Array
from netruntime.readers.table import Column, ColumnInfo, ColumnTable, Role, table_of

PIXELS = 3 * 32 * 32
_CLASS_FILES = {"label": ("batches.meta.txt", "fine_label_names.txt"), "coarse": ("coarse_label_names.txt",)}
_TEN = ("data_batch_*.bin", "test_batch.bin")
_HUNDRED = ("train.bin", "test.bin")


def find_cifar(folder: Path) -> list[Path]:
    """The training files of an unpacked CIFAR folder: `data_batch_1.bin` and so on, or `train.bin`."""
    return sorted(folder.glob("data_batch_*.bin")) or sorted(folder.glob("train.bin"))


def read_cifar(paths: Sequence[Path]) -> ColumnTable:
    """The columns `image` u8 `[N, 3, 32, 32]` and `label`, and for CIFAR-100 `coarse`, of one or more files.

    Raises `DataInputError` E0806 for a file that is truncated or of another kind, and `OSError`.
    """
    labels = {_label_bytes(path) for path in paths}
    if len(labels) > 1:
        raise DataInputError.make("E0806", f"{shown(paths[0])} and its neighbours mix CIFAR-10 and CIFAR-100")
    count = labels.pop()
    records = [_map_records(path, count) for path in paths]
    source = shown(paths[0]) if len(paths) == 1 else f"{shown(paths[0])} to {shown(paths[-1].name)}"
    columns: dict[str, Column] = {
        "image": RecordColumn(paths, records, slice(count, None), (3, 32, 32), source, "input"),
        "label": RecordColumn(paths, records, count - 1, (), source, "label"),
    }
    if count == 2:
        columns["coarse"] = RecordColumn(paths, records, 0, (), source, "extra")
    classes = {name: found for name in columns if (found := _class_names(paths[0].parent, name))}
    return table_of(columns, source, classes=classes)


class RecordColumn:
    """One field of the records of several files, in their order."""

    def __init__(
        self,
        paths: Sequence[Path],
        records: Sequence[Array],
        field: int | slice,
        shape: tuple[int, ...],
        source: str,
        role: Role,
    ) -> None:
        self.paths, self.records, self.field = paths, records, field
        self.starts = np.cumsum([0, *map(len, records)])
        self.info = ColumnInfo("u8", shape, source, role=role)
        self.is_ready = not shape

    def __len__(self) -> int:
        return int(self.starts[-1])

    def take(self, indices: Array) -> Array:
        result = np.empty((len(indices), *self.info.item), np.uint8)
        for n, records in enumerate(self.records):
            mine = (indices >= self.starts[n]) & (indices < self.starts[n + 1])
            if mine.any():
                rows = records[indices[mine] - self.starts[n], self.field]
                result[mine] = rows.reshape(-1, *self.info.item)
        return result

    def lengths(self) -> None:
        return None

    def place(self, row: int) -> str:
        file = int(np.searchsorted(self.starts, row, side="right")) - 1
        return f"record {row - int(self.starts[file])} of {shown(self.paths[file])}"


def _label_bytes(path: Path) -> int:
    """1 for CIFAR-10, 2 for CIFAR-100: by the file's name, else by its size."""
    if any(path.match(pattern) for pattern in _TEN):
        return 1
    if any(path.match(pattern) for pattern in _HUNDRED):
        return 2
    return 2 if path.stat().st_size % (PIXELS + 1) and not path.stat().st_size % (PIXELS + 2) else 1


def _map_records(path: Path, label_bytes: int) -> Array:
    size, record = path.stat().st_size, PIXELS + label_bytes
    kind, classes = ("CIFAR-10", 10) if label_bytes == 1 else ("CIFAR-100", 100)
    if size % record or not size:
        count = size // record
        message = (
            f"{shown(path)} has {size} bytes, but {kind} has {record} for each record: "
            f"{count * record} for {count}, {(count + 1) * record} for {count + 1}"
        )
        help = f"the file is truncated in record {count}, or not {kind} in its binary form; fetch it again"
        raise DataInputError.make("E0806", message, help=help)
    records: Array = np.memmap(path, np.uint8, "r", 0, (size // record, record))
    labels = records[:, label_bytes - 1]
    if labels.max() >= classes:
        row = int(np.argmax(labels >= classes))
        message = (
            f"record {row} of {shown(path)} has the label {labels[row]}, but {kind} has {classes} classes"
        )
        raise DataInputError.make("E0806", message, help=f"it is damaged, or not {kind} in its binary form")
    return records


def _class_names(folder: Path, name: str) -> tuple[str, ...]:
    for file in _CLASS_FILES.get(name, ()):
        path = folder / file
        if path.is_file():
            return tuple(path.read_text(encoding="utf-8", errors="replace").split())
    return ()
