"""Folders of PNG and JPEG files: one sub-folder for each class, or pictures without labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netdsl.types import DType, TensorType, tensor
from netruntime.errors import DataInputError, need_extra, shown
from netruntime.files.arrays import Array
from netruntime.readers.images import IMAGE_SUFFIXES, read_image
from netruntime.readers.input_spec import ImageOptions, InputSpec
from netruntime.readers.options import DataOptions
from netruntime.readers.pictures import Picture, target_picture
from netruntime.readers.table import ArrayColumn, Column, ColumnInfo, ColumnTable, table_of


def find_pictures(folder: Path) -> list[Path]:
    """The pictures in a folder and below, by name; hidden files are left out."""
    found = (p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    return sorted(p for p in found if not _is_hidden(p, folder) and p.is_file())


def read_image_folder(folder: Path, wanted: Mapping[str, TensorType], options: DataOptions) -> ColumnTable:
    """The columns `image` u8 `[N, C, H, W]` and, where there are sub-folders, `label`, in alphabetical order.

    Pictures come to the size that the model's input has; on axes that it leaves free, to that of the first
    picture. They are read when they are needed. Raises `DataInputError` E1016 for a folder without pictures,
    an empty class, or one that is not known; and, as pictures are read, those of `read_image`.
    """
    names = _class_names(folder, options)
    files = {name: find_pictures(folder / name) for name in names} if names else {"": find_pictures(folder)}
    for name, found in files.items():
        if not found and name not in (options.class_names or ()):
            help = "a class is a folder of .png and .jpg files; remove the folder if it is none"
            raise DataInputError.make("E1016", f"{shown(folder / name)} holds no pictures", help=help)
    paths = [path for found in files.values() for path in found]
    if not paths:
        raise DataInputError.make("E1006", f"{shown(folder)} holds no pictures")
    images = _image_column(paths, shown(folder), wanted, options)
    columns: dict[str, Column] = {"image": images}
    if not names:
        return table_of(columns, shown(folder), notes=images.notes)
    labels = np.repeat(np.arange(len(files)), [len(found) for found in files.values()])
    columns["label"] = _LabelColumn(labels, shown(folder), "label", tuple(paths))
    return table_of(columns, shown(folder), classes={"label": tuple(names)}, notes=images.notes)


@dataclass(frozen=True)
class _LabelColumn(ArrayColumn):
    paths: tuple[Path, ...] = ()

    def place(self, row: int) -> str:
        return shown(self.paths[row])


@dataclass(frozen=True)
class ImageColumn:
    """Pictures, decoded when they are taken, as bytes of one size."""

    paths: Sequence[Path]
    picture: Picture
    source: str
    options: ImageOptions
    notes: tuple[str, ...] = ()
    is_ready: bool = False

    @property
    def info(self) -> ColumnInfo:
        return ColumnInfo("u8", self.picture, self.source, self.picture, "input")

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, indices: Array) -> Array:
        spec = InputSpec("image", tensor(DType.U8, *self.picture))
        return np.stack([read_image(self.paths[n], spec, self.options) for n in indices])

    def lengths(self) -> None:
        return None

    def place(self, row: int) -> str:
        return shown(self.paths[row])


def _image_column(
    paths: Sequence[Path], source: str, wanted: Mapping[str, TensorType], options: DataOptions
) -> ImageColumn:
    how = options.resize or "stretch"
    picture = _wanted_picture(wanted)
    if picture is None:
        picture = _own_picture(paths[0], wanted)
    note = f"pictures of {source} that are not {picture[1]}x{picture[2]} are resized ({how})"
    return ImageColumn(paths, picture, source, ImageOptions(resize=how), (note,))


def _wanted_picture(wanted: Mapping[str, TensorType]) -> Picture | None:
    """The size of the one input that takes pictures, where it is fixed."""
    found = [
        picture
        for type in wanted.values()
        if type.dtype.is_float or type.dtype is DType.U8
        for channels in (1, 3)
        if (picture := target_picture(type.shape[1:], channels))
    ]
    return found[0] if len(found) == 1 else None


def _own_picture(path: Path, wanted: Mapping[str, TensorType]) -> Picture:
    """The size of a picture itself, with the channels that an input of pictures fixes."""
    pillow = need_extra("PIL.Image", "image", "reading PNG and JPEG images")
    fixed = [t.shape[1].value for t in wanted.values() if t.rank == 4 and t.shape[1].is_fixed]
    with path.open("rb") as stream:
        try:
            image = pillow.open(stream, formats=("PNG", "JPEG"))
        except OSError as wrong:
            raise DataInputError.make("E1016", f"{shown(path)} is not a PNG or JPEG image") from wrong
        channels = fixed[0] if len(fixed) == 1 else 1 if image.mode in ("1", "L", "LA", "I;16") else 3
        return (channels, image.height, image.width)


def _class_names(folder: Path, options: DataOptions) -> list[str]:
    """The sub-folders, which are classes; those of the training data where they are known."""
    found = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not found or options.class_names is None:
        return found
    unknown = [name for name in found if name not in options.class_names]
    if unknown:
        known = ", ".join(map(shown, options.class_names[:8]))
        message = f"{shown(folder)} has the class {shown(unknown[0])}, and the training data has {known}"
        raise DataInputError.make("E1016", message)
    return list(options.class_names)


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)
