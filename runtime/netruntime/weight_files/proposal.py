"""A `weights` map for weights that fit a model under other names."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import SequenceMatcher

from netruntime.files.arrays import ArrayInfo

MAX_LAYERS = 200
"""No map is proposed for more layers than this."""

COUNTER = "num_batches_tracked"
"""What PyTorch saves beside the statistics of a batch norm; no model here has it."""

Layers = dict[str, dict[str, ArrayInfo]]


def proposed_rules(
    ours: Mapping[str, ArrayInfo], theirs: Mapping[str, ArrayInfo], kinds: Mapping[str, str]
) -> list[str]:
    """Rules that give every weight of ours one of theirs of its shape; none if not all of both fit.

    All matrices of a kind of block are transposed, or none: square ones fit both ways.
    """
    used = {name: info for name, info in theirs.items() if name.rpartition(".")[2] != COUNTER}
    wanted, given = _layers(ours), _layers(used)
    if not wanted or len(wanted) != len(given) or len(wanted) > MAX_LAYERS:
        return []
    pairs = _paired(wanted, given)
    kind = {a: kinds.get(f"{a}.{next(iter(leaves))}", "") for a, leaves in wanted.items()}
    turned = {kind[a] for a, b in pairs if _is_turned(wanted[a], given[b])}
    rules = [
        f'"{b}.*" => "{a}.*"{" transpose" if kind[a] in turned and _has_matrix(wanted[a]) else ""}'
        for a, b in pairs
    ]
    return [f'"*.{COUNTER}" => none', *rules] if pairs and len(used) < len(theirs) else rules


def as_map(rules: list[str]) -> str:
    """The rules as the lines of a map, for a help."""
    return "\n".join(["weights theirs {", *(f"           {rule}" for rule in rules), "         }"])


def _layers(weights: Mapping[str, ArrayInfo]) -> Layers:
    """The weights by the layer that their names begin with."""
    layers: Layers = {}
    for name, info in weights.items():
        layer, _, leaf = name.rpartition(".")
        if not layer:
            return {}
        layers.setdefault(layer, {})[leaf] = info
    return layers


def _paired(wanted: Layers, given: Layers) -> list[tuple[str, str]]:
    """One of their layers for each of ours, all different; empty if one of ours has none."""
    pairs: list[tuple[str, str]] = []
    left = dict(given)
    for name, leaves in wanted.items():
        fits = [other for other, theirs in left.items() if _fits(leaves, theirs)]
        if not fits:
            return []
        best = max(fits, key=lambda other: (SequenceMatcher(None, name, other).ratio(), -fits.index(other)))
        chosen = best if len({str(left[f]) for f in fits}) > 1 else fits[0]
        pairs.append((name, chosen))
        del left[chosen]
    return pairs


def _fits(ours: Mapping[str, ArrayInfo], theirs: Mapping[str, ArrayInfo]) -> bool:
    return ours.keys() == theirs.keys() and all(
        ours[leaf].shape in (theirs[leaf].shape, _turned(theirs[leaf].shape)) for leaf in ours
    )


def _is_turned(ours: Mapping[str, ArrayInfo], theirs: Mapping[str, ArrayInfo]) -> bool:
    return any(ours[leaf].shape != theirs[leaf].shape for leaf in ours)


def _has_matrix(leaves: Mapping[str, ArrayInfo]) -> bool:
    return any(len(info.shape) == 2 for info in leaves.values())


def _turned(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:-2], shape[-1], shape[-2]) if len(shape) > 1 else shape
