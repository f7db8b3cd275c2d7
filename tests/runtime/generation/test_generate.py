"""`generate`: what is drawn and found, what it refuses, and what it says."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_models import LAST_POSITION, NEXT_TOKEN, STAGES, load_lively, text_of

import netruntime as nr
from netruntime.generation import BeamSearch, Decoder, beam_search, find_roles
from netruntime.generation.sampling import log_softmax

EXAMPLES = Path(__file__).parents[3] / "examples"
GPT2 = {"vocab": 50, "dim": 16, "depth": 2, "heads": 2, "positions": 24}
TRANSFORMER = {"vocab": 50, "dim": 16, "depth": 2, "heads": 2, "ff": 32}
SRC = np.arange(14).reshape(2, 7)
NONCAUSAL = text_of("p: SinusoidalPositions -> e: EncoderLayer(4, 32) * 2")
REVERSED = text_of("r: Recurrent(GRU(8), bidirectional=true)")


def gpt2() -> nr.Network:
    return load_lively(EXAMPLES / "gpt2.net", **GPT2)


def transformer() -> nr.Network:
    return load_lively(EXAMPLES / "transformer.net", **TRANSFORMER)


def greedy(net: nr.Network, tokens: list[int], count: int) -> list[int]:
    """The likeliest tokens, each from a run of the whole."""
    for _ in range(count):
        tokens = [*tokens, int(np.argmax(net(ids=[tokens])[0, -1]))]
    return tokens[-count:]


def test_greedy_takes_the_likeliest() -> None:
    net = gpt2()
    found = nr.generate(net, [3, 1, 4], max_new=12, temperature=0)
    assert found.ids[0].tolist() == greedy(net, [3, 1, 4], 12)
    assert found.cached
    assert found.notices == ()
    assert not found.stopped[0]
    whole = log_softmax(net(ids=[[3, 1, 4, *found.ids[0]]])[0])
    expected = sum(whole[2 + n, token] for n, token in enumerate(found.ids[0]))
    assert found.log_prob[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "options", [{}, {"top_k": 5}, {"top_p": 0.7, "repetition_penalty": 1.4}, {"beams": 3}]
)
def test_caches_change_nothing(options: dict[str, Any]) -> None:
    for net, inputs in ((gpt2(), {}), (transformer(), {"src": SRC})):
        prompts = [[1, 2], [3, 4]]
        found, whole = (
            nr.generate(net, prompts, inputs=inputs, max_new=10, seed=5, cached=cached, **options)
            for cached in (True, False)
        )
        assert found.cached
        assert not whole.cached
        assert [row.tolist() for row in found.ids] == [row.tolist() for row in whole.ids]
        np.testing.assert_allclose(found.log_prob, whole.log_prob, rtol=1e-4)


def test_on_each_device(device: str) -> None:
    for net, inputs in ((gpt2(), {}), (transformer(), {"src": SRC})):
        for options in ({"temperature": 0}, {"beams": 3}, {"temperature": 0, "cached": False}):
            here, there = (
                nr.generate(each, [[1, 2], [3, 4]], inputs=inputs, max_new=8, **options)
                for each in (net, net.to(device))
            )
            assert here.cached == there.cached
            assert [row.tolist() for row in here.ids] == [row.tolist() for row in there.ids]


def test_a_label_of_the_output_s_name_is_not_the_output() -> None:
    text = text_of("r: scan GRU(16) -> logits: Linear(16) -> tanh")
    net = load_lively(text)
    for cached in (True, False):
        found = nr.generate(net.tap("r"), [1, 2], max_new=6, temperature=0, cached=cached)
        assert found.ids[0].tolist() == greedy(net, [1, 2], 6)


def test_seeds() -> None:
    net = gpt2()
    drawn = [nr.generate(net, [1], max_new=15, seed=seed).ids[0].tolist() for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_rows_of_a_batch_are_alike() -> None:
    """Each row gives what it gives alone, and ends by itself."""
    net = gpt2()
    alone = [nr.generate(net, [n], max_new=10, temperature=0).ids[0].tolist() for n in (1, 2)]
    stop = alone[0][3]
    cut = [row[: row.index(stop)] if stop in row else row for row in alone]
    seen: list[list[int | None]] = []
    found = nr.generate(net, [[1], [2]], max_new=10, temperature=0, stop=[stop], stream=seen.append)
    assert [row.tolist() for row in found.ids] == cut
    assert found.stopped == tuple(stop in row for row in alone)
    for start, row, told, stopped in zip((1, 2), cut, found.log_prob, found.stopped, strict=True):
        tokens = [*row, stop] if stopped else row
        whole = log_softmax(net(ids=[[start, *tokens]])[0])
        expected = sum(whole[n, token] for n, token in enumerate(tokens))
        assert told == pytest.approx(expected, rel=1e-5)
    streamed = [[token for token in column if token is not None] for column in zip(*seen, strict=True)]
    assert streamed == cut


def test_no_stop_before_min_new() -> None:
    net = gpt2()
    stop = nr.generate(net, [1], max_new=1, temperature=0).ids[0][0]
    assert len(nr.generate(net, [1], max_new=5, temperature=0, stop=[stop]).ids[0]) == 0
    found = nr.generate(net, [1], max_new=5, min_new=3, temperature=0, stop=[stop])
    assert len(found.ids[0]) >= 3
    assert stop not in found.ids[0]


def test_beams_are_the_search() -> None:
    net = transformer()
    found = nr.generate(
        net, [[1], [2]], inputs={"src": SRC}, max_new=6, beams=4, stop=[7], length_penalty=0.6
    )
    roles = find_roles(net.model, net.graph)
    given = {"src": SRC, "src_keep": np.ones(SRC.shape, bool)}
    decoder = Decoder(net, roles, given, cached=False, moves_rows=True)
    search = BeamSearch(4, 6, frozenset({7}), 0.6)
    expected = [best[0] for best in beam_search(decoder, np.array([[1], [2]]), search)]
    assert [row.tolist() for row in found.ids] == [
        [token for token in best.tokens if token != 7] for best in expected
    ]
    np.testing.assert_allclose(found.log_prob, [best.log_prob for best in expected], rtol=1e-4)


def test_masks_and_lengths_of_what_is_given_are_filled_in() -> None:
    net = transformer()
    keep = np.ones(SRC.shape, bool)
    whole = nr.generate(net, [[1], [2]], inputs={"src": SRC, "src_keep": keep}, max_new=5, temperature=0)
    short = nr.generate(net, [[1], [2]], inputs={"src": SRC}, max_new=5, temperature=0)
    assert [row.tolist() for row in whole.ids] == [row.tolist() for row in short.ids]
    keep[:, 2:] = False
    other = nr.generate(net, [[1], [2]], inputs={"src": SRC, "src_keep": keep}, max_new=5, temperature=0)
    assert other.log_prob != whole.log_prob
    text = """net 1.0
