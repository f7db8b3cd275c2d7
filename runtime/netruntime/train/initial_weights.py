"""The initial weights of a run: loaded from a file if it has them, else drawn from the seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from netdsl.graph import expand
from netdsl.immutable import immutable
from netdsl.model import Parameter, Phase
from netdsl.syntax import Weights
from netdsl.types import TensorType
from netruntime.engine.initial import initial_value
from netruntime.engine.weights import WeightSource, blocks_of_weights, choose_map
from netruntime.errors import WeightsError
from netruntime.files.arrays import Array
from netruntime.train.trainer import all_parameters
from netruntime.weight_files.match import match_weights
from netruntime.weight_files.namemap import name_map
from netruntime.weight_files.renamed import read_renamed
from netruntime.weight_files.room import check_room
from netruntime.weight_files.weights import read_weights


@immutable
class FirstWeights:
    """Arrays by label path, and notes on their origin."""

    arrays: Mapping[str, Array]
    notes: tuple[str, ...] = ()


def first_weights(
    phases: Sequence[Phase],
    seed: int,
    source: WeightSource | None = None,
    maps: Mapping[str, Weights] | None = None,
    names: str | None = None,
    *,
    is_complete: bool = False,
) -> FirstWeights:
    """The weights that a run starts from.

    Weights missing in `source` are drawn from the seed, and others in it are ignored, so that a trained body
    can get a new head. The notes report both.

    Args:
        source: A file, a folder of shards, or arrays by name.
        maps: The `weights` maps of the file.
        names: The map to read by; selected automatically by default.
        is_complete: Whether `source` must have all weights, as an evaluation needs them.

    Raises:
        WeightsError: weights that are damaged, have wrong shapes, or do not include any of the model's; or
            not all of them, where `is_complete` is set.
    """
    needed = all_parameters(phases)
    if source is None:
        return FirstWeights(_drawn(needed, needed, seed))
    types = {path: type_ for path, (_, type_) in needed.items()}
    kinds = {path: block for p in phases for path, block in blocks_of_weights(expand(p.model)).items()}
    loaded, unused = _read(types, kinds, source, maps or {}, names=names, is_complete=is_complete)
    missing = [path for path in needed if path not in loaded]
    notes = [f"{len(loaded)} weights are read from {'arrays' if isinstance(source, Mapping) else source}"]
    if missing:
        notes.append(f"{len(missing)} are new and drawn from seed {seed}: {_listed(missing)}")
    if unused:
        notes.append(f"{len(unused)} in the file are not used: {_listed(unused)}")
    return FirstWeights({**_drawn(needed, missing, seed), **loaded}, tuple(notes))


def _drawn(
    needed: Mapping[str, tuple[Parameter, TensorType]], paths: Iterable[str], seed: int
) -> dict[str, Array]:
    paths = list(paths)
    types = {path: needed[path][1] for path in paths}
    check_room("the weights need", {f"`{path}` {type_}": type_.bytes.value for path, type_ in types.items()})
    return {path: initial_value(path, needed[path][0].init, needed[path][1], seed) for path in paths}


def _read(
    types: Mapping[str, TensorType],
    kinds: Mapping[str, str],
    source: WeightSource,
    maps: Mapping[str, Weights],
    *,
    names: str | None,
    is_complete: bool,
) -> tuple[Mapping[str, Array], Sequence[str]]:
    expected = {
        path: (tuple(size.value for size in type_.shape), type_.dtype.value) for path, type_ in types.items()
    }
    file = read_weights(source)
    chosen = choose_map(file, expected, maps, names)
    renamed = file if chosen is None else read_renamed(file, name_map(maps[chosen]), expected)
    match = match_weights(expected, renamed, strict=False, kinds=kinds)
    if not match.arrays or (is_complete and match.missing):
        match_weights(expected, renamed, kinds=kinds)  # report all differences
        raise WeightsError.make("E0721", "the file has none of the model's weights")
    return match.arrays, match.unexpected


def _listed(names: Sequence[str], count: int = 4) -> str:
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more
