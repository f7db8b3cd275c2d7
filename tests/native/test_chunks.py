"""Small networks go through a large batch in chunks of rows, with the bits of all rows at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netruntime as nr
from native.networks import inputs_of, open_example
from native.running import library
from netruntime.engine.network import Network
from netruntime.native.chunks import rows_of_chunk
from netruntime.native.run import NativeRun

IMAGES = "f32[B, 1, 28, 28]"
LAYERS = "Conv(16, 5, pad=2) -> relu -> max_pool(2)"


def lenet(threads: int = 2) -> Network:
    library()
    return open_example("lenet5", engine="native", threads=threads)


def runs_of(net: Network) -> list[NativeRun]:
    """The native runs of the network's only plan."""
    (plan,) = net._plans._plans.values()
    return [step.run for step in plan.steps if isinstance(step.run, NativeRun)]


def images(batch: int) -> dict[str, Any]:
    return inputs_of(lenet(), "lenet5", batch)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_chunks_compute_what_each_row_alone_would(threads: int) -> None:
    net, alone = lenet(threads), lenet(1)
    inputs = images(64)
    logits = net.run(inputs)["logits"]
    (run,) = runs_of(net)
    assert run.chunks.count * run.chunks.rows == 64 and run.chunks.count >= 2 * threads
    for row in range(64):
        one = alone.run({"image": inputs["image"][row : row + 1]})["logits"]
        np.testing.assert_array_equal(logits[row : row + 1], one)


def test_a_batch_that_fits_into_the_cache_runs_at_once() -> None:
    net = lenet()
    net.run(images(4))
    assert runs_of(net)[0].chunks.count == 1


@pytest.mark.parametrize(
    ("end", "expected"),
    [("flatten -> Linear(4)", True), ("softmax(over=0)", False), ("mean(over=0)", False), ("sum", False)],
)
def test_what_mixes_rows_runs_at_once(tmp_path: Path, end: str, expected: bool) -> None:
    library()
    path = tmp_path / "m.net"
    path.write_text(f"net 1.0\nmodel M(x: {IMAGES}) {{ return x -> {LAYERS} -> {end} }}\n")
    native, numpy = (nr.load(path, seed=1, engine=engine, threads=2) for engine in ("native", "numpy"))
    x = np.random.default_rng(0).random((64, 1, 28, 28), np.float32)
    np.testing.assert_allclose(native(x=x), numpy(x=x), rtol=2e-4, atol=1e-5)
    assert any(run.chunks.count > 1 for run in runs_of(native)) is expected


@pytest.mark.parametrize(
    "body",
    [
        "param p: [1024, 64] = normal(1.0)\n"
        "  return x -> Linear(64) -> add(p) -> relu -> Linear(512) -> relu -> Linear(64)",
        "return x -> Linear(512) -> reshape([B, 512]) -> relu -> Linear(64)",
        "return x -> reshape([1024, 4, 16]) -> MultiHeadAttention(4) -> flatten",
    ],
)
def test_constants_and_shapes_of_the_batch(tmp_path: Path, body: str) -> None:
    library()
    path = tmp_path / "m.net"
    size = "1024" if "1024" in body else "B"
    path.write_text(f"net 1.0\nmodel M(x: f32[{size}, 64]) {{\n  {body}\n}}\n")
    native, numpy = (nr.load(path, seed=1, engine=engine, threads=2) for engine in ("native", "numpy"))
    x = np.random.default_rng(0).random((1024, 64), np.float32)
    np.testing.assert_allclose(native(x=x), numpy(x=x), rtol=2e-4, atol=1e-5)


def test_threads_with_memory_of_their_own() -> None:
    net = lenet()
    inputs = [images(batch) for batch in (32, 64)]
    expected = [net.run(one)["logits"] for one in inputs]
    with ThreadPoolExecutor(8) as pool:
        for n, logits in enumerate(pool.map(lambda n: net.run(inputs[n % 2])["logits"], range(24))):
            np.testing.assert_array_equal(logits, expected[n % 2])


def test_the_memory_is_that_of_a_chunk_for_each_thread() -> None:
    net = lenet()
    net.run(images(64))
    (run,) = runs_of(net)
    assert run.memory(2) == 2 * (run.arena + 2 * run.scratch) < 64 * run.arena / run.chunks.rows


def test_times_of_records_count_all_chunks() -> None:
    net = lenet(1)
    inputs = images(64)
    net.run(inputs)
    (run,) = runs_of(net)
    times = np.zeros(len(run.records), np.int64)
    weights = [net.weights[label] for label in net.weights]
    assert len(weights) == len(run.weights)
    run.call([inputs["image"]], run._constants, times)  # type: ignore[arg-type]
    assert (times > 0).all()


@pytest.mark.parametrize(
    ("rows", "bytes_of_row", "threads", "expected"),
    [
        (64, 1000, 2, 8),
        (64, 2**18, 2, 4),
        (64, 2**18, 9, 2),
        (63, 1000, 2, 7),
        (61, 1000, 2, 1),
        (64, 2**21, 2, None),
    ],
)
def test_rows_of_a_chunk(rows: int, bytes_of_row: int, threads: int, expected: int | None) -> None:
    assert rows_of_chunk(rows, bytes_of_row, threads) == expected
