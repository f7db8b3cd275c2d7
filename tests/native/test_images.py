"""Operators on images in blocks: joins along channels, norms over neighbouring channels, bins."""

from __future__ import annotations

import numpy as np
import pytest

import netruntime as nr
from native.running import check, close, floats, library
from netdsl.ops.norm.local_response_norm import LocalResponseNorm
from netdsl.ops.pool.adaptive_pool import AdaptiveAvgPool


@pytest.mark.parametrize("channels", [1, 15, 16, 17, 50])
def test_local_response_norm(channels: int) -> None:
    x = floats(2, channels, 5, 7) * 3
    check(LocalResponseNorm(alpha=0.5), x)
    check(LocalResponseNorm(4, 0.5, 0.5, 2.0), x)
    check(LocalResponseNorm(31, 0.5, 1.0), x)
    x[0, channels // 2, 2, 2], x[1, 0, 1, 1] = np.nan, np.inf
    check(LocalResponseNorm(), x)


def test_bins() -> None:
    x = floats(2, 19, 6, 8)
    for size in ((6, 8), (1, 1), (3, 2)):
        check(AdaptiveAvgPool(size), x)


JOINED = """net 1.0

model Joined(x: f32[B, 3, 9, 11]) -> y: f32[B, 8, *_] {
  a = x -> a: Conv(16, 3, pad=1)
  b = x -> b: Conv(LAST, 1) -> relu
  return concat(a, b, a, axis=1) -> adaptive_avg_pool([9, 11]) -> c: Conv(8, 3, pad=1)
}
"""


@pytest.mark.parametrize("last", [16, 20])
def test_images_joined_along_channels(last: int) -> None:
    """The second one ends with a complete block, or in the middle of one, where arrays are joined instead."""
    library()
    text = JOINED.replace("LAST", str(last)).replace("*_", "9, 11")
    x = {"x": floats(2, 3, 9, 11)}
    found, wanted = (nr.load(text, engine=engine).run(x)["y"] for engine in ("native", "numpy"))
    close(found, wanted)