model Copy(src: i32[B, S], n: i32[B], ids: i32[B, T], m: i32[B]) -> logits: f32[B, T, 11] {
  layer embed = Embedding(11, 16)
  _, h = embed(src) -> enc: scan GRU(16)(length=n) states
  return embed(ids) + ([B, D] => [B, 1, D])(h) -> dec: scan GRU(16)(length=m) -> out: Linear(11)
}
"""
    text = text.replace("([B, D] => [B, 1, D])(h)", "unsqueeze(h, 1)")
    net = load_lively(text)
    roles = find_roles(net.model, net.graph)
    assert roles.spec.lengths == {"m"}
    found = nr.generate(net, [[1], [2]], inputs={"src": SRC % 11}, max_new=4, temperature=0)
    again = nr.generate(net, [[1], [2]], inputs={"src": SRC % 11, "n": [7, 7]}, max_new=4, temperature=0)
    assert found.cached
    assert [row.tolist() for row in found.ids] == [row.tolist() for row in again.ids]


@pytest.mark.parametrize("body", [NEXT_TOKEN, LAST_POSITION])
def test_models_of_the_next_token_alone(body: str) -> None:
    net = load_lively(f"net 1.0\n{body}")
    found = nr.generate(net, [[1, 2]], max_new=6, temperature=0)
    tokens = [1, 2]
    for _ in range(6):
        lengths = {"length": [len(tokens)]} if "length" in net.inputs else {}
        tokens.append(int(np.argmax(net.run({"ids": [tokens], **lengths})["logits"][0])))
    assert found.cached
    assert found.ids[0].tolist() == tokens[2:]


def test_probabilities_in_place_of_logits() -> None:
    logits = load_lively(text_of(STAGES["gru"]))
    text = text_of(STAGES["gru"]).replace("out: Linear(11)", "out: Linear(11) -> softmax")
    chances = nr.load(text, logits.weights)
    assert find_roles(chances.model, chances.graph).normalised
    found, expected = (nr.generate(net, [1], max_new=20, seed=2) for net in (chances, logits))
    assert found.ids[0].tolist() == expected.ids[0].tolist()
    assert found.log_prob[0] == pytest.approx(expected.log_prob[0], rel=1e-4)


def test_it_ends_where_the_positions_do() -> None:
    net = gpt2()
    found = nr.generate(net, [1, 2, 3], max_new=50, temperature=0)
    assert len(found.ids[0]) == 22  # 24 positions take 3 tokens and 21 new ones, and give one more
    assert "the text ends after 22 new tokens, at the model's maximum length of 24" in found.notices[0]
    stopped = nr.generate(net, [1, 2, 3], max_new=50, temperature=0, stop=[int(found.ids[0][5])])
    assert stopped.stopped == (True,) and stopped.notices == ()
    with pytest.raises(nr.GenerationError, match=r"E1104.*25 tokens.*maximum length is 24"):
        nr.generate(net, list(range(25)), max_new=1)


@pytest.mark.parametrize("cached", [True, False])
def test_it_slides_past_the_positions(cached: bool) -> None:
    """At 24 positions, the last 12 tokens are the beginning of a text; and again when that has 24."""
    net = gpt2()
    found = nr.generate(net, [1, 2, 3], max_new=50, temperature=0, slide=True, cached=cached)
    tokens, window = [1, 2, 3], [1, 2, 3]
    for _ in range(50):
        token = int(np.argmax(net(ids=[window])[0, -1]))
        tokens.append(token)
        window = tokens[-12:] if len(window) == 24 else [*window, token]
    assert found.ids[0].tolist() == tokens[3:]
    assert found.notices == ()
    long = nr.generate(net, tokens[:40], max_new=2, temperature=0, slide=True)
    assert long.ids[0][0] == np.argmax(net(ids=[tokens[16:40]])[0, -1])
    with pytest.raises(nr.GenerationError, match="E1105"):
        nr.generate(net, [1], beams=2, slide=True)


ASSERTING = """model A(ids: i32[B, T]) -> logits: f32[B, T, 11] {
  assert %s
  return ids -> embed: Embedding(11, 8) -> enc: EncoderLayer(2, 16, causal=true) -> out: Linear(11)
}
"""


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize(
    ("condition", "count", "words"),
    [
        ("T <= 8", 6, "at the model's maximum length of 8"),
        ("T < B + 8", 6, "at a length of 8: `A` asserts that B + 7 >= T"),
        ("T != 6", 3, "after 3 new tokens, at a length of 5: `A` asserts that T != 6 (<text>:3)"),
        ("T % 3 == 0", 1, "after 1 new token, at a length of 3: `A` asserts that 3 divides T"),
        ("T >= 3", 12, ""),
    ],
)
def test_it_ends_where_an_assertion_does(condition: str, count: int, words: str, cached: bool) -> None:
    net = nr.load("net 1.0\n" + ASSERTING % condition)
    free = nr.load("net 1.0\n" + ASSERTING % "true")
    found = nr.generate(net, [1, 2, 3], max_new=12, temperature=0, cached=cached)
    assert found.cached is cached
    expected = nr.generate(free, [1, 2, 3], max_new=12, temperature=0)
    assert found.ids[0].tolist() == expected.ids[0].tolist()[:count]
    assert words in " ".join(found.notices) and bool(words) is bool(found.notices)


@pytest.mark.parametrize("condition", ["true", "T >= 3"])
def test_a_large_number_of_tokens_takes_no_time_before_the_first(condition: str) -> None:
    net = nr.load("net 1.0\n" + ASSERTING % condition)
    started = time.perf_counter()
    found = nr.generate(net, [1, 2, 3], max_new=10**7, stop=range(11))
    assert found.stopped == (True,)
    assert time.perf_counter() - started < 5


def test_an_assertion_holds_for_the_prompt_and_slides_as_positions_do() -> None:
    net = nr.load("net 1.0\n" + ASSERTING % "T >= 5")
    with pytest.raises(nr.DataInputError, match=r"E0853.*`A` asserts that T >= 5, but T is 3"):
        nr.generate(net, [1, 2, 3])
    short = nr.load("net 1.0\n" + ASSERTING % "T <= 8")
    assert len(nr.generate(short, [1, 2, 3], max_new=20, slide=True).ids[0]) == 20
    odd = nr.load("net 1.0\n" + ASSERTING % "T <= 8 and T != 4")
    found = nr.generate(odd, [1] * 5, max_new=20, slide=True)
    assert len(found.ids[0]) == 4 and "T != 4" in found.notices[0]


def test_a_model_that_looks_ahead_is_refused() -> None:
    with pytest.raises(
        nr.GenerationError, match=r"E1102.*`Small` is not causal.*position 3 or later.*at position 0"
    ) as told:
        nr.generate(load_lively(NONCAUSAL), [1])
    assert "causal=true" in str(told.value)
    assert "2 | " in str(told.value) or "3 | " in str(told.value)
    with pytest.raises(nr.GenerationError, match="E1102"):
        nr.generate(load_lively(REVERSED), [1])


TRANSPOSED = """block Turned(x: [B, T, D]) -> [B, T, D] {
  return x -> [B, T, D] => [B, D, T] -> c: ConvTranspose(16, 1) -> [B, D, T] => [B, T, D]
}"""


def test_without_a_rule_the_whole_is_run_again() -> None:
    """A causal model that no rule covers still generates, and says that it takes longer."""
    net = load_lively(text_of("s: Turned", TRANSPOSED))
    found = nr.generate(net, [1, 2], max_new=8, temperature=0)
    assert not found.cached
    assert "the full sequence is recomputed for every token" in found.notices[0]
    assert found.ids[0].tolist() == greedy(net, [1, 2], 8)


def test_caches_that_would_change_the_logits_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    from netruntime.generation.incremental import buffer

    def forget(self: Any, count: int) -> Any:
        view = grow(self, count)
        view[...] = 0
        return view

    grow = buffer.Buffer.grow
    net = gpt2()
    monkeypatch.setattr(buffer.Buffer, "grow", forget)
    found = nr.generate(net, [1, 2], max_new=6, temperature=0)
    assert not found.cached
    assert "caches would change the logits" in found.notices[0]
    assert found.ids[0].tolist() == greedy(net, [1, 2], 6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "model M(x: f32[B, T, 8]) -> y: f32[B, T, 8] { return x }",
            "E1100.*`M` cannot generate",
        ),
        ("model M(ids: i32[B, 8]) -> y: f32[B, 8, 5] { return ids -> Embedding(5, 5) }", "E1100"),
        (
            "model M(a: i32[B, T], b: i32[B, T]) -> y: f32[B, T, 5] { return (a + b) -> e: Embedding(5, 5) }",
            "E1101.*several inputs.*a, b",
        ),
        (
            "model M(a: i32[B, T]) -> (y: f32[B, T, 5], z: f32[B, T, 5]) "
            "{ return a -> e: Embedding(5, 5), a -> f: Embedding(5, 5) }",
            "E1101.*several outputs.*y, z",
        ),
        (
            "model M(a: i32[B, T], w: f32[B, T, 5]) -> y: f32[B, T, 5] { return e + w }",
            "E1103.*`w` is f32",
        ),
        (
            "model M(a: i32[B, T], w: f32[B, 1, 5]) -> y: f32[B, T, 5] { return e + w }",
            "E1103.*needs the input `w`",
        ),
    ],
)
def test_models_that_do_not_fit(text: str, words: str) -> None:
    text = text.replace("e + w", "(a -> e: Embedding(5, 5)) + w")
    with pytest.raises(nr.GenerationError, match=words):
        nr.generate(nr.load(f"net 1.0\n{text}"), [1])


def test_names_settle_what_is_not_clear() -> None:
    net = nr.load(
        "net 1.0\nmodel M(a: i32[B, T]) -> (y: f32[B, T, 5], z: f32[B, T, 5]) {\n"
        "  return a -> e: Embedding(5, 5), a -> f: Embedding(5, 5)\n}"
    )
    for name in ("y", "z"):
        found = nr.generate(net, [1], logits_output=name, max_new=1, temperature=0)
        assert found.ids[0][0] == np.argmax(net(a=[[1]])[name][0, -1])
    with pytest.raises(nr.GenerationError, match=r"E1101.*no output `x`"):
        nr.generate(net, [1], logits_output="x")
    with pytest.raises(nr.GenerationError, match=r"E1101.*no input `b`"):
        nr.generate(net, [1], token_input="b")


@pytest.mark.parametrize(
    ("prompt", "options", "words"),
    [
        ([], {}, "E1104.*no tokens"),
        ([[]], {}, "E1104.*no tokens"),
        ([50], {}, "E1104.*id 50.*0 to 49"),
        ([-1], {}, "E1104.*id -1"),
        ([0.5], {}, "E1104.*float64"),
        ([1], {"max_new": 0}, "E1105.*`max_new`"),
        ([1], {"beams": 0}, "E1105.*`beams`"),
        ([1], {"stop": [50]}, "E1105.*stop token 50"),
        ([1], {"stop": range(50), "min_new": 1}, "E1105.*`min_new` rules out the stop tokens"),
        ([1], {"stop": range(50), "min_new": 1, "beams": 2}, "E1105.*`min_new` rules out the stop tokens"),
        ([1], {"beams": 2, "top_k": 3}, "E1105.*`top_k`"),
        ([1], {"beams": 2, "temperature": 0.5}, "E1105.*`temperature`"),
        ([1], {"inputs": {"x": [1]}}, "E1103.*`x` is not an input"),
    ],
)
def test_what_is_asked_wrongly(prompt: list[Any], options: dict[str, Any], words: str) -> None:
    with pytest.raises(nr.GenerationError, match=words):
        nr.generate(gpt2(), prompt, **options)


def test_a_fixed_batch_has_no_beams() -> None:
    net = nr.load("net 1.0\nmodel M(a: i32[1, T]) -> y: f32[1, T, 5] {\n  return a -> e: Embedding(5, 5)\n}")
    assert len(nr.generate(net, [1], max_new=3).ids[0]) == 3
    with pytest.raises(nr.GenerationError, match=r"E1105.*free batch"):
        nr.generate(net, [1], beams=2)


def test_damaged_weights_are_told() -> None:
    net = gpt2()
    broken = {path: array * np.float32(np.nan) for path, array in net.weights.items()}
    with pytest.raises(nr.GenerationError, match="E1107"):
        nr.generate(nr.load(EXAMPLES / "gpt2.net", broken, **GPT2), [1])


def test_the_network_is_as_it_was() -> None:
    """A run leaves nothing behind that a second one would see."""
    net = transformer()
    before = {path: array.copy() for path, array in net.weights.items()}
    runs = [nr.generate(net, [1], inputs={"src": SRC[:1]}, max_new=8, seed=1) for _ in range(2)]
    assert runs[0].ids[0].tolist() == runs[1].ids[0].tolist()
    for path, array in net.weights.items():
        np.testing.assert_array_equal(array, before[path])
