"""Reading arrays from a device together with the checks that it made, in one wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from netdsl.ops.numerics.checks import DeferredChecks
from netruntime.engine.backends import Device
from netruntime.engine.room import room_for


def read(
    device: Device, checks: Sequence[DeferredChecks], arrays: Sequence[Any] = ()
) -> list[np.ndarray[Any, Any]]:
    """The values of arrays of the device on the host, after a look at the checks; waits at most once.

    Raises:
        Exception: that of the first check that fails, which blames the step or the input it concerns.
    """
    counts = [each.counts() for each in checks]
    values = iter(device.fetch([*(block for blocks in counts for block in blocks), *arrays]))
    for each, blocks in zip(checks, counts, strict=True):
        each.raise_first([next(values) for _ in blocks])
    return list(values)


def read_results(device: Device, results: Mapping[str, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """The results of a run by name, on the host; waits once.

    Raises:
        DataInputError: E0822 where there is no memory for the copies.
    """
    with room_for("the copy of the results", device):
        return dict(zip(results, device.fetch(list(results.values())), strict=True))
