"""The first weights of a run: drawn from a seed, and loaded from a file where it has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from netdsl.model import Parameter, Phase
from netdsl.syntax import Weights
from netdsl.types import TensorType
from netruntime.engine.initial import initial_value
from netruntime.engine.weights import WeightSource, choose_map, name_map
from netruntime.errors import WeightsError
from netruntime.files.arrays import Array
from netruntime.train.trainer import all_parameters
from netruntime.weight_files.match import match_weights
from netruntime.weight_files.renamed import read_renamed
from netruntime.weight_files.weights import read_weights


@dataclass(frozen=True)
class FirstWeights:
    """Arrays by label path, and in words where they came from."""

    arrays: Mapping[str, Array]
    notes: tuple[str, ...] = ()


def first_weights(
    phases: Sequence[Phase],
    seed: int,
    given: WeightSource | None = None,
    maps: Mapping[str, Weights] | None = None,
    names: str | None = None,
) -> FirstWeights:
    """The weights that a run starts from.

    Weights that `given` lacks are drawn from the seed, and what it has beside them is left: so a new head is
    put on a trained body. The notes report both.

    Args:
        given: A file, a folder of shards, or arrays by name.
        maps: The `weights` maps of the file.
        names: The map to read by; found by itself by default.

    Raises:
        WeightsError: weights that are damaged, whose shapes do not fit, or of which none is the model's.
    """
    needed = all_parameters(phases)
    if given is None:
        return FirstWeights(_drawn(needed, needed, seed))
    types = {path: type_ for path, (_, type_) in needed.items()}
    found, unused = _read(types, given, maps or {}, names)
    missing = [path for path in needed if path not in found]
    notes = [f"{len(found)} weights are read from {given if not isinstance(given, Mapping) else 'arrays'}"]
    if missing:
        notes.append(f"{len(missing)} are new and start from the seed {seed}: {_listed(missing)}")
    if unused:
        notes.append(f"{len(unused)} of the file are not used: {_listed(unused)}")
    return FirstWeights({**_drawn(needed, missing, seed), **found}, tuple(notes))


def _drawn(
    needed: Mapping[str, tuple[Parameter, TensorType]], paths: Iterable[str], seed: int
) -> dict[str, Array]:
    return {path: initial_value(path, needed[path][0].init, needed[path][1], seed) for path in paths}


def _read(
    types: Mapping[str, TensorType], given: WeightSource, maps: Mapping[str, Weights], names: str | None
) -> tuple[Mapping[str, Array], Sequence[str]]:
    expected = {
        path: (tuple(size.value for size in type_.shape), type_.dtype.value) for path, type_ in types.items()
    }
    file = read_weights(given)
    chosen = choose_map(file, expected, maps, names)
    source = file if chosen is None else read_renamed(file, name_map(maps[chosen]), expected)
    match = match_weights(expected, source, strict=False)
    if not match.arrays:
        match_weights(expected, source)  # none fits: tell all that differs
        raise WeightsError.make("E0721", "the file has none of the model's weights")
    return match.arrays, match.unexpected


def _listed(names: Sequence[str], count: int = 4) -> str:
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more
