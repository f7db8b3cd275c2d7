"""Which of their layers is which of ours: by shapes, then by names, then by order, which is a guess."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from netdsl.immutable import immutable
from netruntime.weight_files.proposing.layers import Layer

LISTED = 3
"""Names listed in a comment; the rest are counted."""

_SAME = {"query": "q", "wq": "q", "key": "k", "wk": "k", "value": "v", "wv": "v", "wo": "out", "o": "out"}
"""Words for one thing: the projections of attention."""
_WORD = re.compile(r"[a-z]+|[0-9]+")
_NOISE = frozenset({"proj", "layer", "layers", "weight", "bias", "model", "module"})


@immutable
class Pair:
    """One of our layers with one of theirs; `others` of theirs fit as well, and no name says which."""

    ours: Layer
    theirs: Layer
    others: Sequence[str] = ()

    def comment(self) -> str:
        """What a rule says of a guess."""
        if not self.others:
            return ""
        more = f" and {len(self.others) - LISTED} more" if len(self.others) > LISTED else ""
        listed = ", ".join(self.others[:LISTED])
        return f"  # a guess: {listed}{more} {'fit' if len(self.others) > 1 else 'fits'} as well"


def in_order(layers: Sequence[Layer]) -> list[Layer]:
    """The layers as they were stored, or by their numbers where a file sorted them as texts."""
    names = [one.name for one in layers]
    if names != sorted(names):
        return list(layers)
    return sorted(layers, key=lambda one: (_natural(one.name), _natural(one.suffix or ""), one.part or 0))


def paired(
    wanted: Sequence[Layer], given: Sequence[Layer], fits: Mapping[str, Sequence[Layer]]
) -> list[Pair]:
    """A pair for each of `wanted`, in its order; empty if one finds none. `fits` lists theirs by our name."""
    classes: dict[tuple[int, ...], list[Layer]] = {}
    for one in wanted:
        members = tuple(n for n, other in enumerate(given) if other in fits[one.name])
        classes.setdefault(members, []).append(one)
    pairs: dict[str, Pair] = {}
    for members, ours in classes.items():
        theirs = [given[n] for n in members]
        if len(ours) != len(theirs):
            return []
        pairs |= {pair.ours.name: pair for pair in _within(ours, theirs)}
    return [pairs[one.name] for one in wanted]


def _within(ours: Sequence[Layer], theirs: Sequence[Layer]) -> list[Pair]:
    """Pairs of layers that all fit each other: those whose names are each other's best, then in order."""
    numbered = sorted(map(_numbers, ours)) == sorted(map(_numbers, theirs))
    left, pool = list(ours), list(theirs)
    pairs: list[Pair] = []
    while certain := _mutual(left, pool, numbered):
        pairs += [Pair(left[a], pool[b]) for a, b in certain]
        left = [one for n, one in enumerate(left) if n not in [a for a, _ in certain]]
        pool = [one for n, one in enumerate(pool) if n not in [b for _, b in certain]]
    parts = {one.name for one in pool if one.part is not None}
    if len(pool) == 1 or (len(parts) == 1 and all(one.part is not None for one in pool)):
        return pairs + [Pair(a, b) for a, b in zip(left, pool, strict=True)]
    return pairs + [Pair(a, b, _others(b, pool)) for a, b in zip(left, pool, strict=True)]


def _others(chosen: Layer, pool: Sequence[Layer]) -> list[str]:
    names = dict.fromkeys(f'"{one.name}{one.suffix or ""}"' for one in pool if one != chosen)
    return [name for name in names if name != f'"{chosen.name}{chosen.suffix or ""}"']


def _mutual(ours: Sequence[Layer], theirs: Sequence[Layer], numbered: bool) -> list[tuple[int, int]]:
    """The pairs in which each is the only best of the other, by the words that their names share."""
    rows = [[len(_words(a, numbered) & _words(b, numbered)) for b in theirs] for a in ours]
    columns = [list(column) for column in zip(*rows, strict=True)]
    best = [(a, _only_best(row)) for a, row in enumerate(rows)]
    return [(a, b) for a, b in best if b is not None and _only_best(columns[b]) == a]


def _only_best(scores: Sequence[int]) -> int | None:
    top = max(scores, default=0)
    return scores.index(top) if top and scores.count(top) == 1 else None


def _words(layer: Layer, numbered: bool) -> frozenset[str]:
    name = f"{layer.name}{layer.suffix or ''}".lower()
    if layer.part is not None:
        name += f".{'qkv'[layer.part]}"
    words = [_SAME.get(word, word) for word in _WORD.findall(name)]
    seen: dict[str, int] = {}
    kept = []
    for word in words:
        if word.isdigit():
            seen["number"] = seen.get("number", -1) + 1
            kept += [f"{seen['number']}:{word}"] * numbered
        elif word == "reverse" or word == "bwd":
            kept.append("backward")
        elif word not in _NOISE:
            kept.append(word)
    return frozenset(kept)


def _numbers(layer: Layer) -> tuple[int, ...]:
    return tuple(int(word) for word in _WORD.findall(f"{layer.name}{layer.suffix or ''}") if word.isdigit())


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(p), "") if p.isdigit() else (-1, p) for p in re.split(r"([0-9]+)", name)]
