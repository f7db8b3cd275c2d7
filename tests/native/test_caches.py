"""KV caches: what is appended, attention to them, and models that run token by token with the same bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netruntime as nr
from native.running import Array, close, compiled, floats, library, run_natively
from netdsl.ops.attention.attention import Attention
from netruntime.engine.network import Network
from netruntime.generation import Decoder, find_roles
from netruntime.native.fused import AppendPacked, CachedAttention
from netruntime.native.run import NativeRun

EXAMPLES = Path(__file__).parents[2] / "examples"
SIZES = [
    # batch, heads, heads of keys, past, new, features of keys and of values
    (1, 12, 12, 512, 1, 64, 64),
    (2, 4, 2, 0, 5, 8, 8),
    (3, 2, 1, 30, 3, 5, 17),
    (1, 1, 1, 15, 1, 1, 1),
    (1, 2, 2, 16, 40, 16, 33),
    (1, 2, 2, 1030, 2, 7, 16),
]


def packed_caches(keys: Array, values: Array, room: int) -> tuple[Array, Array]:
    """Caches with room for so many blocks that hold these keys and values, with NaN in what is free."""
    batch, heads, _, size = keys.shape
    blocks = -(-values.shape[3] // 16)
    past = np.zeros(1, np.int64)
    rooms = (
        np.full((batch, heads, room, size, 16), np.nan, np.float32),
        np.full((batch, heads, blocks, 16 * room, 16), np.nan, np.float32),
    )
    for place, new, is_keys in zip(rooms, (keys, values), (True, False), strict=True):
        AppendPacked(is_keys).forward(np, place, new, past)
    return rooms


@pytest.mark.parametrize("keys", [True, False], ids=["keys", "values"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_positions_are_appended(sizes: tuple[int, ...], keys: bool) -> None:
    batch, _, heads, past, new, *features = sizes
    size, room = features[0 if keys else 1], (past + new) // 16 + 2
    rows = floats(batch, new, heads, size).transpose(0, 2, 1, 3)
    place = packed_caches(*[floats(batch, heads, past, n, seed=1) for n in features], room)[0 if keys else 1]
    wanted = place.copy()
    at = np.array([past], np.int64)
    AppendPacked(keys).forward(np, wanted, rows, at)
    run = compiled(AppendPacked(keys), [place.copy(), rows, at])
    run(place, np.ascontiguousarray(rows), at)
    np.testing.assert_array_equal(place, wanted)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_attention_to_a_cache(sizes: tuple[int, ...], causal: bool) -> None:
    """Close to NumPy, and the bits of attention without a cache."""
    batch, heads, of_keys, past, new, size, width = sizes
    q = floats(batch, heads, new, size)
    k, v = (floats(batch, of_keys, past + new, n, seed=n + 1) for n in (size, width))
    at = np.array([past], np.int64)
    op = Attention(causal=causal)
    rooms = packed_caches(k, v, (past + new) // 16 + 3)
    (found,) = run_natively(CachedAttention(op, width), [q, *rooms, at], threads=2)
    close(found, op.forward(np, q, k, v))
    np.testing.assert_array_equal(found, run_natively(op, [q, k, v])[0])
    close(CachedAttention(op, width).forward(np, q, *rooms, at), op.forward(np, q, k, v))


def gpt2(threads: int = 2) -> Network:
    library()
    sizes = {"vocab": 50, "positions": 700, "dim": 48, "depth": 2, "heads": 3}
    return nr.load(EXAMPLES / "gpt2.net", engine="native", threads=threads, **sizes)


def decoder(network: Network, positions: int = 0) -> Decoder:
    return Decoder(network, find_roles(network.model, network.graph), {}, positions=positions)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("chunks", [[1] * 40, [17, 1, 1, 30, 1], [505, *[1] * 20], [640, 1]], ids=str)
def test_token_by_token_gives_the_bits_of_the_complete_run(chunks: list[int], batch: int) -> None:
    network = gpt2()
    tokens = np.random.default_rng(0).integers(0, 50, (batch, sum(chunks))).astype(np.int32)
    whole = network.run({"ids": tokens})["logits"]
    for threads, positions in ((2, 0), (1, sum(chunks))):
        stepped = decoder(gpt2(threads), positions)
        at, found = 0, []
        for count in chunks:
            found.append(stepped.feed(tokens[:, at : at + count]))
            at += count
        np.testing.assert_array_equal(np.concatenate(found, axis=1), whole)


def test_a_step_is_one_native_run() -> None:
    stepped = decoder(gpt2())
    for length in (20, 1, 1, 1):
        stepped.feed(np.zeros((1, length), np.int64))
    plans = list(stepped._stepper._plans._plans.values())  # type: ignore[attr-defined]
    assert len(plans) == 2  # for 20 tokens and for one
    for plan in plans:
        assert [isinstance(step.run, NativeRun) for step in plan.steps] == [False, True]
        assert "range" in plan.graph.node(plan.steps[0].node).label


def test_rows_are_taken_from_packed_caches() -> None:
    network = gpt2()
    tokens = np.random.default_rng(0).integers(0, 50, (2, 20))
    stepped, whole = decoder(network), decoder(network)
    stepped.feed(tokens)
    stepped.take([1, 0, 1])
    whole.feed(tokens[[1, 0, 1]])
    np.testing.assert_array_equal(stepped.feed(tokens[[0, 0, 1], :1]), whole.feed(tokens[[0, 0, 1], :1]))
