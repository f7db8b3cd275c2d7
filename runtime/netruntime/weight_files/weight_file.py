"""Weights as a mapping from names to arrays, wherever they lie."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

from netdsl.diagnostics import with_article
from netruntime.errors import WeightsError, shown
from netruntime.files.arrays import Array, ArrayInfo, info_of, plain_array, short_name
from netruntime.weight_files.rules import Rule


class WeightFile(Mapping[str, Array]):
    """Named arrays from `source` (a path, or a word for messages), with the file's own metadata.

    `describe` returns element type and shape without reading the numbers. The type is as stored:
    `bf16` arrays are read as float32, which holds them exactly.
    """

    def __init__(self, source: str, metadata: Mapping[str, str]) -> None:
        self.source = source
        self.metadata = metadata

    @abstractmethod
    def describe(self, name: str) -> ArrayInfo:
        """The stored element type and the shape. Raises `KeyError` for a name that is not there."""

    def note(self, name: str) -> str:
        """What messages add to a name: where a renamed array comes from. Empty for plain files."""
        return ""

    def dropped_terms(self) -> list[tuple[str, str]]:
        """Second biases that no rule reads, each with the first one, which a rule reads."""
        return []

    def rule(self, name: str) -> Rule | None:
        """The rule of a map by which a weight is read; None for plain files."""
        return None

    def nearest_rule(self, name: str) -> Rule | None:
        """The rule that a name which none matches was probably meant for; None for plain files."""
        return None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.source}: {len(self)} arrays>"


class WeightArrays(WeightFile):
    """Weights that are in memory already."""

    def __init__(
        self, source: str, arrays: Mapping[str, Array], metadata: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(source, metadata or {})
        self._arrays = arrays

    def __getitem__(self, name: str) -> Array:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def describe(self, name: str) -> ArrayInfo:
        return info_of(self._arrays[name])


def from_mapping(arrays: Mapping[str, Any]) -> WeightFile:
    """Weights from any mapping of array-likes; CuPy arrays come to NumPy's memory.

    Raises `WeightsError` E0708 for a name that is not a text or a value that is not an array of numbers.
    """
    if isinstance(arrays, WeightFile):
        return arrays
    return WeightArrays("the given weights", {_name(key): as_weight(key, v) for key, v in arrays.items()})


def as_weight(name: str, value: Any) -> Array:
    """One array-like as a NumPy array of numbers. Raises `WeightsError` E0708."""
    try:
        array = plain_array(value)
    except ValueError as refused:
        raise _not_numbers(name, f"{with_article(type(value).__name__)}: {refused}") from refused
    if short_name(array.dtype) is None:
        raise _not_numbers(name, f"{with_article(type(value).__name__)} of {array.dtype}")
    # a NumPy file would keep the order of a foreign machine, and kernels want their own
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _name(key: object) -> str:
    if not isinstance(key, str):
        raise WeightsError.make("E0708", f"names of weights must be strings, but {shown(key)} is not")
    return key


def _not_numbers(name: str, what: str) -> WeightsError:
    return WeightsError.make(
        "E0708",
        f"weight {shown(name)} is not an array of numbers but {what}",
        help="give NumPy or CuPy arrays of floats, integers or booleans",
    )
