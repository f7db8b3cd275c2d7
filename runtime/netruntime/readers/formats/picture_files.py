"""Folders of PNG and JPEG files: one sub-folder for each class, or pictures without labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from netdsl.immutable import immutable
from netdsl.types import DType, tensor
from netruntime.errors import DataInputError, shown
from netruntime.files.arrays import Array, ArrayInfo
from netruntime.readers.input_spec import InputSpec
from netruntime.readers.options import DataOptions, Resize
from netruntime.readers.pixels.images import IMAGE_SUFFIXES, decode
from netruntime.readers.pixels.pictures import Picture, picture_input, picture_sizes
from netruntime.readers.pixels.resize import resize_pictures
from netruntime.readers.table import ArrayColumn, Column, ColumnInfo, ColumnTable, table_of

ANY_PICTURE = InputSpec("image", tensor(DType.F32))
"""For pictures that no input, or more than one, could take."""


def find_pictures(folder: Path) -> list[Path]:
    """The pictures in a folder and below, by name; hidden files are left out."""
    found = (p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    return sorted(p for p in found if not _is_hidden(p, folder) and p.is_file())


def read_image_folder(folder: Path, wanted: Sequence[InputSpec], options: DataOptions) -> ColumnTable:
    """The columns `image` u8 `[N, C, H, W]` and, where there are sub-folders, `label`, in alphabetical order.

    Pictures come to the size that the model's input has; on axes that it leaves free, to that of the first
    picture where `resize` is given. They are read when they are needed. Raises
    `DataInputError` E0817 for a folder without pictures, an empty class, or one that is not known; and, as
    pictures are read, E0818 for different sizes and those of `decode`.
    """
    names = _class_names(folder, options)
    files = {name: find_pictures(folder / name) for name in names} if names else {"": find_pictures(folder)}
    for name, found in files.items():
        if not found and name not in (options.class_names or ()):
            help = "a class is a folder of .png and .jpg files; remove the folder if it is none"
            raise DataInputError.make("E0817", f"{shown(folder / name)} holds no images", help=help)
    paths = [path for found in files.values() for path in found]
    if not paths:
        raise DataInputError.make("E0813", f"{shown(folder)} holds no images")
    images = _picture_column(paths, shown(folder), wanted, options)
    columns: dict[str, Column] = {"image": images}
    if not names:
        return table_of(columns, shown(folder), notes=images.notes)
    labels = np.repeat(np.arange(len(files)), [len(found) for found in files.values()])
    columns["label"] = _LabelColumn(labels, shown(folder), "label", tuple(paths))
    return table_of(columns, shown(folder), classes={"label": tuple(names)}, notes=images.notes)


@immutable
class _LabelColumn(ArrayColumn):
    paths: tuple[Path, ...] = ()

    def place(self, row: int) -> str:
        return shown(self.paths[row])


def read_pictures(paths: Sequence[Path], wanted: Sequence[InputSpec], options: DataOptions) -> ColumnTable:
    """The column `image` of PNG and JPEG files. Raises as `read_image_folder`."""
    source = shown(paths[0]) if len(paths) == 1 else f"{len(paths)} files"
    images = _picture_column(paths, source, wanted, options)
    return table_of({"image": images}, images.source, notes=images.notes)


@immutable
class PictureColumn:
    """Pictures, decoded when they are taken; `sides` are the height and width they are brought to."""

    paths: Sequence[Path]
    picture: Picture
    source: str
    sides: tuple[int | None, int | None]
    how: Resize
    wanted: InputSpec
    is_ready: bool = False

    @property
    def info(self) -> ColumnInfo:
        return ColumnInfo("u8", self.picture, self.source, self.picture, "input")

    @property
    def notes(self) -> tuple[str, ...]:
        """What will be done to some of the pictures."""
        height, width = ("*" if side is None else side for side in self.sides)
        note = f"images of {self.source} that are not {height}x{width} are resized ({self.how})"
        return () if self.sides == (None, None) else (note,)

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, indices: Array) -> Array:
        return np.stack([self._read(self.paths[n]) for n in indices])

    def lengths(self) -> None:
        return None

    def place(self, row: int) -> str:
        return shown(self.paths[row])

    def file(self, row: int) -> str:
        """The file of a row."""
        return str(self.paths[row])

    def _read(self, path: Path) -> Array:
        """The bytes of a picture, or floats of the same scale where it is resized for an input of floats."""
        pixels = decode(path, self.picture[0], self.wanted)
        height, width = (
            own if side is None else side for own, side in zip(pixels.shape[1:], self.sides, strict=True)
        )
        if (height, width) != pixels.shape[1:]:
            pixels = resize_pictures(pixels[None], height, width, self.how)[0]
            if not self.wanted.type.dtype.is_float:
                pixels = np.rint(pixels).astype(np.uint8)
        if pixels.shape != self.picture:
            first, mine = ArrayInfo("u8", self.picture), ArrayInfo("u8", pixels.shape)
            both = f"{shown(self.paths[0])} is {first} and {shown(path)} {mine}"
            help = "give the free sizes values (`--size H=224`), or choose how to resize (`--resize crop`)"
            raise self.wanted.refuse("E0818", f"items of one batch are of one shape, but {both}", help=help)
        return pixels


def _picture_column(
    paths: Sequence[Path], source: str, wanted: Sequence[InputSpec], options: DataOptions
) -> PictureColumn:
    spec = picture_input(wanted, options) or ANY_PICTURE
    if (options.mean or options.std) and not spec.type.dtype.is_float:
        message = f"{spec} is {spec.type}: mean and std need an input of floats"
        raise spec.refuse("E0812", message)
    channels, height, width = picture_sizes(spec, options)
    if channels is None or height is None or width is None:
        own = decode(paths[0], channels, spec).shape
        picture = (own[0], own[1] if height is None else height, own[2] if width is None else width)
    else:
        picture = (channels, height, width)
    sides = (height, width) if options.resize is None else picture[1:]
    return PictureColumn(paths, picture, source, sides, options.resize or "stretch", spec)


def _class_names(folder: Path, options: DataOptions) -> list[str]:
    """The sub-folders, which are classes; those of the training data where they are known."""
    found = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not found or options.class_names is None:
        return found
    unknown = [name for name in found if name not in options.class_names]
    if unknown:
        known = ", ".join(map(shown, options.class_names[:8]))
        message = f"{shown(folder)} has the class {shown(unknown[0])}, but the training data has {known}"
        raise DataInputError.make("E0817", message)
    return list(options.class_names)


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)
