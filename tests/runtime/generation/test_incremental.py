"""Running a model along a sequence gives what running it on the whole sequence gives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_models import (
    ATTEND,
    GROWING,
    LAST_POSITION,
    LOOK,
    NEXT_TOKEN,
    STAGES,
    attend_text,
    data_over_time,
    feed_chunks,
    load_lively,
    look_text,
    steppers,
    text_of,
)

import netruntime as nr
from netdsl.ops.contract.time import PAST
from netdsl.ops.sequence.scan import Scan
from netruntime.generation.incremental import (
    CachedStepper,
    FullStepper,
    SequenceSpec,
    UnsupportedError,
    make_incremental,
    open_stepper,
)
from netruntime.generation.incremental.buffer import Buffer
from netruntime.generation.incremental.programs import MOST_PLANS

EXAMPLES = Path(__file__).parents[3] / "examples"
CHUNKS = (3, 1, 2, 1, 1, 1)
GPT2 = {"vocab": 50, "dim": 16, "depth": 2, "heads": 2, "positions": 64}
TRANSFORMER = {"vocab": 50, "dim": 16, "depth": 2, "heads": 2, "ff": 32}
SRC = np.arange(14).reshape(2, 7)
FIXED = {"src": SRC, "src_keep": SRC % 5 != 3}


def check(
    net: nr.Network,
    output: str,
    lengths: frozenset[str] = frozenset(),
    fixed: Mapping[str, Any] | None = None,
    time: str = "T",
) -> CachedStepper:
    """The stepper with caches, once its outputs are seen to be those of the whole prefix, chunk by chunk."""
    cached, whole = steppers(net, SequenceSpec(time, (output,), lengths, "B"), fixed)
    assert isinstance(cached, CachedStepper)
    data = data_over_time(net, time, lengths, sum(CHUNKS))
    pairs = zip(
        feed_chunks(cached, data, CHUNKS, output), feed_chunks(whole, data, CHUNKS, output), strict=True
    )
    for found, expected in pairs:
        assert found.shape == expected.shape
        assert np.ptp(expected) > 0.05
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert cached.length == whole.length == sum(CHUNKS)
    return cached


@pytest.mark.parametrize("name", STAGES)
def test_language_models(name: str) -> None:
    check(load_lively(text_of(STAGES[name])), "logits")


@pytest.mark.parametrize("name", ATTEND)
def test_attention_written_out(name: str) -> None:
    check(load_lively(attend_text(ATTEND[name])), "logits")


@pytest.mark.parametrize("name", LOOK)
def test_looking_back(name: str) -> None:
    check(load_lively(look_text(LOOK[name])), "logits")


def test_gpt2() -> None:
    stepper = check(load_lively(EXAMPLES / "gpt2.net", **GPT2), "logits")
    assert len(stepper.incremental.caches) == 4  # the keys and the values of two layers


def test_transformer() -> None:
    net = load_lively(EXAMPLES / "transformer.net", **TRANSFORMER)
    stepper = check(net, "logits", fixed=FIXED)
    assert len(stepper.incremental.caches) == 5  # the keep-mask too
    labels = [data.label for _, data in stepper.incremental.graph.operators()]
    assert not any(label.startswith("encoder") for label in labels), "the encoder runs once"
    assert "decoder.0.cross_attn.wk.weight" not in labels, "and so do the keys that are made of it"


def test_forecaster() -> None:
    made = check(load_lively(EXAMPLES / "gru.net"), "forecast").incremental
    assert len(made.carries) == 2
    scans = [data for _, data in made.graph.operators() if isinstance(data.op, Scan)]
    assert len(scans) == 2, "a graph like any other, with its cells"


@pytest.mark.parametrize("name", ["rnn", "lstm"])
def test_many_to_one(name: str) -> None:
    check(load_lively(EXAMPLES / f"{name}.net"), "logits", frozenset({"length"}))


def test_next_token_alone() -> None:
    check(load_lively(f"net 1.0\n{NEXT_TOKEN}"), "logits", frozenset({"length"}))
    check(load_lively(f"net 1.0\n{LAST_POSITION}"), "logits")


def test_a_state_that_grows() -> None:
    net = load_lively(text_of("s: scan Cached(4)", GROWING))
    assert [str(carry.type) for carry in check(net, "logits").incremental.carries] == [
        "f32[B, past positions, 16]",
        "f32[B, past positions, 16]",
    ]


def test_f64() -> None:
    text = """net 1.0
model Small(ids: i32[B, T]) -> logits: f64[B, T, 11] {
  h = ids -> embed: Embedding(11, 16, dtype=f64) -> e: MultiHeadAttention(4, causal=true)
  return h -> out: Linear(11)
}
"""
    net = load_lively(text)
    cached, whole = steppers(net, SequenceSpec("T", ("logits",), batch="B"))
    data = data_over_time(net, "T", frozenset(), sum(CHUNKS))
    for found, expected in zip(
        feed_chunks(cached, data, CHUNKS, "logits"), feed_chunks(whole, data, CHUNKS, "logits"), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("stage", "words", "label"),
    [
        ("r: Recurrent(GRU(8), bidirectional=true)", "in reverse", "r.layer.0.bwd"),
        ("x: softmax(over=1)", "depend on one another", "x"),
        ("x: flip(over=1)", "depend on one another", "x"),
        ("x: cumsum(axis=1, reverse=true)", "from the end", "x"),
        ("x: Merged", "time is only a part of an axis", "x.reshape"),
        ("x: Scaled", "number of positions", "x.constant"),
        ("x: Centred", "reduces all positions", "x.mean"),
        ("x: Largest", "reduces all positions", "x.top_k"),
        ("x: Noisy", "draws random numbers", "x.normal"),
        ("x: Centre", "depend on one another", "x.c.conv"),
        ("x: Strange", "depend on one another", "x.c.conv_transpose"),
    ],
)
def test_what_cannot_be_stepped(stage: str, words: str, label: str) -> None:
    blocks = """
