"""Constants: large ones are shared between runs, and never outlive the weights that they are made of."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netruntime as nr
from native.running import compiled, library
from netdsl.ops.linear.linear import Linear
from netruntime.engine.network import Network
from netruntime.native import packing
from netruntime.native.builder import Packed
from netruntime.native.packing import SHARED, Packing
from netruntime.native.program import Large
from netruntime.native.run import NativeRun

TIED = """net 1.0
model Tied(ids: i32[B, T]) -> logits: f32[B, T, 700] {
  layer embed = Embedding(700, 512)
  h = embed(ids) -> wide: Linear(1024) -> relu -> narrow: Linear(512)
  return h @ transpose(embed.weight, [1, 0])
}
"""
"""Its matrices have more than 1 MiB each."""


def open_tied() -> Network:
    library()
    return nr.load(TIED, engine="native", threads=1)


def ids(*shape: int) -> dict[str, np.ndarray]:
    return {"ids": np.random.default_rng(0).integers(0, 700, shape).astype(np.int32)}


def large_of(network: Network) -> list[tuple[Large, ...]]:
    runs = [step.run for plan in network._plans._plans.values() for step in plan.steps]
    return [run._constants.large for run in runs if isinstance(run, NativeRun) and run._constants is not None]


def test_runs_on_other_shapes_share_large_constants() -> None:
    network = open_tied()
    expected = nr.load(TIED, engine="numpy").run(ids(2, 5))["logits"]
    np.testing.assert_allclose(network.run(ids(2, 5))["logits"], expected, rtol=1e-5, atol=1e-5)
    network.run(ids(1, 3))
    one, other = large_of(network)
    assert len(one) == 4  # the table as it is, and three packed matrices
    assert [a.address for a in one] == [b.address for b in other]


def test_the_largest_constants_are_made_first(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = open_tied().run(ids(2, 3))["logits"]
    gc.collect()
    made: list[int] = []

    def watched(self: Packing, one: Packed, *others: Any) -> None:
        made.append(one.at.buffer.size)
        pack(self, one, *others)

    pack = Packing._pack
    monkeypatch.setattr(packing, "HUGE", 2**20)
    monkeypatch.setattr(Packing, "_pack", watched)
    np.testing.assert_array_equal(open_tied().run(ids(2, 3))["logits"], expected)
    large = [size for size in made if size >= 2**20]
    assert len(set(large)) > 1 and large == sorted(large, reverse=True)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_pages_of_packed_weights_are_given_back(tmp_path: Path) -> None:
    file = tmp_path / "tied.safetensors"
    open_tied().save(file)
    network = nr.load(TIED, file, engine="native", threads=1)
    found = network.run(ids(1, 3))["logits"]
    regions = Path("/proc/self/smaps").read_text().split(str(file))[1:]
    resident = sum(int(region.split("Rss:")[1].split()[0]) for region in regions)
    size = file.stat().st_size // 1024
    assert len(regions) > 0 and resident < size // 3, f"{resident} kB of {size}: more than the table"
    np.testing.assert_array_equal(found, open_tied().run(ids(1, 3))["logits"])
    again = nr.load(TIED, dict(network.weights), engine="numpy").run(ids(1, 3))["logits"]
    np.testing.assert_allclose(found, again, rtol=1e-5, atol=1e-5)


def test_a_table_that_is_only_read_is_not_copied() -> None:
    network = open_tied()
    network.run(ids(1, 2))
    table = network.device_weights["embed.weight"]
    assert table.__array_interface__["data"][0] in [large.address for large in large_of(network)[0]]


def test_other_weights_have_constants_of_their_own() -> None:
    one, other = open_tied(), nr.load(TIED, engine="native", threads=1, seed=7)
    first = one.run(ids(1, 3))["logits"]
    found = other.run(ids(1, 3))["logits"]
    expected = nr.load(TIED, engine="numpy", seed=7).run(ids(1, 3))["logits"]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert not np.allclose(found, first)


def test_constants_go_with_the_last_run_that_has_them() -> None:
    gc.collect()
    before = len(SHARED)
    network = open_tied()
    network.run(ids(1, 3))
    assert len(SHARED) == before + 4
    del network
    gc.collect()
    assert len(SHARED) == before


def test_weights_that_can_be_written_to_are_packed_for_each_call() -> None:
    library()
    rng = np.random.default_rng(0)
    x, weight = (rng.normal(size=shape).astype(np.float32) for shape in ((3, 512), (512, 700)))
    run, before = compiled(Linear(), [x, weight], [1]), len(SHARED)
    for _ in range(2):
        np.testing.assert_allclose(run(x, weight)[0], x @ weight, rtol=1e-4, atol=1e-4)
        weight *= 2
    assert len(SHARED) == before
