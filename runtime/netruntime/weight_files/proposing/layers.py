"""Layers of a checkpoint; PyTorch's recurrent cells and joined q, k and v are read as ours."""

from __future__ import annotations

import re
from collections.abc import Mapping

from netdsl.immutable import immutable
from netruntime.files.arrays import ArrayInfo

Leaves = Mapping[str, ArrayInfo]
"""The weights of a layer by the last part of their names."""

_CELL = re.compile(r"(?:(.*)\.)?(weight|bias)_(ih|hh)((?:_l\d+)?(?:_reverse)?)", re.S)
_JOINED = re.compile(r"(?:(.*)\.)?in_proj_(weight|bias)", re.S)
_PARTS = 3


@immutable
class Layer:
    """Weights that belong together. `part` counts the layers that one array of theirs is cut into.

    `suffix` is what the names of a recurrent cell end with, such as `_l0_reverse`.
    """

    name: str
    leaves: Leaves
    part: int | None = None
    suffix: str | None = None

    @property
    def is_turned(self) -> bool:
        """Whether it is known to be stored `[out, in]`, as PyTorch does."""
        return self.part is not None or self.suffix is not None

    def as_cell(self, ours: Leaves) -> Leaves | None:
        """The leaves that ours would get from a recurrent cell of PyTorch; None if they differ in meaning.

        An LSTM or RNN here has the sum of the two biases; a GRU has both.
        """
        own = self.leaves
        if not {"weight_ih", "weight_hh"} <= own.keys() or "U" not in ours:
            return None
        states, gates = ours["U"].shape
        both = "c" in ours
        if ("b" in ours) != ("bias_ih" in own) or ("b" in ours and both != (gates == 3 * states)):
            return None
        biases = {"b": own["bias_ih"]} if "b" in ours else {}
        biases |= {"c": own["bias_hh"]} if both else {}
        return {"W": own["weight_ih"], "U": own["weight_hh"], **biases}

    def rules(self, ours: str, leaves: Leaves) -> list[str]:
        """The rules for a recurrent cell."""
        start = f"{self.name}." if self.name else ""
        name = {n: f'"{start}{n}{self.suffix}"' for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
        rules = [
            f'{name["weight_ih"]} => "{ours}.W" transpose',
            f'{name["weight_hh"]} => "{ours}.U" transpose',
        ]
        if "c" in leaves:
            return [*rules, f'{name["bias_ih"]} => "{ours}.b"', f'{name["bias_hh"]} => "{ours}.c"']
        return [*rules, f'{name["bias_ih"]} + {name["bias_hh"]} => "{ours}.b"'] if "b" in leaves else rules


def layers_of(weights: Mapping[str, ArrayInfo]) -> list[Layer]:
    """The layers of weights in their order; empty if one belongs to none."""
    groups: dict[tuple[str, str | None, bool], dict[str, ArrayInfo]] = {}
    for name, info in weights.items():
        layer, _, leaf = name.rpartition(".")
        cell, joined = _CELL.fullmatch(name), _JOINED.fullmatch(name)
        key: tuple[str, str | None, bool] = (layer, None, False)
        if cell:
            key, leaf = (cell[1] or "", cell[4], False), f"{cell[2]}_{cell[3]}"
        elif joined:
            key, leaf = (joined[1] or "", None, True), joined[2]
        elif not layer:
            return []
        groups.setdefault(key, {})[leaf] = info
    layers: list[Layer] = []
    for (name, suffix, is_joined), leaves in groups.items():
        layers += _cut(name, leaves) if is_joined else [Layer(name, leaves, None, suffix)]
    return layers


def _cut(name: str, leaves: Leaves) -> list[Layer]:
    rows = {leaf: info.shape[0] for leaf, info in leaves.items() if info.shape}
    if len(rows) < len(leaves) or any(size % _PARTS for size in rows.values()):
        return [Layer(name, leaves)]
    cut = {
        leaf: ArrayInfo(info.dtype, (info.shape[0] // _PARTS, *info.shape[1:]))
        for leaf, info in leaves.items()
    }
    return [Layer(name, cut, part) for part in range(_PARTS)]
