"""The lengths that a generation reaches, and what the model assumes about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from netruntime.engine.binding import broken_assumption, check_assumptions
from netruntime.engine.network import Network
from netruntime.generation.roles import Roles
from netruntime.sizes import bind_sizes

MAX_AHEAD = 10_000
"""How many lengths are looked at before generating, so that a large `max_new` takes no time."""


def sizes_at(
    network: Network, roles: Roles, given: Mapping[str, Any], rows: int, length: int
) -> dict[str, int]:
    """The free sizes of a run on `rows` sequences of `length` tokens, as far as they are known."""
    sizes: dict[str, int] = {}
    for name, array in given.items():
        shape, declared = np.shape(array), network.inputs[name].shape
        if len(shape) == len(declared):
            sizes = bind_sizes(declared, shape, sizes)
    batch = {} if roles.spec.batch is None else {roles.spec.batch: rows}
    return sizes | batch | {roles.spec.time: length}


def within_assumptions(
    network: Network,
    roles: Roles,
    given: Mapping[str, Any],
    prompts: tuple[int, ...],
    max_new: int,
    *,
    beams: int = 1,
) -> tuple[int, list[str]]:
    """How many new tokens follow while all that the model assumes about its sizes is true.

    Also a notice if that is fewer than `max_new`. `prompts` are the rows and the length of the prompts; the
    search keeps `beams` sequences for each row.

    Raises `DataInputError` E0853 where an assumption is not true of the prompts.
    """
    rows, length = prompts[0] * beams, prompts[1]
    first = length if roles.limit is None else min(length, roles.limit)
    sizes = sizes_at(network, roles, given, rows, first)
    check_assumptions(network.model, sizes)
    over_time = [one for one in network.assumptions if roles.spec.time in one.condition.symbols]
    steps = min(max_new, MAX_AHEAD) if over_time else 0
    for count, reached in enumerate(_lengths(first, steps, roles.limit)):
        now = {**sizes, roles.spec.time: reached}
        broken = next((one for one in over_time if not one.condition.holds(now)), None)
        if broken is not None:
            tokens = f"{count} new token{'s' if count != 1 else ''}"
            verb = "asserts" if broken.is_stated else "assumes"
            place = f"{broken.span.source.name}:{broken.span.line}"
            notice = f"`{network.name}` {verb} that {broken.condition} ({place})"
            return count, [f"the text ends after {tokens}, at a length of {reached - 1}: {notice}"]
    return max_new, []


def _lengths(first: int, count: int, limit: int | None) -> Iterator[int]:
    """The number of tokens that the model has seen before each new one."""
    length = first
    for _ in range(count):
        yield length
        length = max(limit // 2, 1) if length == limit else length + 1


def tested_length(network: Network, roles: Roles, rows: int, most: int, usual: int) -> int:
    """The length, up to `most` and near the usual one, at which all assumptions are true; 0 without one."""

    def is_allowed(length: int) -> bool:
        return broken_assumption(network.model, sizes_at(network, roles, {}, rows, length)) is None

    lengths = sorted(range(2, min(most, MAX_AHEAD) + 1), key=lambda length: (abs(length - usual), length))
    return next(filter(is_allowed, lengths), 0)
