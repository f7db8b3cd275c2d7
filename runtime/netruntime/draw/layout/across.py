"""Positions across the layers: each slot as near to its neighbours as the order in the layers allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import inf

from netdsl.immutable import immutable
from netruntime.draw.layout.geometry import GAP, HEADER, LANE_GAP, PAD
from netruntime.draw.layout.layers import LayerSlot, Level
from netruntime.draw.layout.ports import Ports

ROUNDS, STILL = 40, 0.05
"""How often chains are moved towards their neighbours at most, and the move below which they rest."""

Link = tuple[int, float]
"""A chain, and a distance from it."""


@immutable
class _Chains:
    """The chains of a group as a problem of numbers, by the chain's place in `Level.chains`.

    `lefts` and `rights` are the neighbours of each with the least distance to them, `pulls` those that a
    chain is wired to with the distance at which the wire is straight.
    """

    lefts: Sequence[Sequence[Link]]
    rights: Sequence[Sequence[Link]]
    pulls: Sequence[Sequence[Link]]


def centres(level: Level, ports: Ports) -> dict[LayerSlot, float]:
    """The middle of every slot, from any zero."""
    home = _homes(level, ports)
    lefts, rights = _neighbours(level, ports, home)
    x = _relaxed(_Chains(lefts, rights, _pulls(level, ports, home)))
    return {slot: x[chain] + offset for slot, (chain, offset) in home.items()}


def framed(level: Level, ports: Ports, x: Mapping[LayerSlot, float]) -> tuple[dict[LayerSlot, float], float]:
    """The slots moved into the frame of the group, and the width of the frame."""
    slots = [slot for layer in level.layers for slot in layer]
    left = min((x[s] - ports.width(s) / 2 for s in slots), default=0.0)
    right = max((x[s] + ports.width(s) / 2 for s in slots), default=0.0)
    header = ports.header
    start, least = (PAD, header) if ports.measures.down else (PAD + (HEADER if header else 0.0), 0.0)
    width = max(right - left + start + PAD, least)
    shift = start + (width - start - PAD - (right - left)) / 2 - left
    return {slot: centre + shift for slot, centre in x.items()}, width


def _homes(level: Level, ports: Ports) -> dict[LayerSlot, Link]:
    """For each slot its chain, and its distance from the first slot of the chain."""
    home: dict[LayerSlot, Link] = {}
    straight = {(w.upper, w.lower): w for w in level.wires if not w.side}
    for number, chain in enumerate(level.chains):
        offset = 0.0
        home[chain[0]] = number, 0.0
        for upper, lower in pairwise(chain):
            wire = straight[(upper, lower)]
            offset += ports.start(wire) - ports.end(wire)
            home[lower] = number, offset
    return home


def _neighbours(
    level: Level, ports: Ports, home: Mapping[LayerSlot, Link]
) -> tuple[list[list[Link]], list[list[Link]]]:
    """For each chain, those to its left and to its right with the least distance to them."""
    lefts: list[list[Link]] = [[] for _ in level.chains]
    rights: list[list[Link]] = [[] for _ in level.chains]
    for layer in level.layers:
        for a, b in pairwise(layer):
            (left, before), (right, behind) = home[a], home[b]
            least = before + (ports.width(a) + ports.width(b)) / 2 + _gap(a, b) - behind
            rights[left].append((right, least))
            lefts[right].append((left, least))
    return lefts, rights


def _pulls(level: Level, ports: Ports, home: Mapping[LayerSlot, Link]) -> list[list[Link]]:
    pulls: list[list[Link]] = [[] for _ in level.chains]
    for wire in level.wires:
        (a, above), (b, below) = home[wire.upper], home[wire.lower]
        if a == b or wire.side:
            continue
        shift = above + ports.start(wire) - below - ports.end(wire)
        pulls[b].append((a, shift))
        pulls[a].append((b, -shift))
    return pulls


def _relaxed(chains: _Chains) -> list[float]:
    """Positions of the chains: packed to the left, then moved in turns to the mean of their pulls."""
    order = _left_to_right(chains)
    x = [0.0] * len(order)
    for n in order:
        x[n] = max((x[m] + least for m, least in chains.lefts[n]), default=0.0)
    for turn in range(ROUNDS):
        moved = 0.0
        for n in order[::-1] if turn % 2 == 0 else order:
            if not chains.pulls[n]:
                continue
            wanted = sum(x[m] + shift for m, shift in chains.pulls[n]) / len(chains.pulls[n])
            low = max((x[m] + least for m, least in chains.lefts[n]), default=-inf)
            high = min((x[m] - least for m, least in chains.rights[n]), default=inf)
            settled = max(low, min(high, wanted))
            moved = max(moved, abs(settled - x[n]))
            x[n] = settled
        if moved < STILL:
            break
    return x


def _left_to_right(chains: _Chains) -> list[int]:
    """The chains in an order in which each comes after all to its left."""
    missing = [len(before) for before in chains.lefts]
    ready = [n for n, count in enumerate(missing) if count == 0]
    order = []
    while ready:
        n = ready.pop()
        order.append(n)
        for m, _ in chains.rights[n]:
            missing[m] -= 1
            if missing[m] == 0:
                ready.append(m)
    return order


def _gap(a: LayerSlot, b: LayerSlot) -> float:
    return GAP if a.item is not None and b.item is not None else LANE_GAP