block Scaled(x: [B, T, D]) -> [B, T, D] { return x / T }
block Centred(x: [B, T, D]) -> [B, T, D] { return x - mean(x, over=1, keepdims=true) }
block Largest(x: [B, T, D]) -> [B, T, D] {
  largest, place = top_k(x, 1, axis=1)
  return x - largest
}
block Noisy(x: [B, T, D]) -> [B, T, D] { return x + normal([B, T, D]) }
block Merged(x: [B, T, D]) -> [B, T, D] { return x -> [B, T, D] => [B, T*D] -> reshape([B, T, D]) }
block Centre(x: [B, T, D]) -> [B, T, D] {
  return x -> [B, T, D] => [B, D, T] -> c: Conv(16, 3, pad=1) -> [B, D, T] => [B, T, D]
}
block Strange(x: [B, T, D]) -> [B, T, D] {
  return x -> [B, T, D] => [B, D, T] -> c: ConvTranspose(16, 1) -> [B, D, T] => [B, T, D]
}
"""
    net = nr.load(text_of(stage, blocks))
    spec = SequenceSpec("T", ("logits",), batch="B")
    stepper, reason = open_stepper(net, spec, {})
    assert isinstance(stepper, FullStepper)
    assert reason is not None
    assert words in reason.reason
    assert net.graph.node(reason.node).label == label


def test_an_output_without_tokens() -> None:
    net = nr.load("net 1.0\nmodel M(ids: i32[B, T]) -> (a: f32[B, 3], b: f32[B, T]) {\n"
                  "  return zeros([B, 3]), cast(ids, f32)\n}")  # fmt: skip
    with pytest.raises(UnsupportedError, match="does not depend on the tokens"):
        make_incremental(net.graph, "T", ["a"])


def test_rows_are_taken() -> None:
    """Rows of the caches and states go where `take` says, and the batch may grow by it."""
    for net, fixed in (
        (load_lively(EXAMPLES / "transformer.net", **TRANSFORMER), FIXED),
        (load_lively(text_of(STAGES["lstm"])), {}),
        (load_lively(text_of("s: scan Cached(4)", GROWING)), {}),
    ):
        cached, whole = steppers(net, SequenceSpec("T", ("logits",), batch="B"), fixed)
        data = data_over_time(net, "T", frozenset(), 6)
        more = {name: array[[1, 0, 1]] for name, array in data.items()}
        found = []
        for stepper in (cached, whole):
            feed_chunks(stepper, data, (4,), "logits")
            stepper.take([1, 0, 1])
            found.append(stepper.feed({name: array[:, 4:] for name, array in more.items()})["logits"])
        assert found[0].shape == (3, 2, net.outputs["logits"].shape[-1].value)
        np.testing.assert_allclose(found[0], found[1], rtol=1e-5, atol=1e-5)


def test_rows_of_a_merged_batch_are_not_taken_from_caches() -> None:
    net = load_lively(attend_text(ATTEND["heads in the batch"]))
    stepper, reason = open_stepper(net, SequenceSpec("T", ("logits",), batch="B"), {}, moves_rows=True)
    assert isinstance(stepper, FullStepper)
    assert reason is not None
    assert "merged" in reason.reason


def test_only_what_counts_positions_is_bound_again() -> None:
    """The plan for one more token is the one before but for masks and positions."""
    net = load_lively(EXAMPLES / "gpt2.net", **GPT2)
    stepper = check(net, "logits")
    assert len(stepper._plans) == 3  # chunks of 3, 1 and 2
    counting = [n for n, node in stepper.incremental.graph.operators() if node.op.depends_on(PAST)]
    assert len(counting) == 1  # the range of positions


def test_a_buffer_grows_and_keeps() -> None:
    buffer = Buffer(np, (2, 0, 3), "float32", 1)
    expected = np.zeros((2, 0, 3), np.float32)
    rng = np.random.default_rng(0)
    for count in (1, 30, 2, 1, 60):
        new = rng.normal(size=(2, count, 3)).astype(np.float32)
        view = buffer.grow(count)
        view[:, -count:] = new
        expected = np.concatenate([expected, new], axis=1)
        np.testing.assert_array_equal(view, expected)
    buffer.take([1, 1, 0], 0)
    view = buffer.grow(1)
    assert view.shape == (3, 95, 3)
    np.testing.assert_array_equal(view[:, :-1], expected[[1, 1, 0]])


def test_steppers_of_one_network_share_their_plans() -> None:
    """A new text needs no new plans, and the plan for one token stays whatever the prompts are."""
    net = load_lively(EXAMPLES / "gpt2.net", **GPT2)
    spec = SequenceSpec("T", ("logits",), batch="B")
    plans = set()
    for length in range(2, 14):
        stepper, _ = open_stepper(net, spec, {})
        assert isinstance(stepper, CachedStepper)
        for tokens in (length, 1):
            stepper.feed({"ids": np.zeros((1, tokens), np.int32)})
        of_one_token = [plan for plan in stepper._plans._plans.values() if plan.sizes["T"] == 1]
        plans.add(*map(id, of_one_token))
    assert len(plans) == 1
    assert len(stepper._plans) == MOST_PLANS
