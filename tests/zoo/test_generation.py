"""Every example that can generate, or runs along a sequence, gives with caches what it gives without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netruntime as nr
from netruntime.engine.loading import load_checked
from netruntime.errors import GenerationError
from netruntime.generation import Decoder, find_roles
from netruntime.generation.decoder import complete_given
from netruntime.generation.incremental import CachedStepper, SequenceSpec, open_stepper
from zoo.examples import EXAMPLES, load_varied

SMALL: dict[str, dict[str, Any]] = {
    "gpt2": {"vocab": 60, "dim": 32, "depth": 3, "heads": 4, "positions": 40},
    "transformer": {"vocab": 60, "dim": 32, "depth": 2, "heads": 4, "ff": 64},
}
READS_FROM_BOTH_ENDS = {"bilstm_tagger"}
DECODERS = {"gpt2", "transformer", "char_gpt", "char_lstm", "dates"}
RECURRENT = {"rnn": "logits", "lstm": "logits", "gru": "forecast"}
CHUNKS = (4, 1, 1, 3, 1)


def generating() -> list[str]:
    """The examples that can generate, by what their types say."""
    found = []
    for path in sorted(Path(EXAMPLES).glob("*.net")):
        if len(load_checked(path).models) == 1:
            net = nr.load(path)
            try:
                find_roles(net.model, net.graph)
            except GenerationError:
                continue
            found.append(path.stem)
    return found


def test_decoders() -> None:
    names = generating()
    assert set(names) >= DECODERS
    for name in set(names) - READS_FROM_BOTH_ENDS:
        check_decoder(load_varied(name, gain=2.0, **SMALL.get(name, {})), name)


def check_decoder(net: nr.Network, name: str) -> None:
    rng = np.random.default_rng(0)
    roles = find_roles(net.model, net.graph)
    given = {slot: rng.integers(0, 10, (2, 7)) for slot in roles.given if net.inputs[slot].dtype.is_int}
    given = complete_given(net, roles, given)
    for slot in given:
        if given[slot].dtype == bool:
            given[slot][1, 4:] = False
    tokens = rng.integers(0, roles.vocabulary, (2, sum(CHUNKS)))
    cached = Decoder(net, roles, given)
    assert cached.notice is None, name
    expected = cached.fresh(cached=False).feed(tokens)
    ends = np.cumsum(CHUNKS)
    found = [cached.feed(tokens[:, end - count : end]) for count, end in zip(CHUNKS, ends, strict=True)]
    assert np.ptp(expected) > 0.1, name
    np.testing.assert_allclose(np.concatenate(found, axis=1), expected, rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_examples(name: str) -> None:
    """Those that take features: many-to-one ones after every chunk, with the sequence so far as the whole."""
    net = load_varied(name, gain=2.0)
    x = np.random.default_rng(0).normal(size=(2, sum(CHUNKS), 8)).astype(np.float32)
    lengths = frozenset({"length"} & net.inputs.keys())
    stepper, reason = open_stepper(net, SequenceSpec("T", (RECURRENT[name],), lengths, "B"), {})
    assert reason is None
    assert isinstance(stepper, CachedStepper)
    for count, end in zip(CHUNKS, np.cumsum(CHUNKS), strict=True):
        found = stepper.feed({"x": x[:, end - count : end]})[RECURRENT[name]]
        expected = net(x=x[:, :end], **{slot: [end, end] for slot in lengths})
        whole = expected if net.outputs[RECURRENT[name]].rank == 2 else expected[:, end - count :]
        np.testing.assert_allclose(found, whole, rtol=1e-5, atol=1e-5)


def test_a_reader_from_both_ends_is_refused() -> None:
    with pytest.raises(GenerationError, match="E1102"):
        nr.generate(load_varied("bilstm_tagger", gain=2.0), [1, 2])
