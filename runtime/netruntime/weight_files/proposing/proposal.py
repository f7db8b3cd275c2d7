"""A `weights` map for weights that fit a model under other names, and which of its lines are guesses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from netdsl.immutable import immutable
from netruntime.files.arrays import ArrayInfo
from netruntime.weight_files.proposing.layers import Layer, Leaves, layers_of
from netruntime.weight_files.proposing.pairing import Pair, in_order, paired

MAX_LAYERS = 200
"""No map is proposed for more layers than this."""
MAX_KINDS = 4
"""With more kinds of blocks, all of their matrices are transposed, or none."""

COUNTER = "num_batches_tracked"
"""What PyTorch saves beside the statistics of a batch norm; no model here has it."""

_NEVER = "Embedding"
"""The block whose matrix is stored as `[rows, width]` everywhere."""


@immutable
class Proposal:
    """The rules of a map, and what a reader has to check."""

    rules: Sequence[str]
    guesses: bool = False
    """Whether layers of equal shapes were paired by their order."""
    squares: bool = False
    """Whether nothing shows that matrices are stored transposed."""

    def __str__(self) -> str:
        """The lines of a map, for a help, after the words that introduce it."""
        notes = ["compare the lines marked as guesses with the network that saved them"] * self.guesses
        notes += ["the matrices fit both ways: leave out `transpose` if netdsl saved them"] * self.squares
        start = "; ".join(["read them by their names", *notes, "add to the file"])
        rules = (f"           {rule}" for rule in self.rules)
        return "\n".join([f"{start}: weights theirs {{", *rules, "         }"])


def propose(
    ours: Mapping[str, ArrayInfo], theirs: Mapping[str, ArrayInfo], kinds: Mapping[str, str]
) -> Proposal | None:
    """Rules that give every weight of ours one of theirs of its shape; None if not all of both fit.

    All matrices of a kind of block are transposed, or none. Layers whose names do not show which is which
    are paired in their order; the rules say so in comments.
    """
    used = {name: info for name, info in theirs.items() if name.rpartition(".")[2] != COUNTER}
    wanted, given = layers_of(ours), layers_of(used)
    if not wanted or len(wanted) != len(given) or len(wanted) > MAX_LAYERS:
        return None
    kind = {one.name: kinds.get(f"{one.name}.{next(iter(one.leaves))}", "") for one in wanted}
    ways = [(turned, pairs) for turned in _ways(wanted, kind) if (pairs := _fit(wanted, given, kind, turned))]
    if not ways:
        return None
    turned, pairs = ways[0]
    counter = [f'"*.{COUNTER}" => none'] if len(used) < len(theirs) else []
    is_torch = bool(counter) or any(one.is_turned for one in given)
    rules = [*counter, *_rules(pairs, {k for k, name in kind.items() if name in turned})]
    return Proposal(rules, any(pair.others for pair in pairs), len(ways) > 1 and not is_torch)


def _ways(wanted: Sequence[Layer], kind: Mapping[str, str]) -> Iterator[frozenset[str]]:
    """The kinds of blocks whose matrices could be transposed: all, none, or some."""
    names = sorted({kind[one.name] for one in wanted if _has_matrix(one.leaves)} - {_NEVER})
    counts = range(len(names), -1, -1) if len(names) <= MAX_KINDS else [len(names), 0]
    for count in counts:
        yield from map(frozenset, combinations(names, count))


def _fit(
    wanted: Sequence[Layer], given: Sequence[Layer], kind: Mapping[str, str], turned: frozenset[str]
) -> list[Pair]:
    """One of their layers for each of ours, all different; empty if one of ours has none."""
    fits: dict[str, list[Layer]] = {}
    for one in wanted:
        is_turned = kind[one.name] in turned
        fits[one.name] = [other for other in given if _fits(one.leaves, other, is_turned)]
    pairs = paired(wanted, in_order(given), fits)
    return _joined(pairs)


def _joined(pairs: list[Pair]) -> list[Pair]:
    """The pairs, if the parts of each array of theirs stay together, in their order; else none."""
    parts: dict[str, list[int]] = {}
    for pair in pairs:
        if pair.theirs.part is not None:
            parts.setdefault(pair.theirs.name, []).append(pair.theirs.part)
    return pairs if all(order == sorted(order) for order in parts.values()) else []


def _rules(pairs: Sequence[Pair], turned: set[str]) -> list[str]:
    rules: list[str] = []
    joined: dict[str, list[str]] = {}
    for pair in pairs:
        if pair.theirs.part is not None:
            joined.setdefault(pair.theirs.name, []).append(pair.ours.name)
    for pair in pairs:
        ours, theirs = pair.ours, pair.theirs
        if theirs.suffix is not None:
            lines = theirs.rules(ours.name, ours.leaves)
        elif theirs.part is not None:
            start = f"{theirs.name}." if theirs.name else ""
            target = " | ".join(f"{name}.*" for name in joined[theirs.name])
            lines = [f'"{start}in_proj_*" => "{target}" transpose'] if not theirs.part else []
        else:
            mode = " transpose" if ours.name in turned and _has_matrix(ours.leaves) else ""
            lines = [f'"{theirs.name}.*" => "{ours.name}.*"{mode}']
        rules += [f"{lines[0]}{pair.comment()}", *lines[1:]] if lines else []
    return rules


def _fits(ours: Leaves, theirs: Layer, turned: bool) -> bool:
    leaves: Leaves | None = theirs.leaves
    if theirs.suffix is not None:
        leaves, turned = theirs.as_cell(ours), True
    if leaves is None or ours.keys() != leaves.keys() or (theirs.part is not None and not turned):
        return False
    return all(ours[leaf].shape == _as_read(leaves[leaf].shape, turned) for leaf in ours)


def _as_read(shape: tuple[int, ...], turned: bool) -> tuple[int, ...]:
    return shape[::-1] if turned and len(shape) == 2 else shape


def _has_matrix(leaves: Leaves) -> bool:
    return any(len(info.shape) == 2 for info in leaves.values())
