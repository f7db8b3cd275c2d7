"""Weights seen through a name map, and turned back."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from netruntime.errors import WeightsError, shown
from netruntime.files.arrays import FLOATS, Array, ArrayInfo, info_of, numpy_dtype
from netruntime.weight_files.namemap import MappedSource, NameMap, Target
from netruntime.weight_files.rules import Rule
from netruntime.weight_files.weight_file import WeightFile, as_weight, from_mapping


class RenamedWeights(WeightFile):
    """A checkpoint under our names; arrays are renamed, transposed and cut when they are asked for.

    Names that no rule matches keep their own, so that `match_weights` reports them.
    """

    def __init__(self, weights: Mapping[str, Any], names: NameMap, expected: Collection[str]) -> None:
        """Raises `WeightsError`: E0735 where two names become one, E0736 where a cut has a remainder, E0739
        where a sum cannot be computed.
        """
        self._file = from_mapping(weights)
        super().__init__(self._file.source, self._file.metadata)
        sorted_out = names.to_ours(self._file, expected)
        self.ignored = sorted_out.ignored
        self._unmatched = sorted_out.unmatched
        kept = {name: MappedSource((name,)) for name in self._unmatched if name not in sorted_out.origins}
        self._origins = {**sorted_out.origins, **kept}
        for origin in self._origins.values():
            _check_cut(origin, self._stored(origin))

    def __getitem__(self, name: str) -> Array:
        origin = self._origins[name]
        array = self._read(origin)
        turned = _turn(array) if origin.transpose else array
        if origin.parts == 1:
            return turned
        width = turned.shape[-1] // origin.parts
        return turned[..., origin.part * width : (origin.part + 1) * width]

    def __iter__(self) -> Iterator[str]:
        return iter(self._origins)

    def __len__(self) -> int:
        return len(self._origins)

    def describe(self, name: str) -> ArrayInfo:
        origin = self._origins[name]
        stored = self._stored(origin)
        shape = _turned_shape(stored.shape) if origin.transpose else stored.shape
        if origin.parts > 1:
            shape = (*shape[:-1], shape[-1] // origin.parts)
        return ArrayInfo(stored.dtype, shape)

    def _read(self, origin: MappedSource) -> Array:
        first, *others = (self._file[name] for name in origin.names)
        if not others:
            return first
        total = first.astype(numpy_dtype(self._stored(origin).dtype))
        for term in others:
            total += term
        return total

    def _stored(self, origin: MappedSource) -> ArrayInfo:
        """Element type and shape of what is read for a rule, before it is turned and cut."""
        infos = [self._file.describe(name) for name in origin.names]
        return infos[0] if len(infos) == 1 else _sum_info(origin, infos)

    def rule(self, name: str) -> Rule | None:
        """The rule by which one of our names is read."""
        origin = self._origins.get(name)
        return origin.rule if origin is not None else None

    def dropped_terms(self) -> list[tuple[str, str]]:
        """Biases of PyTorch that are left out, with the ones they are added to, which are read."""
        read = {name for origin in self._origins.values() for name in origin.names}
        pairs = [(name, _other_bias(name)) for name in sorted(self.ignored) if name not in read]
        return [(name, other) for name, other in pairs if other in read and np.any(self._file[name])]

    def nearest_rule(self, name: str) -> Rule | None:
        """The rule that a name which none matches was probably meant for."""
        return self._unmatched.get(name)

    def note(self, name: str) -> str:
        if name in self._unmatched:
            return _unmatched_note(name, self._unmatched[name])
        theirs = self._origins[name].names
        return "" if theirs == (name,) else f"from {' + '.join(map(shown, theirs))}"


def read_renamed(weights: Mapping[str, Any], names: NameMap, expected: Collection[str]) -> WeightFile:
    """A checkpoint under the names that the model expects. Raises `WeightsError` E0735, E0736, E0739."""
    return RenamedWeights(weights, names, expected)


def write_renamed(weights: Mapping[str, Any], names: NameMap) -> dict[str, Array]:
    """Our weights under the checkpoint's names, joined and transposed as it stores them.

    Raises `WeightsError`: E0736 where parts do not join, E0737 where a name or a part has no place.
    """
    return {theirs: _join(theirs, target, weights) for theirs, target in names.to_theirs(weights).items()}


def _join(theirs: str, target: Target, weights: Mapping[str, Any]) -> Array:
    parts = [as_weight(name, weights[name]) for name in target.ours]
    first = parts[0]
    for name, part in zip(target.ours, parts, strict=True):
        if part.shape != first.shape or part.dtype != first.dtype or (len(parts) > 1 and not part.ndim):
            shapes = f"{first.dtype}{list(first.shape)} and {part.dtype}{list(part.shape)}"
            message = f"{shown(target.ours[0])} and {shown(name)} do not join into {shown(theirs)}: {shapes}"
            raise WeightsError.make("E0736", message, help="the parts of one array are of one shape and type")
    joined = first if len(parts) == 1 else np.concatenate(parts, axis=-1)
    if target.is_zero:
        _check_floats(theirs, info_of(joined))
        joined = np.full_like(joined, -0.0)  # x + -0.0 has the bits of x also where x is -0.0
    return _turn(joined) if target.transpose else joined


def _check_floats(theirs: str, info: ArrayInfo) -> None:
    if info.dtype not in FLOATS:
        message = f"{shown(theirs)} cannot be written as a term of a sum: it would be {info}"
        raise WeightsError.make("E0739", message, help="a rule adds floats of one shape")


def _sum_info(origin: MappedSource, infos: Sequence[ArrayInfo]) -> ArrayInfo:
    """A sum of floats of one shape, in the widest of their types, at least f32."""
    if len({info.shape for info in infos}) == 1 and all(info.dtype in FLOATS for info in infos):
        dtypes = {info.dtype for info in infos}
        return ArrayInfo("f64" if "f64" in dtypes else "f32", infos[0].shape)
    listed = " and ".join(f"{shown(name)} {info}" for name, info in zip(origin.names, infos, strict=True))
    raise WeightsError.make(
        "E0739",
        f"{listed} cannot be added",
        origin.rule.span if origin.rule else None,
        help="a rule adds floats of one shape",
    )


def _check_cut(origin: MappedSource, stored: ArrayInfo) -> None:
    shape = _turned_shape(stored.shape) if origin.transpose else stored.shape
    if origin.parts > 1 and (not shape or shape[-1] % origin.parts):
        last = f"its last axis{' after transposing' if origin.transpose else ''}"
        what = f"{last} is {shape[-1]}" if shape else "it has no axes"
        names = " + ".join(map(shown, origin.names))
        raise WeightsError.make(
            "E0736",
            f"{names} is {stored} and cannot be cut into {origin.parts} equal parts: {what}",
            origin.rule.span if origin.rule else None,
            help=_cut_help(origin, stored),
        )


def _cut_help(origin: MappedSource, stored: ArrayInfo) -> str | None:
    fits = len(stored.shape) > 1 and stored.shape[-2] % origin.parts == 0
    if origin.transpose or not fits or origin.rule is None:
        return None
    return f"{stored.shape[-2]} can be cut: write `{origin.rule} transpose`"


def _turn(array: Array) -> Array:
    return array.swapaxes(-1, -2) if array.ndim > 1 else array


def _turned_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:-2], shape[-1], shape[-2]) if len(shape) > 1 else shape


def _other_bias(name: str) -> str:
    """The bias that a recurrent layer of PyTorch adds to this one."""
    first, second = "bias_ih", "bias_hh"
    return name.replace(second, first) if second in name else name.replace(first, second)


def _unmatched_note(name: str, nearest: Rule | None) -> str:
    if nearest is not None and nearest.is_turned_round(name):
        return f"the sides of {nearest} are exchanged"
    return f"no rule matches it; the nearest is {nearest}" if nearest else "no rule matches it"
